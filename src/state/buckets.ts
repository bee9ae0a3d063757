/**
 * Send buckets: how much a connection may send per window, counted in Redis and so shared by all hosts. Permits are taken
 * in the step that starts an attempt (outbox.ts); a refused lane is told when to come back and gives up its worker slot
 * meanwhile.
 */

import { TransientError } from '../errors.ts';
import type { ConnectionId } from '../model.ts';
import { asReason } from '../text/foreign-text.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const pauseScript = loadScript('pause-bucket');

export interface BucketLimit {
  readonly key: string;
  readonly count: number;
  readonly windowMs: number;
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
    await runScript(client, pauseScript, [key], [Math.max(1, Math.ceil(ms)), asReason(reason)]);
  } catch (cause) {
    throw new TransientError('REDIS_UNAVAILABLE', 'Redis did not answer "pause bucket"', { cause });
  }
}
