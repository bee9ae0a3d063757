/** One connection in depth: where it was held, what happened to it, and what was logged about it. */
import { connectionId } from '../model.ts';
import { describeHistory, HISTORY_KEPT, type HistoryEntry, readHistory } from '../state/history.ts';
import type { Keys } from '../state/keys.ts';
import { type LoggedError, type LoggedLine, readJournal } from '../state/log-journal.ts';
import type { RedisClient } from '../state/redis.ts';
import type { ConnectionInChain } from './document.ts';
import { type Tenure, tenuresOf } from './tenures.ts';

/** Its keys are a stable interface: `connections show --json` and `GET /api/connections/ID`. */
export interface ConnectionDetail extends ConnectionInChain {
  /** The newest 20, newest first. */
  readonly history: readonly HistoryEntry[];
  /** The newest 20, newest first. */
  readonly tenures: readonly Tenure[];
  /** Warnings, errors and changes of state, newest first. */
  readonly log: readonly LoggedLine[];
  /** The last distinct ones, newest first. */
  readonly errors: readonly LoggedError[];
}

const HISTORY_SHOWN = 20;
const TENURES_SHOWN = 20;

/** @throws the client's errors */
export async function readConnectionDetail(
  client: RedisClient,
  keys: Keys,
  connection: ConnectionInChain,
): Promise<ConnectionDetail> {
  const id = connectionId(connection.id);
  const [history, journal] = await Promise.all([
    readHistory(client, keys, id, HISTORY_KEPT),
    readJournal(client, keys, id),
  ]);
  return {
    ...connection,
    history: history.slice(0, HISTORY_SHOWN).map(describeHistory),
    tenures: tenuresOf(history, connection.counters.events).slice(0, TENURES_SHOWN),
    ...journal,
  };
}
