/** The strip chart for those who cannot see it, or want the numbers. Pure. */
import type { ConnectionTimeline, Span, TimelineDocument, TimelineState } from './documents.ts';
import { plural, span } from './words.ts';

export const SPAN_WORDS: Readonly<Record<TimelineState, string>> = {
  live: 'live',
  connecting: 'connecting',
  down: 'down',
  parked: 'parked',
  paused: 'paused',
  unknown: 'not known',
};

const NOT_LIVE: readonly TimelineState[] = ['connecting', 'down', 'parked', 'paused', 'unknown'];

export function lengthOf({ from, to }: Span): number {
  return Date.parse(to) - Date.parse(from);
}

/** `live 98.7 %, down 12 min 3 s; 2 takeovers, 1 deploy; up to 14 messages a minute` */
export function summarise({ spans, marks, messagesPerMinute }: ConnectionTimeline): string {
  const total = new Map<TimelineState, number>();
  for (const each of spans) total.set(each.state, (total.get(each.state) ?? 0) + lengthOf(each));
  const all = [...total.values()].reduce((sum, ms) => sum + ms, 0);
  const states = [
    `live ${all === 0 ? 0 : floorTo1((100 * (total.get('live') ?? 0)) / all)} %`,
    ...NOT_LIVE.flatMap((state) => {
      const ms = total.get(state) ?? 0;
      return ms === 0 ? [] : [`${SPAN_WORDS[state]} ${span(ms)}`];
    }),
  ];
  const counts = new Map<string, number>();
  for (const { kind } of marks) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const happened = [...counts].map(([kind, count]) =>
    kind === 'identified' ? plural(count, 'new session') : plural(count, kind),
  );
  const busiest = messagesPerMinute.reduce<number>((most, each) => Math.max(most, each ?? 0), 0);
  const messages = busiest === 0 ? [] : [`up to ${plural(busiest, 'message')} a minute`];
  return [states, happened, messages]
    .filter(({ length }) => length > 0)
    .map((part) => part.join(', '))
    .join('; ');
}

/** 99.96 % is not 100 %. */
function floorTo1(percent: number): number {
  return Math.floor(percent * 10) / 10;
}

export interface Happening {
  readonly at: string;
  readonly what: string;
  readonly detail: string;
}

/** Outages and marks, newest first. */
export function happenings({ spans, marks }: ConnectionTimeline, deploys: TimelineDocument['deploys']): Happening[] {
  return [
    ...spans
      .filter(({ state }) => state !== 'live')
      .map((each) => ({
        at: each.from,
        what: SPAN_WORDS[each.state],
        detail: `for ${lengthOf(each) < 1_000 ? 'less than 1 s' : span(lengthOf(each))}`,
      })),
    ...marks.map(({ at, kind, text }) => ({ at, what: kind === 'identified' ? 'new session' : kind, detail: text })),
    ...deploys.map(({ at, worker, what }) => ({ at, what: `worker ${what}`, detail: worker })),
  ].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
}
