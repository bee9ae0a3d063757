/**
 * What an operator may ask of one connection, by command line or over HTTP: a wish in Redis, and a poke for the holder
 * to look at it at once.
 */
import { type ConnectionId, connectionId } from '../model.ts';
import { readDesired, wishHandoff, wishPaused, wishRestart } from './desired.ts';
import type { Keys } from './keys.ts';
import { parseLease } from './leases.ts';
import { poke } from './presence.ts';
import type { RedisClient } from './redis.ts';
import { listWorkers } from './workers.ts';

export const VERBS = ['pause', 'resume', 'restart', 'handoff'] as const;
export type Verb = (typeof VERBS)[number];

export type Asked =
  | { readonly kind: 'asked' }
  /** There is no such connection. */
  | { readonly kind: 'unknown' }
  /** It would only take the connection down. */
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Safe to repeat. Returns before anything has happened: workers act on the wish within a renewal, schedulers within a
 * sweep.
 *
 * @param target - `handoff` only: the worker that should have it next; anybody but the holder by default
 */
export async function askConnection(
  client: RedisClient,
  keys: Keys,
  name: string,
  verb: Verb,
  target: string | null = null,
): Promise<Asked> {
  const id = await findConnection(client, keys, name);
  if (id === null) return { kind: 'unknown' };
  const lease = parseLease(await client.hgetall(keys.connection(id).lease));
  if (verb === 'handoff') {
    const reason = await noTaker(client, keys, lease.owner, target);
    if (reason !== null) return { kind: 'refused', reason };
  }
  if (verb === 'restart') await wishRestart(client, keys, id);
  else if (verb === 'handoff') await wishHandoff(client, keys, id, { target, avoid: lease.owner });
  else await wishPaused(client, keys, id, verb === 'pause');
  if (lease.owner !== null) await poke(client, keys, `${lease.owner}#${lease.incarnation ?? ''}`);
  return { kind: 'asked' };
}

/** Makes whoever holds these connections look at what is wanted now, instead of within a renewal. */
export async function pokeHolders(client: RedisClient, keys: Keys, ids: readonly ConnectionId[]): Promise<void> {
  const leases = await Promise.all(ids.map(async (id) => parseLease(await client.hgetall(keys.connection(id).lease))));
  const holders = new Set(
    leases.flatMap(({ owner, incarnation }) => (owner === null ? [] : [`${owner}#${incarnation ?? ''}`])),
  );
  await Promise.all([...holders].map((holder) => poke(client, keys, holder)));
}

async function findConnection(client: RedisClient, keys: Keys, name: string): Promise<ConnectionId | null> {
  try {
    const id = connectionId(name);
    return (await readDesired(client, keys, id)) === null ? null : id;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** Why a handoff would only take the connection down; `null` when somebody can take it. */
async function noTaker(
  client: RedisClient,
  keys: Keys,
  owner: string | null,
  target: string | null,
): Promise<string | null> {
  const workers = await listWorkers(client, keys);
  const takers = workers.filter(
    ({ id, roles, draining }) => roles.includes('connections') && !draining && id !== owner,
  );
  if (target !== null && !takers.some(({ id }) => id === target)) {
    return `worker "${target}" cannot take it: it is not alive, holds no connections, or has this one already`;
  }
  return takers.length === 0 ? 'there is no other worker that could take it' : null;
}
