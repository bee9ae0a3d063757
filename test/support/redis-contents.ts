import type { RedisClient } from '../../src/state/redis.ts';

/** Every key with its value, BullMQ's included, as text: to search it for what must not be there. */
export async function everythingIn(client: RedisClient): Promise<string> {
  const found: string[] = [];
  for (const key of await client.keys('*')) found.push(key, JSON.stringify(await valueAt(client, key)));
  return found.join('\n');
}

async function valueAt(client: RedisClient, key: string): Promise<unknown> {
  switch (await client.type(key)) {
    case 'string':
      return await client.get(key);
    case 'hash':
      return await client.hgetall(key);
    case 'list':
      return await client.lrange(key, 0, -1);
    case 'set':
      return await client.smembers(key);
    case 'zset':
      return await client.zrange(key, '0', '-1');
    case 'stream':
      return await client.xrange(key, '-', '+');
    default:
      return null;
  }
}
