/**
 * One connection's day: what sweeps saw of it, minute by minute, made exact by its history where the two agree. Where they
 * do not, what was seen from outside counts: a holder that is gone writes no history. Pure; all instants are Redis ms.
 */
import type { HistoryRecord } from '../state/history.ts';
import { MINUTE_MS, type Minute } from '../state/minutes.ts';
import type { SweepGap } from '../state/sweeps.ts';
import { marksOf } from './marks.ts';
import { type Step, stepsOf } from './state-steps.ts';
import type { ConnectionTimeline, Mark, Span, TimelineState } from './timeline.ts';
import { type SeenState, STATE_BITS, worstOf } from './timeline-state.ts';

export interface ConnectionDay {
  readonly id: string;
  /** By minute since the epoch. */
  readonly minutes: ReadonlyMap<number, Minute>;
  /** Oldest first. Nothing is missing after the first entry. */
  readonly history: readonly HistoryRecord[];
  /** Of the platform. */
  readonly gaps: readonly { readonly at: number; readonly text: string }[];
  /** As it is now, by evidence. */
  readonly present: { readonly state: SeenState; readonly events: number };
}

export interface Day {
  readonly now: number;
  /** A whole minute. */
  readonly from: number;
  /** Times in which no scheduler swept, oldest first. */
  readonly unwatched: readonly SweepGap[];
}

export function timelineOf(connection: ConnectionDay, day: Day): ConnectionTimeline {
  const { id, history, gaps } = connection;
  const marks = [...marksOf(history), ...gaps.map(({ at, text }) => ({ at, kind: 'gap' as const, text }))]
    .filter(({ at }) => at >= day.from)
    .sort((one, other) => one.at - other.at)
    .map(({ at, kind, text }): Mark => ({ at: iso(at), kind, text }));
  return { id, spans: spansOf(connection, day), marks, messagesPerMinute: messagesPerMinute(connection, day) };
}

function spansOf(connection: ConnectionDay, day: Day): Span[] {
  const spans = new Spans(day.from);
  const pace = new Pace(stepsOf(connection.history));
  for (let at = day.from; at < day.now; at += MINUTE_MS) {
    for (const { until, state } of minuteOf(connection, day, at, pace)) spans.extend(until, state);
  }
  return withHoles(spans.all, day.unwatched).map(({ from, to, state }) => ({ from: iso(from), to: iso(to), state }));
}

interface Piece {
  readonly until: number;
  readonly state: TimelineState;
}

function minuteOf({ minutes, present }: ConnectionDay, { now }: Day, at: number, pace: Pace): Piece[] {
  const end = Math.min(at + MINUTE_MS, now);
  const exact = pace.between(at, end);
  const running = end === now ? STATE_BITS[present.state] : 0;
  const seen = (minutes.get(at / MINUTE_MS)?.states ?? 0) | running;
  const worst = worstOf(seen);
  if (worst === null) return [{ until: end, state: 'unknown' }];
  // A connection may begin in the middle of a minute, and then before that it was what was seen.
  const known = exact.map(({ until, state }) => ({ until, state: state ?? worst }));
  if (!known.some(({ state }) => alike(state, worst))) return [{ until: end, state: worst }];
  return known.map(({ until, state }) => ({ until, state: inDetail(state, seen) }));
}

/** To the history an outage is one thing, whether an attempt runs or is waited for. */
function alike(one: SeenState, other: SeenState): boolean {
  const trying = (state: SeenState) => state === 'connecting' || state === 'down';
  return one === other || (trying(one) && trying(other));
}

/** Which of the two it was, where sweeps saw only one of them. */
function inDetail(state: SeenState, seen: number): SeenState {
  const saw = (one: SeenState) => (seen & STATE_BITS[one]) !== 0;
  if (state === 'down' && !saw('down') && saw('connecting')) return 'connecting';
  if (state === 'connecting' && !saw('connecting') && saw('down')) return 'down';
  return state;
}

/** Walks along the steps, once. */
class Pace {
  readonly #steps: readonly Step[];
  #next = 0;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  /** To be asked in the order of time. The state is `null` before the first step. */
  between(from: number, to: number): { readonly until: number; readonly state: SeenState | null }[] {
    const steps = this.#steps;
    while ((steps[this.#next]?.at ?? Infinity) <= from) this.#next += 1;
    const pieces: { until: number; state: SeenState | null }[] = [];
    for (let n = this.#next; ; n += 1) {
      const until = Math.min(steps[n]?.at ?? to, to);
      pieces.push({ until, state: steps[n - 1]?.state ?? null });
      if (until === to) return pieces;
    }
  }
}

interface PlainSpan {
  readonly from: number;
  readonly to: number;
  readonly state: TimelineState;
}

/** Joins what follows one another in the same state. */
class Spans {
  readonly all: { from: number; to: number; state: TimelineState }[] = [];
  #at: number;

  constructor(from: number) {
    this.#at = from;
  }

  extend(until: number, state: TimelineState): void {
    if (until <= this.#at) return;
    const last = this.all.at(-1);
    if (last?.state === state) last.to = until;
    else this.all.push({ from: this.#at, to: until, state });
    this.#at = until;
  }
}

/** A minute may have been watched for a part only. */
function withHoles(spans: readonly PlainSpan[], holes: readonly SweepGap[]): readonly PlainSpan[] {
  const first = spans[0];
  if (first === undefined || holes.length === 0) return spans;
  const result = new Spans(first.from);
  for (const { from, to, state } of spans) {
    for (const hole of holes) {
      if (hole.to <= from || hole.from >= to) continue;
      result.extend(Math.max(hole.from, from), state);
      result.extend(Math.min(hole.to, to), 'unknown');
    }
    result.extend(to, state);
  }
  return result.all;
}

function messagesPerMinute({ minutes, present }: ConnectionDay, { now, from }: Day): (number | null)[] {
  const counts: (number | null)[] = [];
  let before = minutes.get(from / MINUTE_MS - 1)?.events ?? null;
  for (let at = from; at < now; at += MINUTE_MS) {
    const noted = minutes.get(at / MINUTE_MS)?.events ?? null;
    const events = at + MINUTE_MS >= now ? Math.max(noted ?? 0, present.events) : noted;
    // A counter that fell was lost with Redis's data: how many there were in between, nobody knows.
    counts.push(events === null || before === null || events < before ? null : events - before);
    before = events;
  }
  return counts;
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
