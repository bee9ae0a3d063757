/** What Redis says about its own health: memory, evictions, durability. */
import { type Durability, durabilityOf, type RedisClient } from './redis.ts';

export interface RedisFacts {
  readonly uptimeMs: number;
  readonly usedBytes: number;
  /** `null`: no limit is set. */
  readonly maxBytes: number | null;
  /** Since the server started. Any is too many: what is evicted is lost. */
  readonly evictedKeys: number;
  readonly clients: number;
  readonly durability: Durability;
  readonly aof: {
    readonly enabled: boolean;
    /** False after a failed write or rewrite of the file: from then on Redis takes no writes, or they are not kept. */
    readonly healthy: boolean;
  };
}

/** @throws the client's errors */
export async function readRedisFacts(client: RedisClient): Promise<RedisFacts> {
  const info = await client.info();
  const text = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  const number = (name: string) => Number(text(name) || 0);
  const maxBytes = number('maxmemory');
  const failed = (name: string) => text(name) !== '' && text(name) !== 'ok';
  const aofEnabled = text('aof_enabled') === '1';
  return {
    uptimeMs: number('uptime_in_seconds') * 1000,
    usedBytes: number('used_memory'),
    maxBytes: maxBytes === 0 ? null : maxBytes,
    evictedKeys: number('evicted_keys'),
    clients: number('connected_clients'),
    durability: await durabilityOf(client, aofEnabled),
    aof: {
      enabled: aofEnabled,
      healthy: !failed('aof_last_write_status') && !failed('aof_last_bgrewrite_status'),
    },
  };
}
