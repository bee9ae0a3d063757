/**
 * What Redis has about connections, as schedulers and status read it: all connections in a few calls. Schedulers look
 * every second, and one command per record would cost a thousand connections a quarter of a core.
 */
import type { ConnectionId } from '../model.ts';
import { type DesiredConnection, parseDesired, parseWishes, type Wishes } from './desired.ts';
import { type HeartbeatRecord, parseHeartbeat } from './heartbeats.ts';
import type { Keys } from './keys.ts';
import { type LeaseRecord, parseLease } from './leases.ts';
import { type ParkedRecord, parseParked } from './parking.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const readManyScript = loadScript('read-many');
const countBeforeScript = loadScript('count-before');

/** Connections per call: bounds how long one script blocks Redis (about 2 ms). */
const CHUNK = 250;

/** What is read of each connection: fields of hashes, `[]` for a string, `['*']` for all fields. */
const READ = {
  desired: [],
  wishes: ['paused', 'pausedAt', 'restart', 'target', 'avoid', 'placeUntil'],
  parked: ['reason', 'code', 'since', 'probeAt', 'fingerprint'],
  lease: ['token', 'owner', 'incarnation', 'jobToken', 'until', 'grantedAt', 'endedAt', 'endedBecause'],
  heartbeat: ['token', 'at', 'body'],
  restarts: ['notBefore', 'reason'],
  counters: ['*'],
} as const satisfies Record<string, readonly string[]>;
type Part = keyof typeof READ;
const PARTS = Object.keys(READ) as Part[];

export interface StoredEvidence {
  readonly id: ConnectionId;
  readonly desired: DesiredConnection | null;
  readonly wishes: Wishes;
  readonly parked: ParkedRecord | null;
  readonly lease: LeaseRecord;
  readonly heartbeat: HeartbeatRecord | null;
  /** After a defect: not to be started before this (Redis ms). */
  readonly restart: { readonly notBefore: number; readonly reason: string } | null;
  readonly counters: Readonly<Record<string, string>>;
}

/** @throws the client's errors */
export async function readEvidence(
  client: RedisClient,
  keys: Keys,
  ids: readonly ConnectionId[],
): Promise<StoredEvidence[]> {
  const args = PARTS.flatMap((part) => [READ[part].length, ...READ[part]]);
  return await inChunks(ids, async (some) => {
    const scriptKeys = some.flatMap((id) => PARTS.map((part) => keys.connection(id)[part]));
    const answers = (await runScript(client, readManyScript, scriptKeys, args)) as Answer[];
    return some.map((id, n) => parse(id, answers.slice(n * PARTS.length, (n + 1) * PARTS.length)));
  });
}

/**
 * @param hashes - keys of hashes
 * @returns for each the values of `fields`, `null` where absent
 * @throws the client's errors
 */
export async function readFields(
  client: RedisClient,
  hashes: readonly string[],
  fields: readonly string[],
): Promise<(string | null)[][]> {
  const args = [fields.length, ...fields];
  return await inChunks(
    hashes,
    async (some) => (await runScript(client, readManyScript, some, args)) as (string | null)[][],
  );
}

/** Who holds each connection as far as its lease says; `null`: nobody. @throws the client's errors */
export async function readOwners(
  client: RedisClient,
  keys: Keys,
  ids: readonly ConnectionId[],
): Promise<(string | null)[]> {
  const leases = ids.map((id) => keys.connection(id).lease);
  return (await readFields(client, leases, ['owner'])).map(([owner]) => owner || null);
}

/**
 * @param sets - keys of sorted sets
 * @param before - Redis ms, inclusive
 * @returns for each how many of its members have a score up to `before`
 * @throws the client's errors
 */
export async function countBefore(client: RedisClient, sets: readonly string[], before: number): Promise<number[]> {
  return await inChunks(sets, async (some) => (await runScript(client, countBeforeScript, some, [before])) as number[]);
}

/** Runs `run` over {@link CHUNK} of `all` at a time, and joins the answers in order. */
export async function inChunks<T, R>(all: readonly T[], run: (some: readonly T[]) => Promise<R[]>): Promise<R[]> {
  const chunks: Promise<R[]>[] = [];
  for (let start = 0; start < all.length; start += CHUNK) chunks.push(run(all.slice(start, start + CHUNK)));
  return (await Promise.all(chunks)).flat();
}

type Answer = string | null | readonly (string | null)[];

function parse(id: ConnectionId, answers: readonly Answer[]): StoredEvidence {
  const answerOf = (part: Part) => answers[PARTS.indexOf(part)] ?? null;
  const desired = answerOf('desired');
  const restarts = hashOf('restarts', answerOf('restarts'));
  return {
    id,
    desired: parseDesired(typeof desired === 'string' ? desired : null),
    wishes: parseWishes(hashOf('wishes', answerOf('wishes'))),
    parked: parseParked(hashOf('parked', answerOf('parked'))),
    lease: parseLease(hashOf('lease', answerOf('lease'))),
    heartbeat: parseHeartbeat(hashOf('heartbeat', answerOf('heartbeat'))),
    restart:
      restarts.notBefore === undefined
        ? null
        : { notBefore: Number(restarts.notBefore), reason: restarts.reason ?? 'unknown' },
    counters: hashOf('counters', answerOf('counters')),
  };
}

function hashOf(part: Part, answer: Answer): Record<string, string> {
  const values = Array.isArray(answer) ? (answer as readonly (string | null)[]) : [];
  const names: readonly string[] = READ[part];
  const pairs =
    names[0] === '*'
      ? values.flatMap((name, n) => (n % 2 === 0 ? [[name, values[n + 1]] as const] : []))
      : names.map((name, n) => [name, values[n]] as const);
  return Object.fromEntries(pairs.filter(([, value]) => value != null));
}
