/**
 * The right to act for a connection, until a time, under a fencing token. Redis decides all of it: grants compare
 * with Redis time, and every write of a holder is refused there once a newer token exists.
 */

import { TransientError } from '../errors.ts';
import type { ConnectionId, Cursor, FencingToken, WorkerId } from '../model.ts';
import { asReason } from '../text/foreign-text.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const claimScript = loadScript('claim');
const renewScript = loadScript('renew');
const endTenureScript = loadScript('end-tenure');
const declareDeadScript = loadScript('declare-dead');

/** Connections per renewal call: bounds how long one script blocks Redis (about 2 ms per 1000). */
export const RENEWALS_AT_ONCE = 250;

export type Claim =
  | { readonly kind: 'busy'; readonly leftMs: number; readonly owner: string }
  | {
      readonly kind: 'granted';
      readonly token: FencingToken;
      readonly cursor: Cursor | null;
      /** Stored text that was not JSON: the connection starts without a cursor and says so in a gap record. */
      readonly cursorUnreadable: boolean;
      readonly restartWish: number;
      readonly bugs: number;
      /** Ms since the holder before, another worker that was lost, was last heard of; `null`: no such takeover. */
      readonly lostForMs: number | null;
      /** The holder before died and had stored no event: they must be read one by one. */
      readonly careful: boolean;
    };

export interface Claimant {
  readonly worker: WorkerId;
  /** Tells two lives of the same `host/pid` apart. */
  readonly incarnation: string;
  readonly jobToken: string;
}

/** @throws TransientError when Redis gave no answer; the grant may stand all the same and runs out by itself */
export async function claimLease(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  claimant: Claimant,
  leaseMs: number,
): Promise<Claim> {
  const k = keys.connection(id);
  const answer = (await asking('claim', () =>
    runScript(
      client,
      claimScript,
      [k.lease, k.cursor, k.counters, k.wishes, k.heartbeat, k.history, k.restarts, k.reading],
      [claimant.worker, claimant.incarnation, claimant.jobToken, leaseMs],
    ),
  )) as [string, ...(string | number)[]];
  if (answer[0] === 'busy') return { kind: 'busy', leftMs: Number(answer[1]), owner: String(answer[2]) };
  const text = String(answer[2]);
  const cursor = readCursor(text);
  return {
    kind: 'granted',
    token: Number(answer[1]) as FencingToken,
    cursor: cursor ?? null,
    cursorUnreadable: cursor === undefined,
    restartWish: Number(answer[3]),
    bugs: Number(answer[4]),
    lostForMs: answer[5] === '' || answer[5] === undefined ? null : Number(answer[5]),
    careful: answer[6] === '1',
  };
}

function readCursor(text: string): Cursor | null | undefined {
  if (text === '') return null;
  try {
    return JSON.parse(text) as Cursor;
  } catch {
    return undefined;
  }
}

export interface Renewal {
  readonly id: ConnectionId;
  readonly token: FencingToken;
  /** The heartbeat: evidence as ages, JSON. */
  readonly heartbeat: string;
  /** A change of state to be kept in the history, JSON; `null` when nothing changed. */
  readonly change: string | null;
}

export type RenewalAnswer =
  | {
      readonly current: true;
      /** False when paused, disabled or removed. */
      readonly wanted: boolean;
      readonly restartWish: number;
      /** Of the desired record as it is now. */
      readonly fingerprint: string;
    }
  /** `forgotten`: Redis knows no lease of the connection at all, so it has lost its data. */
  | { readonly current: false; readonly because: 'overtaken' | 'forgotten' };

/**
 * Renews leases and writes heartbeats in one step. More than {@link RENEWALS_AT_ONCE} keep Redis from everything else.
 *
 * @throws TransientError when Redis gave no answer: nothing may be assumed about the leases
 */
