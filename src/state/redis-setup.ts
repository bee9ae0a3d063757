/** How a Redis is set up, for those who judge whether messages are safe there. */

import type { RedisClient } from './redis.ts';
import { type RedisFacts, readRedisFacts } from './redis-facts.ts';

export interface RedisSetup extends RedisFacts {
  readonly version: string;
  readonly evictionPolicy: string;
  /** `slave`: it takes no writes. */
  readonly role: string;
  readonly replicas: number;
  /** How many of them must be in step before it takes a write; `null`: it does not say. */
  readonly minReplicas: number | null;
}

/** @throws the client's errors */
export async function readRedisSetup(client: RedisClient): Promise<RedisSetup> {
  const [info, facts, minReplicas] = await Promise.all([
    client.info(),
    readRedisFacts(client),
    readMinReplicas(client),
  ]);
  const text = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  return {
    ...facts,
    version: text('redis_version'),
    evictionPolicy: text('maxmemory_policy'),
    role: text('role'),
    replicas: Number(text('connected_slaves') || 0),
    minReplicas,
  };
}

async function readMinReplicas(client: RedisClient): Promise<number | null> {
  try {
    const answer = (await client.config('GET', 'min-replicas-to-write')) as string[];
    return answer[1] === undefined ? null : Number(answer[1]);
  } catch {
    // Hosted Redis often refuses CONFIG.
    return null;
  }
}
