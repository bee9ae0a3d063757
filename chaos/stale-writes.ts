/**
 * Writes under tokens that were overtaken, tried on purpose: after each takeover this does what a woken holder might do,
 * through the same functions and scripts, with the real old token. Each must be refused.
 */
import { randomUUID } from 'node:crypto';
import type { ConnectionId, FencingToken, InboundEvent } from '../src/model.ts';
import { encodeEvent, ingest } from '../src/state/ingest.ts';
import { endTenure, renewLeases } from '../src/state/leases.ts';
import { ALL_SAFEGUARDS } from '../src/state/safeguards.ts';
import type { Installation } from '../test/support/installation.ts';
import type { Held } from './site.ts';

export interface StaleWrites {
  /** Writes tried that Redis answered. */
  readonly tried: number;
  readonly accepted: number;
  /** Of those refused, how many the script counts as stale writes of the connection. */
  readonly counted: number;
}

/** @param held - as they were held before the takeover */
export async function tryStaleWrites(installation: Installation, held: readonly Held[]): Promise<StaleWrites> {
  const each = await Promise.all(held.map(({ connection, token }) => tryAll(installation, connection, token)));
  return each.reduce(add, NO_STALE_WRITES);
}

export const NO_STALE_WRITES: StaleWrites = { tried: 0, accepted: 0, counted: 0 };

export function add(one: StaleWrites, other: StaleWrites): StaleWrites {
  return {
    tried: one.tried + other.tried,
    accepted: one.accepted + other.accepted,
    counted: one.counted + other.counted,
  };
}

async function tryAll(installation: Installation, id: ConnectionId, token: FencingToken): Promise<StaleWrites> {
  const { client, keys } = await installation.reader();
  const { leaseMs } = installation.config.timings;
  const store = async () => (await ingest(client, keys, lateBatch(id, token))).kind !== 'fenced';
  const renew = async () =>
    (await renewLeases(client, keys, [{ id, token, ...LATE_BEAT }], leaseMs))[0]?.current === true;
  const release = () => endTenure(client, keys, id, token, { end: 'released', reason: 'a late write' });
  const outcomes = [await tried(store, true), await tried(renew, false), await tried(release, true)];
  return outcomes.reduce(add, NO_STALE_WRITES);
}

/** Without an answer nothing is known, and nothing is claimed. */
async function tried(write: () => Promise<boolean>, isCounted: boolean): Promise<StaleWrites> {
  try {
    return (await write())
      ? { tried: 1, accepted: 1, counted: 0 }
      : { tried: 1, accepted: 0, counted: Number(isCounted) };
  } catch {
    return NO_STALE_WRITES;
  }
}

const LATE_BEAT = { heartbeat: '{}', change: null } as const;

/** A message nobody said: were it stored, its answer would show up among those that nobody asked for. */
function lateBatch(connection: ConnectionId, token: FencingToken): Parameters<typeof ingest>[2] {
  const id = `late-${randomUUID()}`;
  const event: InboundEvent = {
    kind: 'message',
    eventId: id,
    conversation: 'c2c:person-1',
    sender: { id: 'person-1', name: '' },
    text: 'a late write',
    attachments: [],
    platformAt: Date.now(),
    receivedAt: Date.now(),
    reply: { key: id, deadlineAt: null, quota: null, address: { scene: 'c2c', openid: 'person-1', msgId: id } },
    raw: '{}',
  };
  return {
    connection,
    token,
    writer: id,
    from: 0,
    startCursor: null,
    items: [encodeEvent(connection, event, null)],
    dedupeWindowMs: 48 * 3_600_000,
    maxPendingBytes: 1_000_000_000,
    instanceFull: false,
    safeguards: ALL_SAFEGUARDS,
  };
}