export async function renewLeases(
  client: RedisClient,
  keys: Keys,
  renewals: readonly Renewal[],
  leaseMs: number,
): Promise<RenewalAnswer[]> {
  const scriptKeys: string[] = [];
  const args: (string | number)[] = [leaseMs];
  for (const { id, token, heartbeat, change } of renewals) {
    const k = keys.connection(id);
    scriptKeys.push(k.lease, k.heartbeat, k.wishes, k.history, k.desired);
    args.push(token, heartbeat, change ?? '');
  }
  const answers = (await asking('renew', () => runScript(client, renewScript, scriptKeys, args))) as (
    | [0 | -1]
    | [1, string, string, string]
  )[];
  return answers.map((answer) =>
    answer[0] === 1
      ? { current: true, wanted: answer[1] === '1', restartWish: Number(answer[2]), fingerprint: answer[3] }
      : { current: false, because: answer[0] === 0 ? 'overtaken' : 'forgotten' },
  );
}

/** A connection that ended by a defect is started again after this at the latest, ms. */
export const LONGEST_RESTART_DELAY_MS = 60_000;

/** How a tenure ended, as far as Redis must know. */
export type TenureClose =
  /** `why`: its `process` leaves, or it should not run any more; `null` for any other reason. */
  | { readonly end: 'released'; readonly reason: string; readonly why?: 'process' | 'nobody-wants' | null }
  | {
      readonly end: 'parked';
      readonly reason: string;
      readonly code: string;
      readonly fingerprint: string;
      readonly probeAfterMs: number;
    }
  /** `delayMs`: at most {@link LONGEST_RESTART_DELAY_MS}. `countFromZero`: the tenure had been healthy for long, earlier bugs no longer count. */
  | { readonly end: 'bug'; readonly reason: string; readonly delayMs: number; readonly countFromZero: boolean };

/**
 * @returns false when the token was no longer current, and nothing was written
 * @throws TransientError when Redis gave no answer; the lease then runs out by itself
 */
export async function endTenure(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  token: FencingToken,
  close: TenureClose,
): Promise<boolean> {
  const k = keys.connection(id);
  const extra =
    close.end === 'parked'
      ? [close.code, close.fingerprint, close.probeAfterMs]
      : close.end === 'bug'
        ? ['BUG', close.delayMs, close.countFromZero ? '1' : '']
        : [close.why ?? '', '', ''];
  const answer = await asking('end tenure', () =>
    runScript(
      client,
      endTenureScript,
      [k.lease, k.heartbeat, k.history, k.parked, k.restarts, k.counters],
      [token, close.end, asReason(close.reason), ...extra],
    ),
  );
  return answer === 1;
}

/**
 * Fences the holder observed under `token`, whoever sees first that it is dead. Safe to repeat and to race.
 *
 * @returns true when this call did it
 */
export async function declareDead(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  token: FencingToken,
  reason: string,
): Promise<boolean> {
  const k = keys.connection(id);
  const answer = await asking('declare dead', () =>
    runScript(client, declareDeadScript, [k.lease, k.heartbeat, k.history], [token, asReason(reason)]),
  );
  return answer === 1;
}

export interface LeaseRecord {
  readonly token: FencingToken | null;
  readonly owner: string | null;
  readonly incarnation: string | null;
  readonly jobToken: string | null;
  /** Redis ms; 0 when released. */
  readonly until: number;
  readonly grantedAt: number | null;
  readonly endedAt: number | null;
  readonly endedBecause: string | null;
}

export function parseLease(hash: Record<string, string>): LeaseRecord {
  const number = (name: 'token' | 'until' | 'grantedAt' | 'endedAt') =>
    hash[name] === undefined ? null : Number(hash[name]);
  const owner = hash.owner ?? '';
  return {
    token: number('token') as FencingToken | null,
    owner: owner === '' ? null : owner,
    incarnation: hash.incarnation ?? null,
    jobToken: hash.jobToken ?? null,
    until: number('until') ?? 0,
    grantedAt: number('grantedAt'),
    endedAt: number('endedAt'),
    endedBecause: hash.endedBecause ?? null,
  };
}

async function asking<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    throw new TransientError('REDIS_UNAVAILABLE', `Redis did not answer "${what}"`, { cause });
  }
}
