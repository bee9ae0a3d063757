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

/** Newest first. */
export async function readHistory(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  count: number,
): Promise<HistoryEntry[]> {
  const entries = (await client.xrevrange(keys.connection(id).history, '+', '-', 'COUNT', count)) as [
    string,
    string[],
  ][];
  return entries.map(([entryId, flat]) => {
    const fields = new Map<string, string>();
    for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i] ?? '', flat[i + 1] ?? '');
    const token = fields.get('token');
    return {
      at: new Date(Number(entryId.split('-')[0])).toISOString(),
      what: fields.get('what') ?? 'unknown',
      token: token === undefined ? null : Number(token),
      detail: fields.get('detail') ?? fields.get('worker') ?? null,
    };
  });
}
