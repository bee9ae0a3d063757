/** Reads what is kept of the last day of many connections, in a few calls for all of them. */
import type { ConnectionId } from '../model.ts';
import { inChunks } from './evidence.ts';
import { type HistoryRecord, parseHistory } from './history.ts';
import { decodeEntry } from './ingest.ts';
import type { Keys } from './keys.ts';
import { type Minute, parseMinutes } from './minutes.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const readGapsScript = loadScript('read-gaps');

export interface StoredDay {
  readonly id: ConnectionId;
  /** By minute since the epoch; also older ones. */
  readonly minutes: ReadonlyMap<number, Minute>;
  /** Oldest first: from the last entry before `since` on, or what {@link HISTORY_READ} reaches. */
  readonly history: readonly HistoryRecord[];
}

/** Entries per connection: the ups and downs of a bad day. */
const HISTORY_READ = 400;
/** Records per connection in which gaps are looked for. */
const RECORDS_READ = 200;

/** @param since - Redis ms. @throws the client's errors */
export async function readDays(
  client: RedisClient,
  keys: Keys,
  ids: readonly ConnectionId[],
  since: number,
): Promise<StoredDay[]> {
  return await inChunks(ids, async (some) => {
    const pipeline = client.pipeline();
    for (const id of some) {
      const { minutes, history } = keys.connection(id);
      pipeline.getBuffer(minutes);
      pipeline.xrevrange(history, '+', String(since), 'COUNT', HISTORY_READ);
      pipeline.xrevrange(history, `(${since}`, '-', 'COUNT', 1);
    }
    const answers = (await pipeline.exec()) ?? [];
    const failed = answers.find(([error]) => error !== null)?.[0];
    if (failed != null) throw failed;
    return some.map((id, n): StoredDay => {
      const [ring, within, before] = answers.slice(3 * n, 3 * n + 3).map(([, answer]) => answer);
      const recent = entries(within);
      const history = recent.length < HISTORY_READ ? [...recent, ...entries(before)] : recent;
      return { id, minutes: parseMinutes(ring as Buffer | null), history: history.reverse() };
    });
  });
}

function entries(answer: unknown): HistoryRecord[] {
  return (answer as [string, string[]][]).map(([id, fields]) => parseHistory(id, fields));
}

/** Gap records since `since` (Redis ms), newest first, for each of `ids`. @throws the client's errors */
export async function readGaps(
  client: RedisClient,
  keys: Keys,
  ids: readonly ConnectionId[],
  since: number,
): Promise<{ readonly at: number; readonly text: string }[][]> {
  return await inChunks(ids, async (some) => {
    const records = some.map((id) => keys.connection(id).records);
    const answers = (await runScript(client, readGapsScript, records, [since, RECORDS_READ])) as string[][];
    return answers.map((flat) =>
      flat.flatMap((id, n) =>
        n % 2 === 0 ? [{ at: Number(id.split('-')[0]), text: decodeEntry(`${flat[n + 1]}\n`).text }] : [],
      ),
    );
  });
}
