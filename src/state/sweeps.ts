/** The scheduler's own heartbeat: who judged last, and when. */
import type { WorkerId } from '../model.ts';
import { redisNow } from './desired.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

export interface SweepRecord {
  readonly worker: string;
  /** Redis ms. */
  readonly at: number;
}

export async function recordSweep(client: RedisClient, keys: Keys, worker: WorkerId): Promise<void> {
  await client.hset(keys.scheduler, { worker, at: String(await redisNow(client)) });
}

export async function lastSweep(client: RedisClient, keys: Keys): Promise<SweepRecord | null> {
  const [worker, at] = await client.hmget(keys.scheduler, 'worker', 'at');
  return worker == null || at == null ? null : { worker, at: Number(at) };
}
