/**
 * Send buckets: how much a connection may send per window, counted in Redis and so shared by all hosts. A refused lane is
 * told when to come back and gives up its worker slot meanwhile.
 */

import { TransientError } from '../errors.ts';
import { redact } from '../log.ts';
import type { ConnectionId } from '../model.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const takeScript = loadScript('take-buckets');
const pauseScript = loadScript('pause-bucket');

/** A lane that does not come back this long after it should have loses its place, ms. */
const WAITER_GRACE_MS = 5_000;

export interface BucketLimit {
  readonly key: string;
  readonly count: number;
  readonly windowMs: number;
}

/**
 * Takes one permit from each bucket, or none. Among lanes that wait for the same bucket, earlier deadlines go first.
 *
 * @param deadlineAt - when the part is given up, Redis ms
 * @returns 0 when taken, else ms until it is worth asking again
 * @throws TransientError when Redis gave no answer: no permit then
 */
export async function takeBuckets(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  buckets: readonly BucketLimit[],
  lane: string,
  deadlineAt: number,
): Promise<number> {
  if (buckets.length === 0) return 0;
  const k = keys.connection(id);
  const scriptKeys = buckets.flatMap(({ key }) => [
    k.bucket(key),
    k.bucketWaiting(key),
    k.bucketDue(key),
    k.bucketPause(key),
  ]);
  const limits = buckets.flatMap(({ count, windowMs }) => [Math.max(1, count), windowMs]);
  try {
    return Number(
      await runScript(client, takeScript, scriptKeys, [lane, Math.ceil(deadlineAt), WAITER_GRACE_MS, ...limits]),
    );
  } catch (cause) {
    throw new TransientError('REDIS_UNAVAILABLE', 'Redis did not answer "take buckets"', { cause });
  }
}

/**
 * The platform told us to wait: nothing is taken from this bucket for `ms`. A longer pause that already runs stays.
 *
 * @throws TransientError when Redis gave no answer
 */
export async function pauseBucket(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  bucket: string,
  ms: number,
  reason: string,
): Promise<void> {
  try {
    const key = keys.connection(id).bucketPause(bucket);
    await runScript(client, pauseScript, [key], [Math.max(1, Math.ceil(ms)), redact(reason)]);
  } catch (cause) {
    throw new TransientError('REDIS_UNAVAILABLE', 'Redis did not answer "pause bucket"', { cause });
  }
}
