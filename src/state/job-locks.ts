/**
 * Locks of BullMQ jobs that are being worked on. A lock is a key with an expiry, and an expiry is an instant of Redis's
 * wall clock: set that clock back by an hour, and what a dead worker left behind lives an hour longer.
 */
import { randomUUID } from 'node:crypto';
import { inChunks } from './evidence.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const checkLocksScript = loadScript('check-locks');

/** What of a BullMQ job is needed here. */
interface LockedJob {
  moveToWait(token: string): Promise<unknown>;
}

/** What of a BullMQ queue is needed here. */
export interface LockedQueue {
  toKey(name: string): string;
  getJob(id: string): Promise<LockedJob | undefined>;
}

/** For as long as it takes to give a job back; whoever dies meanwhile leaves it locked for that long, ms. */
const GIVING_BACK_MS = 5_000;
/** A lock that says it lasts this many times longer than a new one was left by a clock that was set back. */
const LONGEST_LOCKS = 3;

/** Of the job `id`; its value is the token of whoever works on it. */
export function lockKey(queue: Pick<LockedQueue, 'toKey'>, id: string): string {
  return `${queue.toKey(id)}:lock`;
}

/**
 * Which of a queue's active jobs nobody has a lock of. Cuts, on the way, each lock that says it lasts far longer than any
 * is given: a worker that lives renews it all the same.
 *
 * @param lockMs - how long a lock is given for
 * @throws the client's errors
 */
export async function unlockedJobs(
  client: RedisClient,
  queue: Pick<LockedQueue, 'toKey'>,
  lockMs: number,
): Promise<string[]> {
  const active = await client.lrange(queue.toKey('active'), 0, -1);
  if (active.length === 0) return [];
  const locks = active.map((id) => lockKey(queue, id));
  const left = await inChunks(locks, (some) => cutLongLocks(client, some, lockMs));
  return active.filter((_, index) => left[index] === 0);
}

/** @returns for each what is left of it (ms), 0: it is gone. @throws the client's errors */
export async function cutLongLocks(client: RedisClient, locks: readonly string[], lockMs: number): Promise<number[]> {
  return (await runScript(client, checkLocksScript, locks, [LONGEST_LOCKS * lockMs, lockMs])) as number[];
}

/**
 * Puts an active job back whose lock is gone. Takes the lock first, so that nobody else moves it meanwhile, and then gives
 * the job back as any worker would.
 *
 * @returns false when somebody has the lock after all, or the job is gone
 * @throws the client's errors, and BullMQ's; calling again is safe
 */
export async function putBackUnlocked(client: RedisClient, queue: LockedQueue, id: string): Promise<boolean> {
  const token = `sweep-${randomUUID()}`;
  const job = await queue.getJob(id);
  if (job === undefined) return false;
  const taken = await client.set(lockKey(queue, id), token, 'PX', GIVING_BACK_MS, 'NX');
  return taken === 'OK' && (await putBack(job, token));
}

/** Gives a locked job back to its queue. @returns false when `lockToken` no longer has the lock */
export async function putBack(job: LockedJob | undefined, lockToken: string): Promise<boolean> {
  if (job === undefined) return false;
  try {
    await job.moveToWait(lockToken);
    return true;
  } catch (error) {
    if (error instanceof Error && /lock|missing key|not in the active/i.test(error.message)) return false;
    throw error;
  }
}
