/** Watches Redis's wall clock, by which everything in Redis is stamped, against our monotonic one. Pure. */

/** One reading of both clocks, ms. */
export interface ClockReading {
  readonly redis: number;
  /** Before Redis was asked, and after it had answered. */
  readonly from: number;
  readonly to: number;
}

/** Clocks that are kept right are moved by less, ms. */
const NOTICED_MS = 1_000;

/**
 * @returns by how much Redis's clock was set between two readings (ms, negative: back), or how long this machine slept;
 *   0 where that may as well be the time that the answers took
 */
export function clockStep(before: ClockReading | null, after: ClockReading): number {
  if (before === null) return 0;
  const redisMs = after.redis - before.redis;
  const most = after.to - before.from;
  const least = after.from - before.to;
  if (redisMs > most + NOTICED_MS) return redisMs - most;
  return redisMs < least - NOTICED_MS ? redisMs - least : 0;
}
