import { describe, expect, it } from 'vitest';
import type { Minute } from '../../../src/state/minutes.ts';
import { type ConnectionDay, type Day, timelineOf } from '../../../src/status/connection-timeline.ts';
import { type SeenState, STATE_BITS } from '../../../src/status/timeline-state.ts';
import { claimed, entry, turned } from './history.ts';

const MINUTE = 60_000;
/** A whole minute; tests count minutes and seconds from it. */
const START = 29_400_000 * MINUTE;
const at = (minutes: number, seconds = 0) => START + minutes * MINUTE + seconds * 1_000;
const DAY: Day = { now: at(5), from: START, unwatched: [] };

function minutes(...seen: (readonly SeenState[] | null)[]): Map<number, Minute> {
  return new Map(
    seen.flatMap((states, n) => {
      if (states === null) return [];
      const minute = START / MINUTE + n;
      return [[minute, { minute, states: states.reduce((bits, one) => bits | STATE_BITS[one], 0), events: 0 }]];
    }),
  );
}

function spans(connection: Partial<ConnectionDay>, day: Partial<Day> = {}): string[] {
  const given = { id: 'a', minutes: new Map(), history: [], gaps: [], present: { state: 'live', events: 0 } } as const;
  const seconds = (instant: string) => (Date.parse(instant) - START) / 1_000;
  const { spans } = timelineOf({ ...given, ...connection }, { ...DAY, ...day });
  return spans.map(({ from, to, state }) => `${seconds(from)}-${seconds(to)} ${state}`);
}

const live: readonly SeenState[] = ['live'];
const history = [claimed(at(-9), 'a/1', 1), turned(at(-9, 1), 1, 'live', 'identified')];

describe('spans', () => {
  it('are unknown where nobody watched, whatever the history says', () => {
    expect(spans({ minutes: minutes(live, null, null, live, live), history })).toEqual([
      '0-60 live',
      '60-180 unknown',
      '180-300 live',
    ]);
    expect(spans({ history })).toEqual(['0-240 unknown', '240-300 live']);
  });

  it('are exact where history and sweeps agree, also about what was too short to be seen', () => {
    const withLoss = [...history, turned(at(1, 20), 1, 'waiting'), turned(at(1, 21), 1, 'live', 'resumed')];
    expect(spans({ minutes: minutes(live, ['live', 'down'], live, live, live), history: withLoss })).toEqual([
      '0-80 live',
      '80-81 down',
      '81-300 live',
    ]);
    expect(spans({ minutes: minutes(live, live, live, live, live), history: withLoss })).toContain('80-81 down');
  });

  it('show the worst of a minute where history does not tell', () => {
    const seen = minutes(live, ['live', 'down'], ['live', 'parked', 'down'], live, live);
    expect(spans({ minutes: seen })).toEqual(['0-60 live', '60-120 down', '120-180 parked', '180-300 live']);
    // The holder is gone and wrote nothing.
    expect(spans({ minutes: seen, history })).toEqual(['0-60 live', '60-120 down', '120-180 parked', '180-300 live']);
  });

  it('of a lost holder begin when it was last heard of', () => {
    const lost = [
      ...history,
      entry(at(2, 10), 'declared-dead', { token: 1, heardAt: at(2, 4) }),
      claimed(at(2, 11), 'b/1', 2, { last: 'a/1', heardAt: at(2, 4) }),
      turned(at(2, 12), 2, 'live', 'resumed'),
    ];
    const seen = minutes(live, live, ['live', 'down', 'connecting'], live, live);
    expect(spans({ minutes: seen, history: lost })).toEqual([
      '0-124 live',
      '124-131 down',
      '131-132 connecting',
      '132-300 live',
    ]);
  });

  it('of a connection that begins in the middle of a minute are exact from there on', () => {
    const begun = [claimed(at(3, 20), 'a/1', 1), turned(at(3, 22), 1, 'live', 'identified')];
    expect(spans({ minutes: minutes(null, null, null, ['down', 'live'], live), history: begun })).toEqual([
      '0-180 unknown',
      '180-202 down',
      '202-300 live',
    ]);
  });

  it('tell an attempt from a wait for one where sweeps saw only one of them', () => {
    const outage = [...history, turned(at(1), 1, 'waiting'), turned(at(4), 1, 'live', 'resumed')];
    const seen = minutes(live, ['connecting'], ['connecting', 'down'], ['down'], live);
    expect(spans({ minutes: seen, history: outage })).toEqual([
      '0-60 live',
      '60-120 connecting',
      '120-240 down',
      '240-300 live',
    ]);
  });

  it('know a pause by the release that it made', () => {
    const paused = [...history, entry(at(3, 30), 'released', { token: 1, why: 'nobody-wants', detail: 'paused' })];
    const seen = minutes(live, live, live, ['live', 'paused'], ['paused']);
    expect(spans({ minutes: seen, history: paused, present: { state: 'paused', events: 0 } })).toEqual([
      '0-210 live',
      '210-300 paused',
    ]);
  });

  it('are unknown in the part of a minute that nobody watched, and up to now when nobody does', () => {
    const seen = minutes(live, live, live, live, live);
    const unwatched = [
      { from: at(0, 10), to: at(1, 50) },
      { from: at(4, 30), to: at(5) },
    ];
    expect(spans({ minutes: seen }, { unwatched })).toEqual([
      '0-10 live',
      '10-110 unknown',
      '110-270 live',
      '270-300 unknown',
    ]);
  });

  it('of the minute that runs know what is the case now, though it is not written yet', () => {
    const seen = minutes(live, live, live);
    const present = { state: 'down', events: 0 } as const;
    expect(spans({ minutes: seen, present }, { now: at(3, 30) })).toEqual(['0-180 live', '180-210 down']);
  });

  it('have no holes and no neighbours of one state, whatever they are made of', () => {
    const seen = minutes(['live', 'down'], null, ['parked'], ['paused', 'connecting'], live);
    const outage = [...history, turned(at(0, 30), 1, 'waiting'), entry(at(2), 'parked', { token: 1 })];
    const day = { ...DAY, unwatched: [{ from: at(3, 1), to: at(3, 2) }] };
    const made = timelineOf(
      { id: 'a', minutes: seen, history: outage, gaps: [], present: { state: 'live', events: 0 } },
      day,
    ).spans;
    expect([made[0]?.from, made.at(-1)?.to]).toEqual([new Date(START).toISOString(), new Date(at(5)).toISOString()]);
    for (const [n, span] of made.entries()) {
      if (n === 0) continue;
      expect(span.from).toBe(made[n - 1]?.to);
      expect(span.state).not.toBe(made[n - 1]?.state);
    }
  });
});

