/**
 * Notices time that went by unseen: the machine slept, or the process was frozen. What was waiting on a socket meanwhile
 * waits for a peer that has forgotten it.
 *
 * Two clocks tell: the wall clock went on while the monotonic one stood still (sleep), or the timer came far too late on
 * both (SIGSTOP, a blocked event loop).
 */
import type { Clock } from './clock.ts';

export interface ClockGapOptions {
  readonly clock: Clock;
  /** How often to look, ms. @defaultValue 1000 */
  readonly everyMs?: number;
  /** A look that comes later than this is a gap, ms. @defaultValue 5000 */
  readonly gapMs?: number;
}

/**
 * Calls `onGap` with the length of each gap (ms) until disposed. A wall clock that is set back is no gap; one that is set
 * forward looks like one.
 */
export function watchForGaps(options: ClockGapOptions, onGap: (ms: number) => void): Disposable {
  const { clock, everyMs = 1_000, gapMs = 5_000 } = options;
  let last = { wall: clock.now(), monotonic: clock.monotonic() };
  const timer = setInterval(() => {
    const now = { wall: clock.now(), monotonic: clock.monotonic() };
    const passedMs = Math.max(now.wall - last.wall, now.monotonic - last.monotonic);
    last = now;
    if (passedMs - everyMs >= gapMs) onGap(passedMs);
  }, everyMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
