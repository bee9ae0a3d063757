import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fairShare, surplus, takesUpTo } from '../../../src/workers/fair-share.ts';

describe('the fair share', () => {
  it('leaves nobody without an owner: the shares of all workers cover all connections', () => {
    fc.assert(
      fc.property(fc.nat(5_000), fc.integer({ min: 1, max: 50 }), (connections, workers) => {
        return fairShare(connections, workers) * workers >= connections;
      }),
    );
  });

  it('comes to rest: giving up a surplus never makes another worker give up the same', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60), { minLength: 2, maxLength: 6 }), (start) => {
        const held = [...start];
        const share = fairShare(
          held.reduce((sum, n) => sum + n, 0),
          held.length,
        );
        for (let moves = 0; moves < 1_000; moves += 1) {
          const giver = held.findIndex((n) => surplus(n, share) === 1);
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
    expect(surplus(4, fairShare(4, 2))).toBe(1);
    expect(surplus(3, fairShare(4, 2))).toBe(0);
  });
});
