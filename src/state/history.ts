/** What happened to a connection over time: a capped stream, written by the lease scripts. */
import type { ConnectionId } from '../model.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

export interface HistoryEntry {
  /** ISO 8601, by Redis's clock. */
  readonly at: string;
  readonly what: string;
  readonly token: number | null;
  readonly detail: string | null;
}

/** An entry as it stands in Redis. What older releases did not write is `null`. */
export interface HistoryRecord {
  /** Redis ms. */
  readonly at: number;
  /** `claimed`, `state`, `declared-dead`, or how the holder ended it: `released`, `parked`, `bug`. */
  readonly what: string;
  readonly token: number | null;
  /** `claimed` only. */
  readonly worker: string | null;
  /** `state`: {@link StateChange} as JSON; else the reason in words. */
  readonly detail: string | null;
  /** `claimed` only: messages stored until then. */
  readonly events: number | null;
  /** `claimed` only: the worker that had it before. */
  readonly last: string | null;
  /** `declared-dead`, and `claimed` after a holder that was lost: when that was last heard of, Redis ms. */
  readonly heardAt: number | null;
  /** `released` only: why it was, where others look at that. */
  readonly why: 'process' | 'nobody-wants' | null;
}

/** What a holder writes of a change of its connection's state. */
export interface StateChange {
  readonly state: string;
  readonly reason: string | null;
  /** `live` only: how the session was opened. */
  readonly how?: 'identified' | 'resumed' | null;
}

/** The stream keeps about this many entries per connection (`MAXLEN ~`). */
export const HISTORY_KEPT = 1_000;

/** Newest first. @throws the client's errors */
export async function readHistory(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  count: number,
): Promise<HistoryRecord[]> {
  const entries = await client.xrevrange(keys.connection(id).history, '+', '-', 'COUNT', count);
  return entries.map(([entryId, flat]) => parseHistory(entryId, flat));
}

export function parseHistory(entryId: string, flat: readonly string[]): HistoryRecord {
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i] ?? '', flat[i + 1] ?? '');
  const text = (name: string) => fields.get(name) || null;
  const number = (name: string) => (text(name) === null ? null : Number(text(name)));
  return {
    at: Number(entryId.split('-')[0]),
    what: fields.get('what') ?? 'unknown',
    token: number('token'),
    worker: text('worker'),
    detail: text('detail'),
    events: number('events'),
    last: text('last'),
    heardAt: number('heardAt'),
    why: text('why') as HistoryRecord['why'],
  };
}

/** As the API and the command line give it. */
export function describeHistory({ at, what, token, detail, worker }: HistoryRecord): HistoryEntry {
  return { at: new Date(at).toISOString(), what, token, detail: detail ?? worker };
}

/** @returns `null` when it is none, or cannot be read */
export function parseChange({ what, detail }: HistoryRecord): StateChange | null {
  if (what !== 'state' || detail === null) return null;
  try {
    const change = JSON.parse(detail) as Partial<StateChange> | null;
    if (typeof change?.state !== 'string') return null;
    return { state: change.state, reason: change.reason ?? null, how: change.how ?? null };
  } catch {
    return null;
  }
}
