/** What stands above every page: where one is, whether the page is told anything, and the verdict. */
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { freshness, overview, sinceNews } from './news.ts';
import { ChartPatterns } from './strip-chart.tsx';
import { isReadOnly } from './visitor.ts';
import { number, span } from './words.ts';

const LINKS = [
  ['/', 'Status'],
  ['/dead-letters', 'Dead letters'],
  ['/admin/queues', 'Queues'],
  ['/docs/runbook.html', 'Runbook'],
] as const;

export function Frame({ title, children }: { title: string; children: ComponentChildren }) {
  const silent = freshness.value.kind === 'silent';
  useEffect(() => {
    document.title = `${silent ? 'no news' : title} · Holdfast`;
  }, [silent, title]);
  return (
    <div class={silent ? 'frame silent' : 'frame'}>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <ChartPatterns />
      <header class="top">
        <nav aria-label="Pages">
          <a class="brand" href="/">
            Holdfast
          </a>
          {LINKS.map(([href, name]) => (
            <a key={href} href={href} aria-current={href === location.pathname ? 'page' : undefined}>
              {name}
              {href === '/dead-letters' && <DeadCount />}
            </a>
          ))}
        </nav>
        <Pulse />
        {!isReadOnly && (
          <form method="post" action="/logout">
            <button class="button quiet" type="submit">
              Log out
            </button>
          </form>
        )}
      </header>
      <main id="main" tabIndex={-1}>
        <Silence />
        {children}
      </main>
    </div>
  );
}

function DeadCount() {
  const total = overview.value?.deadLetters.total ?? 0;
  return total === 0 ? null : <span class="count"> {number(total)}</span>;
}

/** Proof that the page is told something, every second. */
function Pulse() {
  const { kind } = freshness.value;
  const age = overview.value === null ? '' : ` ${span(sinceNews.value)} ago`;
  return <span class={`pulse ${kind}`}>{kind === 'fresh' ? `told${age}` : 'no news'}</span>;
}

/** In the place where the eye goes first, and said aloud once. */
function Silence() {
  const current = freshness.value;
  if (current.kind === 'fresh') return null;
  const { forMs, reason } = current;
  return (
    <section class="silence" aria-label="No news">
      <p class="headline">
        {forMs === null ? 'No news yet' : `No news for ${span(forMs)}`}: <span role="alert">{reason}.</span>
      </p>
      {forMs !== null && (
        <p>
          What stands below is how it was then; it may be otherwise now. <code>holdfast status</code> on the host tells
          more; see <a href="/docs/runbook.html">the runbook</a>.
        </p>
      )}
    </section>
  );
}