describe('messages per minute', () => {
  const counted = (...events: (number | null)[]) =>
    new Map(
      events.flatMap((count, n) => {
        const minute = START / MINUTE + n - 1;
        return count === null ? [] : [[minute, { minute, states: 1, events: count }] as const];
      }),
    );
  const perMinute = (minutes: Map<number, Minute>, events: number) =>
    timelineOf({ id: 'a', minutes, history: [], gaps: [], present: { state: 'live', events } }, DAY).messagesPerMinute;

  it('are differences of the counter, the running minute up to now', () => {
    expect(perMinute(counted(10, 10, 12, 20, 21, 21), 25)).toEqual([0, 2, 8, 1, 4]);
  });

  it('are unknown beside a minute that nobody watched, and where the counter was lost', () => {
    expect(perMinute(counted(10, 11, null, 20, 3, 4), 4)).toEqual([1, null, null, null, 1]);
    expect(perMinute(counted(null, 11, 12, 12, 12, 12), 12)).toEqual([null, 1, 0, 0, 0]);
  });
});

describe('marks', () => {
  const marks = (...records: ReturnType<typeof claimed>[]) =>
    timelineOf(
      { id: 'a', minutes: new Map(), history: records, gaps: [], present: { state: 'live', events: 0 } },
      DAY,
    ).marks.map(({ kind, text }) => `${kind}: ${text}`);
  const before = claimed(at(0), 'a/1', 1);
  const next = (worker: string, more = {}) => claimed(at(2), worker, 2, { last: 'a/1', ...more });
  const ended = (what: string, more = {}) => entry(at(1), what, { token: 1, detail: 'why', ...more });

  it.each([
    ['takeover', ended('declared-dead'), next('b/1', { heardAt: at(1) }), 'b/1 took over from a/1: why'],
    ['restart', ended('declared-dead'), next('a/1', { heardAt: at(1) }), 'a/1 took it again: why'],
    ['deploy', ended('released', { why: 'process' }), next('b/1'), 'a/1 left, b/1 has it: why'],
    ['handoff', ended('released'), next('b/1'), 'from a/1 to b/1: why'],
    ['restart', ended('released'), next('a/1'), 'a/1 started it again: why'],
    ['restart', ended('bug'), next('a/1'), 'a/1 started it again: why'],
  ])('tell a %s', (kind, end, start, text) => {
    expect(marks(before, end, start)).toEqual([`${kind}: ${text}`]);
  });

  it('tell a takeover from a host that was lost, of which nothing is written', () => {
    expect(marks(before, turned(at(0, 1), 1, 'live'), next('b/1', { heardAt: at(1) }))).toEqual([
      'takeover: b/1 took over from a/1',
    ]);
  });

  it('tell new sessions and gaps, in order, and nothing of before', () => {
    const made = timelineOf(
      {
        id: 'a',
        minutes: new Map(),
        history: [claimed(at(-2), 'a/1', 1, { last: 'b/1' }), turned(at(3), 1, 'live', 'identified')],
        gaps: [
          { at: at(4), text: 'events are missing' },
          { at: at(1), text: 'earlier' },
        ],
        present: { state: 'live', events: 0 },
      },
      DAY,
    ).marks;
    expect(made.map(({ kind }) => kind)).toEqual(['gap', 'identified', 'gap']);
    expect(made[2]).toEqual({ at: new Date(at(4)).toISOString(), kind: 'gap', text: 'events are missing' });
  });
});
