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

/** What the platform's refusal of one conversation stops beside it. */
export interface Pause {
  /** `null`: nothing but the conversation. */
  readonly bucket: string | null;
  /** Stops when other conversations that draw from it are refused, too; `null`: there is none. */
  readonly wider: string | null;
  readonly ms: number;
  /** The platform named the time. */
  readonly told: boolean;
}

/** Refusals of several conversations within this are no matter of one of them, ms. */
const TOGETHER_MS = 20_000;
/** A wider bucket is tried again after this at the latest, ms: it may have been one conversation's matter all the same. */
const WIDER_AT_MOST_MS = 60_000;

/**
 * The platform refused a send for its rate: nothing is taken from the buckets for so long. A longer pause that already
 * runs stays.
 *
 * @param lane - of the conversation that was refused
 * @throws TransientError when Redis gave no answer
 */
export async function pauseBuckets(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  lane: string,
  { bucket, wider, ms, told }: Pause,
  reason: string,
): Promise<void> {
  const k = keys.connection(id);
  const stopped = [
    ...(bucket === null ? [] : [k.bucketPause(bucket)]),
    ...(wider === null ? [] : [k.bucketPause(wider), k.bucketRefusals(wider)]),
  ];
  if (stopped.length === 0) return;
  const waitMs = Math.max(1, Math.ceil(ms));
  const args = [waitMs, told ? 'told' : 'own', asReason(reason), lane, TOGETHER_MS, WIDER_AT_MOST_MS];
  try {
    await runScript(client, pauseScript, stopped, args);
  } catch (cause) {
    throw new TransientError('REDIS_UNAVAILABLE', 'Redis did not answer "pause bucket"', { cause });
  }
}
