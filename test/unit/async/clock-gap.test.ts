import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { watchForGaps } from '../../../src/async/clock-gap.ts';

describe('time that goes by unseen', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
  afterEach(() => void vi.useRealTimers());

  function watched() {
    const at = { wall: 1_000_000, monotonic: 500 };
    const gaps: number[] = [];
    const watch = watchForGaps({ clock: { now: () => at.wall, monotonic: () => at.monotonic } }, (ms) => gaps.push(ms));
    /** The timer fires once, after so much on each clock. */
    const look = (wallMs: number, monotonicMs: number) => {
      at.wall += wallMs;
      at.monotonic += monotonicMs;
      vi.advanceTimersByTime(1_000);
    };
    return { gaps, watch, look };
  }

  it('is noticed after a sleep, when only the wall clock went on (F24)', () => {
    const { gaps, look } = watched();
    look(1_000, 1_000);
    look(3_600_000, 1_000);
    look(1_000, 1_000);
    expect(gaps).toEqual([3_600_000]);
  });

  it('is noticed after a freeze, when both went on, and told once for each', () => {
    const { gaps, look } = watched();
    look(8_000, 8_000);
    look(1_000, 1_000);
    look(9_000, 9_000);
    expect(gaps).toEqual([8_000, 9_000]);
  });

  it('is not mistaken for a timer that is a little late, nor for a wall clock set back', () => {
    const { gaps, look, watch } = watched();
    look(4_000, 4_000);
    look(-3_600_000, 1_000);
    look(1_000, 1_000);
    expect(gaps).toEqual([]);
    watch[Symbol.dispose]();
    look(3_600_000, 3_600_000);
    expect(gaps).toEqual([]);
  });

  it('is told to all who watch by the same clock, and not to one who began after it', () => {
    const at = { wall: 1_000_000, monotonic: 500 };
    const clock = { now: () => at.wall, monotonic: () => at.monotonic };
    const told: string[] = [];
    const watch = (name: string) => watchForGaps({ clock }, (ms) => told.push(`${name} ${ms}`));
    const first = watch('first');
    const second = watch('second');
    expect(vi.getTimerCount()).toBe(1);
    at.wall += 10_000;
    at.monotonic += 10_000;
    const late = watch('late');
    vi.advanceTimersByTime(1_000);
    expect(told).toEqual(['first 10000', 'second 10000']);
    for (const each of [first, second, late]) each[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });
});
