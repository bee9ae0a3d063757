/** What processes that answer HTTP share: which sessions were begun and not ended, and which login codes were used. */
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

/** Safe to repeat. @throws the client's errors */
export async function storeSession(client: RedisClient, keys: Keys, id: string, forMs: number): Promise<void> {
  await client.set(keys.webSession(id), '1', 'PX', forMs);
}

/** @throws the client's errors */
export async function isSessionStored(client: RedisClient, keys: Keys, id: string): Promise<boolean> {
  return (await client.exists(keys.webSession(id))) === 1;
}

/** Safe to repeat. @throws the client's errors */
export async function removeSession(client: RedisClient, keys: Keys, id: string): Promise<void> {
  await client.del(keys.webSession(id));
}

/**
 * @param forMs - how long the code could be good for at most
 * @returns whether this is its first use. An answer that was lost counts as a use
 * @throws the client's errors
 */
export async function useLoginCode(client: RedisClient, keys: Keys, code: string, forMs: number): Promise<boolean> {
  return (await client.set(keys.loginCode(code), '1', 'PX', forMs, 'NX')) === 'OK';
}
