/** What changes every second, in components so small that nothing else is drawn again. */
import { redisNow, sinceNews } from './news.ts';
import { instant, span } from './words.ts';

/** An age that was `ms` when the newest document was made. */
export function Age({ ms }: { ms: number | null }) {
  return <>{ms === null ? '–' : span(ms + sinceNews.value)}</>;
}

/** Time since an instant, and the instant itself for whoever points at it. */
export function Since({ at }: { at: string }) {
  const time = Date.parse(at);
  return (
    <time dateTime={at} title={instant(time, redisNow.value)}>
      {span(redisNow.value - time)}
    </time>
  );
}

/** `in 4 s`, or that it is due. */
export function Countdown({ at }: { at: string }) {
  const leftMs = Date.parse(at) - redisNow.value;
  return <time dateTime={at}>{leftMs <= 0 ? 'now' : `in ${span(leftMs + 999)}`}</time>;
}

export function At({ at }: { at: string }) {
  return <time dateTime={at}>{instant(Date.parse(at), redisNow.peek())}</time>;
}
