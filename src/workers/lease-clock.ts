/**
 * How long a lease may still be believed. Counted from when the renewal was *sent*, on the larger of the monotonic and
 * the wall clock's elapsed time: the monotonic clock stops while a machine sleeps, the wall clock may be set back.
 */
import type { Clock } from '../async/clock.ts';

export interface Instant {
  readonly wall: number;
  readonly monotonic: number;
}

export function instant(clock: Clock): Instant {
  return { wall: clock.now(), monotonic: clock.monotonic() };
}

/** Ms from `then` to `now`, on whichever clock says more. */
export function elapsedBetween(then: Instant, now: Instant): number {
  return Math.max(now.monotonic - then.monotonic, now.wall - then.wall);
}

/**
 * What a holder keeps back from the lease, ms: it must have stopped before another may start, and stopping takes a
 * timer tick and a socket's close.
 */
export function leaseMargin(leaseMs: number): number {
  return Math.max(Math.min(500, leaseMs / 4), leaseMs * 0.1);
}
