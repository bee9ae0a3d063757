import { describe, expect, it } from 'vitest';
import { tenuresOf } from '../../../src/status/tenures.ts';
import { claimed, entry, turned } from './history.ts';

const iso = (at: number) => new Date(at).toISOString();

describe('tenures', () => {
  it('have where, how, why they ended, and what was stored in them; newest first', () => {
    const history = [
      claimed(1_000, 'host-a/1', 10, { events: 0 }),
      turned(1_500, 10, 'live', 'identified'),
      turned(2_000, 10, 'waiting'),
      turned(2_500, 10, 'live', 'resumed'),
      entry(3_000, 'released', { token: 10, detail: 'SIGTERM' }),
      claimed(3_100, 'host-b/2', 12, { events: 7, last: 'host-a/1' }),
      turned(3_200, 12, 'live', 'resumed'),
    ].reverse();
    expect(tenuresOf(history, 9)).toEqual([
      {
        worker: 'host-b/2',
        host: 'host-b',
        token: 12,
        startedAt: iso(3_100),
        endedAt: null,
        how: 'resumed',
        endedBecause: null,
        events: 2,
      },
      {
        worker: 'host-a/1',
        host: 'host-a',
        token: 10,
        startedAt: iso(1_000),
        endedAt: iso(3_000),
        how: 'identified',
        endedBecause: 'SIGTERM',
        events: 7,
      },
    ]);
  });

  it('that nobody ended are ended by the next one, and say that their lease ran out', () => {
    const history = [claimed(1_000, 'a/1', 10), claimed(9_000, 'b/2', 11, { heardAt: 3_000 })].reverse();
    expect(tenuresOf(history, 0)[1]).toMatchObject({
      endedAt: iso(3_000),
      endedBecause: expect.stringContaining('lease ran out'),
    });
  });

  it.each(['parked', 'bug', 'declared-dead'])('end as %s with the reason that was written', (what) => {
    const history = [claimed(1_000, 'a/1', 10), entry(2_000, what, { token: 10, detail: 'why' })].reverse();
    expect(tenuresOf(history, 0)).toMatchObject([{ how: null, endedAt: iso(2_000), endedBecause: 'why' }]);
  });

  it('whose beginning is cut off are left out, and late words of an older one change nothing', () => {
    const history = [
      entry(500, 'released', { token: 9, detail: 'before what is kept' }),
      claimed(1_000, 'a/1', 10),
      entry(1_100, 'released', { token: 9, detail: 'late' }),
    ].reverse();
    expect(tenuresOf(history, 0)).toMatchObject([{ token: 10, endedAt: null, endedBecause: null }]);
    expect(tenuresOf(history, 0)).toHaveLength(1);
  });

  it('do not know their messages where counters were lost, or an older release wrote none', () => {
    const lost = [claimed(1_000, 'a/1', 10, { events: 500 }), claimed(2_000, 'a/1', 11, { events: 3 })].reverse();
    expect(tenuresOf(lost, 5).map(({ events }) => events)).toEqual([2, null]);
    expect(tenuresOf([claimed(1_000, 'a/1', 10)], 5)[0]?.events).toBeNull();
  });
});
