import { describe, expect, it } from 'vitest';
import { PlatformClock } from '../../../src/adapters/platform-clock.ts';

/** The platform's time at our monotonic 0. */
const EPOCH = Date.parse('2026-11-22T10:00:00.300Z');
const dateAt = (monotonic: number) => new Date(EPOCH + monotonic).toUTCString();

describe("the platform's clock", () => {
  it('is narrowed down by a few answers, however our wall clock stands', () => {
    const clock = new PlatformClock();
    for (const at of [1_000, 1_650, 2_320, 2_900]) clock.answered(dateAt(at), at - 20, at + 20);
    for (const skew of [0, 3_600_000, -360_000]) {
      const sure = clock.aheadOf(EPOCH + 5_000 - skew, 5_000) ?? Number.NaN;
      expect(Math.abs(sure - skew)).toBeLessThan(500);
    }
  });

  it('says nothing while no answer told it, or told it unreadably', () => {
    const clock = new PlatformClock();
    clock.answered(undefined, 0, 1);
    clock.answered('tomorrow', 0, 1);
    expect(clock.aheadOf(0, 0)).toBeNull();
    expect(clock.ageOf(0, 1e9)).toBe(0);
  });

  it('is not off by what an answer may have taken: a long poll proves little', () => {
    const clock = new PlatformClock();
    clock.answered(dateAt(50_000), 0, 50_000);
    expect(clock.aheadOf(EPOCH + 50_000, 50_000)).toBe(0);
    expect(clock.aheadOf(EPOCH + 60_000, 50_000)).toBe(0);
  });

  it('is learned anew when one of the clocks was set', () => {
    const clock = new PlatformClock();
    clock.answered(dateAt(1_000), 980, 1_020);
    clock.answered(dateAt(3_602_000), 2_000, 2_020);
    expect(Math.abs((clock.aheadOf(EPOCH, 0) ?? 0) - 3_600_000)).toBeLessThan(1_000);
  });

  it('tells how old a replayed event surely is (M6)', () => {
    const clock = new PlatformClock();
    clock.answered(dateAt(1_000), 980, 1_020);
    expect(clock.ageOf(EPOCH + 1_000 - 240_000, 1_000)).toBeGreaterThan(239_000);
    expect(clock.ageOf(EPOCH + 1_000 - 240_000, 1_000)).toBeLessThanOrEqual(240_000);
    expect(clock.ageOf(EPOCH + 900_000, 1_000)).toBe(0);
  });

  it('does not believe the age of events whose clock runs behind: live ones show it (G05)', () => {
    const clock = new PlatformClock();
    clock.answered(dateAt(1_000), 980, 1_020);
    clock.live(EPOCH + 1_000 - 360_000, 1_005);
    expect(clock.ageOf(EPOCH + 2_000 - 360_000, 2_005)).toBeLessThan(10);
  });
});
