import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fairShare, lotOf, surplus, takesUpTo } from '../../../src/workers/fair-share.ts';

const evenly = (connections: number, workers: number) => fairShare(connections, Array(workers).fill(5_000), 5_000);

describe('the fair share', () => {
  it('leaves nobody without an owner: the shares of all workers cover all connections', () => {
    fc.assert(
      fc.property(fc.nat(5_000), fc.integer({ min: 1, max: 50 }), (connections, workers) => {
        return evenly(connections, workers) * workers >= connections;
      }),
    );
  });

  it('comes to rest: giving up a surplus never makes another worker give up the same', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60), { minLength: 2, maxLength: 6 }), (start) => {
        const held = [...start];
        const share = evenly(
          held.reduce((sum, n) => sum + n, 0),
          held.length,
        );
        for (let moves = 0; moves < 1_000; moves += 1) {
          const giver = held.findIndex((n) => surplus(n, share) > 0);
          if (giver === -1) return held.every((n) => n <= Math.max(share + 1, takesUpTo(share)));
          const taker = held.indexOf(Math.min(...held));
          held[giver] = (held[giver] ?? 0) - 1;
          held[taker] = (held[taker] ?? 0) + 1;
        }
        return false;
      }),
    );
  });

  it('moves something when one of two workers has all of four', () => {
    expect(surplus(4, evenly(4, 2))).toBe(1);
    expect(surplus(3, evenly(4, 2))).toBe(0);
  });

  it('counts a smaller worker with what it can hold, and the others share the rest (S2)', () => {
    const capacities = [10, 1_000, 1_000];
    expect(fairShare(100, capacities, 10)).toBe(10);
    expect(fairShare(100, capacities, 1_000)).toBe(45);
    expect(fairShare(100, [10, 20], 20)).toBe(20);
    expect(fairShare(100, [], 7)).toBe(7);
    fc.assert(
      fc.property(fc.nat(500), fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }), (connections, all) => {
        const room = all.reduce((sum, n) => sum + n, 0);
        const shares = all.map((own) => fairShare(connections, all, own));
        const covered = shares.reduce((sum, n) => sum + n, 0);
        return covered >= Math.min(connections, room) && shares.every((share, n) => share <= (all[n] ?? 0));
      }),
    );
  });

  it('moves a small part of what is held at a time, and one at least (S2)', () => {
    expect([lotOf(200, 100), lotOf(110, 100), lotOf(6, 3), lotOf(4, 3)]).toEqual([10, 5, 1, 0]);
  });
});
