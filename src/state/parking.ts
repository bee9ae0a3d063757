/** Connections that need a person: why, since when, and when they are probed next. */
import type { ConnectionId } from '../model.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

export interface ParkedRecord {
  readonly reason: string;
  readonly code: string;
  /** Redis ms. */
  readonly since: number;
  /** Redis ms. */
  readonly probeAt: number;
  /** Of the options and credentials that failed: another one is tried at once. */
  readonly fingerprint: string;
}

export function parseParked(hash: Record<string, string>): ParkedRecord | null {
  if (hash.since === undefined) return null;
  return {
    reason: hash.reason ?? 'unknown',
    code: hash.code ?? '',
    since: Number(hash.since),
    probeAt: Number(hash.probeAt ?? 0),
    fingerprint: hash.fingerprint ?? '',
  };
}

export async function unpark(client: RedisClient, keys: Keys, id: ConnectionId): Promise<void> {
  await client.del(keys.connection(id).parked);
}

/** Puts the next probe off, so that the one just started is the only one. */
export async function deferProbe(client: RedisClient, keys: Keys, id: ConnectionId, probeAt: number): Promise<void> {
  await client.hset(keys.connection(id).parked, 'probeAt', String(probeAt));
}
