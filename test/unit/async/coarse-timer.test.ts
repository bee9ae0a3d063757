import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Clock } from '../../../src/async/clock.ts';
import { coarseTimer, ROUND_MS } from '../../../src/async/coarse-timer.ts';

let clock: Clock;
beforeEach(() => {
  vi.useFakeTimers();
  clock = { now: () => Date.now(), monotonic: () => performance.now() };
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a coarse timer', () => {
  it.each([2_000, 8_000, 8_001, 32_999])('of %s ms comes once, in time or up to a round sooner', (ms) => {
    // Wherever within a round it begins.
    for (let offset = 0; offset < ROUND_MS; offset += 7) {
      const startedAt = performance.now();
      const cameAfter: number[] = [];
      coarseTimer({ clock }, ms, () => cameAfter.push(performance.now() - startedAt));
      vi.advanceTimersByTime(2 * ms);
      expect(cameAfter).toHaveLength(1);
      expect(cameAfter[0]).toBeGreaterThanOrEqual(ms - ROUND_MS);
      // Node rounds timers to a ms, and one is added for that.
      expect(cameAfter[0]).toBeLessThanOrEqual(ms + 2);
      vi.advanceTimersByTime(7);
    }
  });

  it('goes off together with others, and the process wakes up once for all of them', () => {
    const cameAt: number[] = [];
    for (let n = 0; n < 1_000; n += 1) {
      coarseTimer({ clock }, 8_000, () => cameAt.push(performance.now()));
      vi.advanceTimersByTime(1);
    }
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(8_000);
    expect(cameAt).toHaveLength(1_000);
    expect(new Set(cameAt).size).toBeLessThanOrEqual(1_000 / ROUND_MS + 1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is exact, and by itself, when it is short', () => {
    const came = vi.fn();
    coarseTimer({ clock }, 1_000, came);
    vi.advanceTimersByTime(999);
    expect(came).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(came).toHaveBeenCalledOnce();
  });

  it('does not come once it is disposed, and leaves no timer behind; disposing is safe to repeat, and later', () => {
    const came = vi.fn();
    for (const ms of [1_000, 8_000]) {
      const timer = coarseTimer({ clock }, ms, came);
      timer[Symbol.dispose]();
      timer[Symbol.dispose]();
    }
    expect(vi.getTimerCount()).toBe(0);
    const [gone, stays] = [coarseTimer({ clock }, 8_000, came), coarseTimer({ clock }, 8_000, came)];
    gone[Symbol.dispose]();
    vi.advanceTimersByTime(8_001);
    expect(came).toHaveBeenCalledOnce();
    stays[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('may be disposed by another one of the same round, and begin a new one', () => {
    const came: string[] = [];
    const later = { timer: undefined as Disposable | undefined };
    coarseTimer({ clock }, 8_000, () => {
      came.push('first');
      later.timer?.[Symbol.dispose]();
      coarseTimer({ clock }, 8_000, () => came.push('again'));
    });
    later.timer = coarseTimer({ clock }, 8_000, () => came.push('disposed'));
    vi.advanceTimersByTime(16_002);
    expect(came).toEqual(['first', 'again']);
  });

  it('comes with the first round after a time in which nothing could run', () => {
    const came: number[] = [];
    for (const ms of [9_000, 8_000, 20_000]) coarseTimer({ clock }, ms, () => came.push(ms));
    const frozen = performance.now() + 60_000;
    const awake: Clock['monotonic'] = () => performance.now();
    let isFrozen = true;
    vi.spyOn(clock, 'monotonic').mockImplementation(() => (isFrozen ? frozen : awake()));
    vi.advanceTimersByTime(ROUND_MS + 1);
    isFrozen = false;
    expect(came).toEqual([8_000, 9_000, 20_000]);
  });
});
