import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectionId } from '../../../src/model.ts';
import { surplus } from '../../../src/workers/fair-share.ts';
import { createRebalance, type Movable } from '../../../src/workers/rebalance.ts';

const US = 'host-a/1';
const ids = (count: number) => Array.from({ length: count }, (_, n) => connectionId(`c-${n}`));

/** A worker that holds some, and what becomes of those that it gives up. */
function worker({ holds, share, taker }: { holds: number; share: number; taker: () => 'other' | 'us' | 'nobody' }) {
  const owners = new Map<string, string | null>(ids(holds).map((id) => [id, US]));
  const lines: Record<string, unknown>[] = [];
  const moves: string[] = [];
  let unowned = 0;
  const stop = new AbortController();
  const movableOf = (id: ReturnType<typeof connectionId>): Movable => ({
    id,
    async leave() {
      moves.push(id);
      owners.set(id, null);
      const without = [...owners.values()].filter((owner) => owner === null).length;
      unowned = Math.max(unowned, without);
      const whom = taker();
      if (whom !== 'nobody') setTimeout(() => owners.set(id, whom === 'us' ? US : 'host-b/2'), 300);
    },
  });
  const rebalance = createRebalance({
    movable: () => ids(holds).flatMap((id) => (owners.get(id) === US ? [movableOf(id)] : [])),
    share: () => share,
    ownersOf: async (some) => some.map((id) => owners.get(id) ?? null),
    worker: US,
    log: pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  });
  const done = rebalance.run(stop.signal).catch(() => undefined);
  const held = () => [...owners.values()].filter((owner) => owner === US).length;
  const end = () => {
    stop.abort(new Error('over'));
    return done;
  };
  const events = (name: string) => lines.filter(({ event }) => event === name).length;
  return { rebalance, moves, held, events, unowned: () => unowned, end };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'performance'] }));
afterEach(() => void vi.useRealTimers());

describe('a worker with more than its share', () => {
  it('has given 200 away evenly 30 s after somebody joined, few at a time (S2)', async () => {
    const here = worker({ holds: 200, share: 100, taker: () => 'other' });
    await vi.advanceTimersByTimeAsync(30_000);
    expect(surplus(here.held(), 100)).toBe(0);
    expect(new Set(here.moves).size).toBe(here.moves.length);
    expect(here.unowned()).toBeLessThanOrEqual(10);
    expect(here.events('rebalance-refused')).toBe(0);
    await here.end();
  });

  it.each(['us', 'nobody'] as const)(
    'stops when what it gives up goes to %s, says so once, and tries rarely (S1)',
    async (whom) => {
      const here = worker({ holds: 8, share: 4, taker: () => whom });
      await vi.advanceTimersByTimeAsync(40_000);
      expect(here.moves.length).toBeLessThanOrEqual(5);
      expect(new Set(here.moves).size).toBe(here.moves.length);
      expect(here.events('rebalance-refused')).toBe(1);
      expect(here.rebalance.refused).toMatch(/taken by no other worker/);
      await here.end();
    },
  );

  it('goes on when it is taken again', async () => {
    let whom: 'us' | 'other' = 'us';
    const here = worker({ holds: 8, share: 4, taker: () => whom });
    await vi.advanceTimersByTimeAsync(10_000);
    whom = 'other';
    await vi.advanceTimersByTimeAsync(120_000);
    expect(surplus(here.held(), 4)).toBe(0);
    expect(here.rebalance.refused).toBeNull();
    expect(here.events('rebalance-recovered')).toBe(1);
    await here.end();
  });
});
