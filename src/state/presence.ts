/**
 * Presence: each worker keeps one Redis connection subscribed to a channel of its own. The kernel closes it when the
 * process dies, so a missing subscriber *suspects* a worker within moments; it proves nothing by itself.
 */
import { explain } from '../errors.ts';
import type { WorkerId } from '../model.ts';
import type { Keys } from './keys.ts';
import { openRedis, type RedisAddress, type RedisClient } from './redis.ts';

export interface Presence {
  close(): void;
}

/**
 * Subscribes, and calls `onPoke` whenever somebody wants this worker to look at the wishes in Redis at once. What is
 * wished stands in Redis; a poke that gets lost only costs the time until the next renewal.
 */
export function announcePresence(
  address: RedisAddress,
  keys: Keys,
  name: string,
  onPoke: () => void,
  onError: (reason: string) => void,
): Presence {
  const client = openRedis(address, 'queue', `holdfast:presence:${name}`, (error) => onError(explain(error)));
  client.on('message', onPoke);
  client.subscribe(keys.presence(name as WorkerId)).catch((error: unknown) => onError(explain(error)));
  return { close: () => client.disconnect() };
}

export async function presentWorkers(
  client: RedisClient,
  keys: Keys,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const answer = (await client.pubsub('NUMSUB', ...names.map((name) => keys.presence(name as WorkerId)))) as (
    | string
    | number
  )[];
  return new Set(names.filter((_, index) => Number(answer[2 * index + 1]) > 0));
}

/** @see announcePresence */
export async function poke(client: RedisClient, keys: Keys, name: string): Promise<void> {
  await client.publish(keys.presence(name as WorkerId), 'look');
}
