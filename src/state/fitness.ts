/**
 * Who can't hold a connection, and why: workers that lack something say so each time they are asked; hosts that the
 * platform refuses are remembered for a while, so that other hosts are tried first.
 */

import type { ConnectionId, WorkerId } from '../model.ts';
import { asReason } from '../text/foreign-text.ts';
import { redisNow } from './desired.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

/** What a worker lacks is forgotten after this unless it says so again, ms. */
export const UNFIT_MS = 10_000;

export async function noteUnfit(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  worker: WorkerId,
  reason: string,
): Promise<void> {
  const key = keys.connection(id).unfit;
  await client.hset(key, worker, asReason(reason));
  await client.pexpire(key, UNFIT_MS);
}

/** @returns one line per worker: `<worker>: <reason>` */
export async function readUnfit(client: RedisClient, keys: Keys, id: ConnectionId): Promise<string[]> {
  const all = await client.hgetall(keys.connection(id).unfit);
  return Object.entries(all).map(([worker, reason]) => `${worker}: ${reason}`);
}

/** After this a refused host is tried again: somebody may have put its address on the platform's list. */
export const HOST_REFUSED_MS = 600_000;

/** @param forMs - how long it is remembered */
export async function noteUnfitHost(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  host: string,
  reason: string,
  forMs: number = HOST_REFUSED_MS,
): Promise<void> {
  const key = keys.connection(id).unfitHosts;
  await client.hset(key, host, `${(await redisNow(client)) + forMs} ${asReason(reason)}`);
  // Each note has its own end; the hash only must not end before the last of them.
  await client.pexpire(key, HOST_REFUSED_MS);
}

/** @returns host → reason, of what is still remembered */
export async function unfitHosts(client: RedisClient, keys: Keys, id: ConnectionId): Promise<Map<string, string>> {
  const [all, now] = await Promise.all([client.hgetall(keys.connection(id).unfitHosts), redisNow(client)]);
  const notes = Object.entries(all).map(([host, note]) => {
    const space = note.indexOf(' ');
    return { host, until: Number(note.slice(0, space)), reason: note.slice(space + 1) };
  });
  return new Map(notes.filter(({ until }) => until > now).map(({ host, reason }) => [host, reason]));
}

/** `<host>/<pid>` → host. */
export function hostOf(worker: string): string {
  return worker.slice(0, worker.lastIndexOf('/'));
}
