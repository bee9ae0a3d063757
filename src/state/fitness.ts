/** Which workers said they can't hold a connection, and why. Forgotten by itself: a worker says so again each time. */
import type { ConnectionId, WorkerId } from '../model.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

const REMEMBERED_MS = 10_000;

export async function noteUnfit(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  worker: WorkerId,
  reason: string,
): Promise<void> {
  const key = keys.connection(id).unfit;
  await client.hset(key, worker, reason);
  await client.pexpire(key, REMEMBERED_MS);
}

/** @returns one line per worker: `<worker>: <reason>` */
export async function readUnfit(client: RedisClient, keys: Keys, id: ConnectionId): Promise<string[]> {
  const all = await client.hgetall(keys.connection(id).unfit);
  return Object.entries(all).map(([worker, reason]) => `${worker}: ${reason}`);
}
