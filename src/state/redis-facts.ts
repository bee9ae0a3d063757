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
  /** Why it refuses writes, as far as it says so; `null`: it takes them. */
  readonly refusesWrites: string | null;
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
    refusesWrites: await whyNoWrites(client, text),
  };
}

async function whyNoWrites(client: RedisClient, text: (name: string) => string): Promise<string | null> {
  const failed = (name: string) => text(name) !== '' && text(name) !== 'ok';
  if (text('role') === 'slave') return 'it is a replica, and takes no writes';
  if (text('aof_enabled') === '1' && failed('aof_last_write_status')) {
    return 'its append-only file cannot be written (MISCONF)';
  }
  const stopped = failed('rdb_last_bgsave_status') && (await refusesAfterFailedSave(client));
  return stopped ? 'its last snapshot could not be written (MISCONF)' : null;
}

/** Only where it makes snapshots, and was not told to go on without. Hosted Redis may not say: then its default counts. */
async function refusesAfterFailedSave(client: RedisClient): Promise<boolean> {
  const setting = async (name: string, otherwise: string) => {
    const answer = (await client.config('GET', name).catch(() => [])) as string[];
    return answer[1] ?? otherwise;
  };
  return (await setting('stop-writes-on-bgsave-error', 'yes')) === 'yes' && (await setting('save', 'unknown')) !== '';
}
