/** Brings what this process logged about connections to Redis, now and then. */
import type { Logger } from 'pino';
import { sleep } from '../async/abort.ts';
import { explain } from '../errors.ts';
import type { Keys } from '../state/keys.ts';
import { type LogJournal, writeJournal } from '../state/log-journal.ts';
import type { RedisClient } from '../state/redis.ts';

export interface KeepJournalOptions {
  readonly journal: LogJournal;
  /** One whose commands end by themselves. */
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly log: Logger;
}

const EVERY_MS = 1_000;

/** Runs until `signal` aborts, then writes what is left. Never throws: what Redis does not take is lost, and counted. */
export async function keepJournal(
  { journal, client, keys, log }: KeepJournalOptions,
  signal: AbortSignal,
): Promise<void> {
  const write = async (): Promise<void> => {
    const entries = journal.take();
    if (entries.length === 0) return;
    try {
      await writeJournal(client, keys, entries);
    } catch (error) {
      journal.lost(entries);
      log.debug({ reason: explain(error) }, 'log lines of connections not written');
    }
  };
  while (!signal.aborted) {
    await write();
    await sleep(EVERY_MS, { signal }).catch(() => undefined);
  }
  await write();
}
