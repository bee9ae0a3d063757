/**
 * What a process's configuration wants, kept in Redis: written at the start, and again when Redis lost all its data (a
 * FLUSHALL, a restart without AOF, a new machine). Without that, a gateway whose Redis came back empty would hold nothing
 * until somebody restarts it, and say so nowhere. A gap record per connection says what the loss means for its users.
 *
 * The data have a name, made by whoever writes first. Records are written again only when that name is gone or another
 * one: a connection that was removed on purpose stays removed.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { sleep } from '../async/abort.ts';
import { explain } from '../errors.ts';
import { noteDataLoss } from '../state/data-loss.ts';
import { applyDesired, type DesiredConnection } from '../state/desired.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';

interface DesiredOptions {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly wanted: readonly DesiredConnection[];
  readonly log: Logger;
}

/**
 * @param options.removeOthers - see {@link applyDesired}
 * @returns the name of the data, for {@link keepDesired}
 */
export async function writeDesired(options: DesiredOptions & { readonly removeOthers: boolean }): Promise<string> {
  const { client, keys, wanted, removeOthers, log } = options;
  const name = await nameData(client, keys);
  const changed = await applyDesired(client, keys, wanted, { removeOthers });
  if (changed.length > 0) log.info({ event: 'desired', connections: changed }, 'desired connections changed');
  return name;
}

/**
 * Looks until `signal` aborts, then resolves.
 *
 * @param options.client - one whose commands end by themselves: a look that gets no answer is repeated
 */
export async function keepDesired(
  options: DesiredOptions & { readonly name: string; readonly everyMs: number },
  signal: AbortSignal,
): Promise<void> {
  const { client, keys, wanted, everyMs, log } = options;
  let { name } = options;
  const look = async (): Promise<void> => {
    if ((await client.get(keys.dataName)) === name) return;
    // The old name is known until all is written: should this fail half-way, the next look goes on.
    const fresh = await nameData(client, keys);
    await applyDesired(client, keys, wanted, { removeOthers: false });
    const ids = wanted.map(({ id }) => id);
    await noteDataLoss(client, keys, ids, fresh, Date.now());
    name = fresh;
    log.error(
      { event: 'redis.data-lost', connections: ids },
      'Redis lost its data: connections start anew; unanswered messages, cursors, pauses and history are gone',
    );
  };
  while (!signal.aborted) {
    await sleep(everyMs, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    await look().catch((error: unknown) => log.debug({ reason: explain(error) }, 'desired connections not looked at'));
  }
}

/** @returns the name of the data that Redis has now */
async function nameData(client: RedisClient, keys: Keys): Promise<string> {
  await client.set(keys.dataName, randomUUID(), 'NX');
  return (await client.get(keys.dataName)) ?? '';
}
