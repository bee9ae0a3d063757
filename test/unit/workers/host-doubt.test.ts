import { describe, expect, it } from 'vitest';
import { createHostDoubt } from '../../../src/workers/host-doubt.ts';

function doubtAt() {
  let now = 0;
  const doubt = createHostDoubt({ now: () => now, monotonic: () => now }, 30_000);
  const failed = (atMs: number, kind: 'dial' | 'silent' | 'refused' | 'limit' | 'storage' | 'rival' = 'dial') => {
    now = atMs;
    return doubt.failed({ reason: 'test', kind });
  };
  return { doubt, failed };
}

describe('a host from which nothing gets through', () => {
  it('is doubted after half a minute of attempts, and not for a few of them', () => {
    const { failed } = doubtAt();
    expect([0, 10_000, 20_000, 29_999].map((at) => failed(at))).toEqual([null, null, null, null]);
    expect(failed(30_000)).toBe(30_000);
    expect(failed(45_000, 'silent')).toBe(45_000);
    const rare = doubtAt();
    expect([0, 60_000, 120_000].map((at) => rare.failed(at))).toEqual([null, null, null]);
  });

  it.each(['refused', 'limit', 'storage', 'rival'] as const)('is not doubted for what somebody said: %s', (kind) => {
    const { failed } = doubtAt();
    for (let at = 0; at < 30_000; at += 5_000) failed(at);
    expect(failed(30_000, kind)).toBeNull();
    expect([31_000, 40_000, 50_000, 60_999].map((at) => failed(at))).toEqual([null, null, null, null]);
  });

  it('is no longer doubted once it got through', () => {
    const { doubt, failed } = doubtAt();
    for (let at = 0; at <= 40_000; at += 5_000) failed(at);
    doubt.proven();
    expect(failed(50_000)).toBeNull();
  });
});
