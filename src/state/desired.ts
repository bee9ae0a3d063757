/**
 * What should run, and what the operator wishes. Only configuration and operators write here: whether a connection *is*
 * up never changes whether it *should* be.
 */
import { type ConnectionId, connectionId, type JsonValue } from '../model.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

export interface DesiredConnection {
  readonly id: ConnectionId;
  readonly platform: string;
  readonly enabled: boolean;
  /** Validated platform options; no secrets. */
  readonly options: JsonValue;
  /** What becomes of a reply whose passive window is over: sent as a message of its own, or kept as a dead letter. */
  readonly lateReply: 'active' | 'drop';
  /** Changes when options or credentials change: a parked connection is tried again at once then. */
  readonly fingerprint: string;
  readonly source: 'config' | 'runtime';
  /** `config` only: by whoever has its secrets, over all of it that is no wish. Earlier versions wrote none. */
  readonly mac?: string;
  /** `runtime` only: its keys as they were given; secrets are references, which each process looks up for itself. */
  readonly definition?: JsonValue;
}

export interface Wishes {
  readonly paused: boolean;
  /** Redis ms; `null` when not paused. */
  readonly pausedAt: number | null;
  /** Grows with each restart or handoff asked for. */
  readonly restart: number;
  /** Where it should be held next; short-lived, so that a wish for a dead worker costs seconds. */
  readonly placement: Placement | null;
}

export interface Placement {
  /** Only this worker should take it. */
  readonly target: string | null;
  /** This worker should leave it to others. */
  readonly avoid: string | null;
  /** Redis ms. */
  readonly until: number;
}

/** Connections applied at once: bounds what waits for an answer of Redis, where a command has a second. */
const AT_ONCE = 100;
/** A wished-for placement expires after this, ms. */
export const PLACEMENT_MS = 5_000;

export async function readDesired(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
): Promise<DesiredConnection | null> {
  return parseDesired(await client.get(keys.connection(id).desired));
}

export async function listConnectionIds(client: RedisClient, keys: Keys): Promise<ConnectionId[]> {
  return (await client.smembers(keys.connections)).map(connectionId).sort();
}

/** @returns `null` also for what is no record: one that is damaged must not keep the others from being read */
export function parseDesired(text: string | null): DesiredConnection | null {
  if (text === null) return null;
  try {
    const record: unknown = JSON.parse(text);
    return isRecord(record) ? record : null;
  } catch {
    return null;
  }
}

/** By hand: a sweep reads thousands of them a second. */
function isRecord(value: unknown): value is DesiredConnection {
  if (typeof value !== 'object' || value === null) return false;
  const { id, platform, enabled, fingerprint, source } = value as Partial<Record<keyof DesiredConnection, unknown>>;
  return (
    [id, platform, fingerprint].every((each) => typeof each === 'string') &&
    typeof enabled === 'boolean' &&
    (source === 'config' || source === 'runtime')
  );
}

export function parseWishes(hash: Record<string, string>): Wishes {
  return {
    paused: hash.paused === '1',
    pausedAt: hash.pausedAt === undefined ? null : Number(hash.pausedAt),
    restart: Number(hash.restart ?? 0),
    placement:
      hash.placeUntil === undefined
        ? null
        : { target: hash.target || null, avoid: hash.avoid || null, until: Number(hash.placeUntil) },
  };
}

/**
 * Makes the durable records match one configuration file.
 *
 * @param options.removeOthers - also forget connections that came from a file and are no longer in this one. Only the
 *   processes that own the desired state (`up`, `scheduler`) do so; a worker merely adds what it knows
 * @param options.onReplaced - called for each connection of the same id that was added at run time: the configuration wins
 * @returns the ids that were added, changed or removed
 */
export async function applyDesired(
  client: RedisClient,
  keys: Keys,
  wanted: readonly DesiredConnection[],
  options: { readonly removeOthers: boolean; onReplaced?(id: ConnectionId): void },
): Promise<ConnectionId[]> {
  const changed: ConnectionId[] = [];
  const applyOne = async (connection: DesiredConnection): Promise<void> => {
    const key = keys.connection(connection.id).desired;
    const text = JSON.stringify(connection);
    const before = await client.get(key);
    if (before !== text) {
      changed.push(connection.id);
      await client.set(key, text);
      if (connection.source === 'config' && parseDesired(before)?.source === 'runtime') {
        await client.srem(keys.runtimeConnections, connection.id);
        options.onReplaced?.(connection.id);
      }
    }
    await client.sadd(keys.connections, connection.id);
  };
  // Beside one another: every process does this at its start, and thousands would wait for a round trip or three each.
  for (let from = 0; from < wanted.length; from += AT_ONCE) {
    await Promise.all(wanted.slice(from, from + AT_ONCE).map(applyOne));
  }
  if (options.removeOthers) {
    const kept = new Set<string>(wanted.map((connection) => connection.id));
    for (const id of await listConnectionIds(client, keys)) {
      if (kept.has(id)) continue;
      if (await forgetConfigured(client, keys, id)) changed.push(id);
    }
  }
  return changed;
}

/**
 * Removes what a configuration no longer names. Cursor, counters and lanes stay: a connection that comes back goes on
 * where it was.
 *
 * @returns false when it did not come from a configuration, and stays
 */
export async function forgetConfigured(client: RedisClient, keys: Keys, id: ConnectionId): Promise<boolean> {
  const existing = await readDesired(client, keys, id);
  if (existing?.source === 'runtime') return false;
  await client.del(keys.connection(id).desired);
  await client.srem(keys.connections, id);
  return true;
}

/** Pause (`true`) or resume; survives restarts and configuration changes. */
export async function wishPaused(client: RedisClient, keys: Keys, id: ConnectionId, paused: boolean): Promise<void> {
  const { wishes, parked, lease } = keys.connection(id);
  if (paused) {
    await client.hset(wishes, { paused: '1', pausedAt: String(await redisNow(client)) });
    return;
  }
  await client.hdel(wishes, 'paused', 'pausedAt');
  // The time of the pause is no part of a takeover that was due before it.
  await client.hdel(lease, 'lostAt');
  // Resuming is a person's "try again": it also ends a parking.
  await client.del(parked);
}

/** Asks for a fresh start of the connection (its session is kept); also ends a parking and a restart delay. */
export async function wishRestart(client: RedisClient, keys: Keys, id: ConnectionId): Promise<void> {
  const { wishes, parked, restarts, unfitHosts } = keys.connection(id);
  await client.hincrby(wishes, 'restart', 1);
  await client.del(parked);
  await client.del(restarts);
  await client.del(unfitHosts);
}

/**
 * Asks the holder to hand the connection over, to `target` or to anybody else.
 *
 * @param target - a worker id; `null`: any worker but the present holder
 */
export async function wishHandoff(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  place: { readonly target: string | null; readonly avoid: string | null },
): Promise<void> {
  const { wishes } = keys.connection(id);
  const until = (await redisNow(client)) + PLACEMENT_MS;
  await client.hset(wishes, { target: place.target ?? '', avoid: place.avoid ?? '', placeUntil: String(until) });
  await client.hincrby(wishes, 'restart', 1);
}

/** Whether `worker` may take the connection now, as far as wished placements go. */
export function mayPlace(wishes: Wishes, worker: string, now: number): boolean {
  const { placement } = wishes;
  if (placement === null || now >= placement.until) return true;
  return placement.target === null ? placement.avoid !== worker : placement.target === worker;
}

/** Redis's clock, ms since the epoch: the one clock that all hosts share. */
export async function redisNow(client: RedisClient): Promise<number> {
  const [seconds, micros] = await client.time();
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}
