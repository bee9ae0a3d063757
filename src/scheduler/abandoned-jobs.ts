/**
 * Puts turns and deliveries back whose worker is gone: active, without a lock for a while on our own clock. BullMQ's check
 * for stalled jobs does the same, but it keeps its pace by a key with an expiry, which a clock that is set back keeps
 * alive for as long as it was set back; so that one is only the second net.
 */
import type { Logger } from 'pino';
import { explain } from '../errors.ts';
import { type LockedQueue, putBackUnlocked, unlockedJobs } from '../state/job-locks.ts';
import type { RedisClient } from '../state/redis.ts';

export interface AbandonedOptions {
  readonly client: RedisClient;
  readonly queues: readonly LockedQueue[];
  /** How long a lock of their jobs is given for, ms. */
  readonly lockMs: number;
  readonly log: Logger;
}

/** Keys of jobs that were seen without a lock, and since when, our monotonic ms. */
export type SeenUnlocked = ReadonlyMap<string, number>;

/** A job that somebody has just fetched, or is just ending, is not touched, ms. */
export const UNLOCKED_MS = 1_000;

/**
 * @param now - our monotonic clock, ms
 * @returns what to remember for the next call
 * @throws the client's errors; calling again is safe
 */
export async function putBackAbandoned(
  options: AbandonedOptions,
  seen: SeenUnlocked,
  now: number,
): Promise<SeenUnlocked> {
  const { client, queues, lockMs } = options;
  const unlocked = new Map<string, number>();
  for (const queue of queues) {
    for (const id of await unlockedJobs(client, queue, lockMs)) {
      const key = queue.toKey(id);
      const since = seen.get(key) ?? now;
      unlocked.set(key, since);
      if (now - since >= UNLOCKED_MS) await rescue(options, queue, id, now - since);
    }
  }
  return unlocked;
}

/** Never throws: what it leaves undone, the next sweep finds. */
async function rescue({ client, log }: AbandonedOptions, queue: LockedQueue, id: string, forMs: number) {
  try {
    if (!(await putBackUnlocked(client, queue, id))) return;
    const facts = { event: 'job-abandoned', job: id, unlockedMs: Math.round(forMs) };
    log.info(facts, 'a job whose worker is gone was put back');
  } catch (error) {
    log.debug({ job: id, reason: explain(error) }, 'an abandoned job could not be put back');
  }
}
