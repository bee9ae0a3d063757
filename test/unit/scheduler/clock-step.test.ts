import { describe, expect, it } from 'vitest';
import { clockStep } from '../../../src/scheduler/clock-step.ts';

const reading = (redis: number, from: number, to = from + 10) => ({ redis, from, to });

describe("a step of Redis's clock (H7)", () => {
  const before = reading(1_000_000, 5_000);

  it('is none at the first look, and none while both clocks go on together', () => {
    expect(clockStep(null, before)).toBe(0);
    expect(clockStep(before, reading(1_001_000, 6_000))).toBe(0);
    expect(clockStep(before, reading(1_001_900, 6_000))).toBe(0);
  });

  it.each([3_600_000, 400_000, -400_000, -3_600_000])('is told when it is %s ms', (ms) => {
    const found = clockStep(before, reading(1_001_000 + ms, 6_000));
    expect(Math.abs(found - ms)).toBeLessThanOrEqual(20);
  });

  it('is not mistaken for an answer that took long', () => {
    expect(clockStep(before, reading(1_009_000, 6_000, 15_000))).toBe(0);
    expect(clockStep(reading(1_000_000, 0, 9_000), reading(1_001_000, 9_100))).toBe(0);
  });
});
