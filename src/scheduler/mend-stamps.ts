/**
 * Mends what a step of Redis's clock left behind: told once, and cut at once what now stands too far in the future. A step
 * that nobody saw, because nobody ran, is found by what stands where it cannot stand: at the start, and now and then.
 */
import type { Logger } from 'pino';
import type { ConnectionId } from '../model.ts';
import { cutFutures, type LongestLives } from '../state/future-stamps.ts';
import type { LockedQueue } from '../state/job-locks.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import { type ClockReading, clockStep } from './clock-step.ts';

export interface StampMenderOptions {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly queues: { readonly connections: LockedQueue; readonly lanes: readonly LockedQueue[] };
  readonly timings: LongestLives;
  readonly log: Logger;
}

const LOOK_EVERY_MS = 10_000;

/** @returns to be called with each sweep's reading of the clocks; throws the client's errors, calling again is safe */
export function createStampMender({ client, keys, queues, timings, log }: StampMenderOptions) {
  let last: ClockReading | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;

  return async (ids: readonly ConnectionId[], reading: ClockReading): Promise<void> => {
    const stepMs = Math.round(clockStep(last, reading));
    last = reading;
    if (stepMs !== 0) {
      const way = stepMs < 0 ? 'back' : 'ahead';
      const words = `Redis's clock was set ${way} by ${Math.abs(stepMs)} ms, or this machine slept`;
      log.warn({ event: 'clock-step', stepMs }, words);
    }
    if (stepMs === 0 && reading.to - lookedAt < LOOK_EVERY_MS) return;
    const cut = await cutFutures(client, keys, ids, [queues.connections, ...queues.lanes], timings);
    lookedAt = reading.to;
    if (cut > 0)
      log.warn({ event: 'clock-futures-cut', cut }, 'what stood too far in the future was cut: a clock was set back');
  };
}
