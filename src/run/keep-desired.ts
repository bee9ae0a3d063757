/**
 * What a process's configuration wants, kept in Redis: written at the start, when the configuration changes, when a record
 * is damaged, and again when Redis lost all its data (a FLUSHALL, a restart without AOF, a new machine). Without that, a gateway whose Redis came
 * back empty would hold nothing until somebody restarts it, and say so nowhere. A gap record per connection says what the
 * loss means for its users.
 *
 * The data have a name, made by whoever writes first. Records are written again only when that name is gone or another
 * one: a connection that was removed on purpose stays removed.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { childController, sleep } from '../async/abort.ts';
import { explain } from '../errors.ts';
import type { ConnectionId } from '../model.ts';
import { pokeHolders } from '../state/ask.ts';
import { noteDataLoss, noteLoss } from '../state/data-loss.ts';
import { applyDesired, type DesiredConnection, forgetConfigured } from '../state/desired.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import { writeRuntimeConnection } from '../state/runtime-connections.ts';

interface DesiredOptions {
  readonly client: RedisClient;
  readonly keys: Keys;
  /** What is wanted by now. */
  wanted(): readonly DesiredConnection[];
  readonly log: Logger;
}

/**
 * @param options.removeOthers - see {@link applyDesired}
 * @returns the name of the data, for {@link keepDesired}
 */
export async function writeDesired(options: DesiredOptions & { readonly removeOthers: boolean }): Promise<string> {
  const { client, keys, removeOthers, log } = options;
  const name = await nameData(client, keys);
  const changed = await applyDesired(client, keys, options.wanted(), { removeOthers, onReplaced: tellReplaced(log) });
  if (changed.length > 0) log.info({ event: 'desired', connections: changed }, 'desired connections changed');
  return name;
}

/** Which connections a new configuration wants otherwise. */
export interface DesiredChange {
  readonly added: readonly ConnectionId[];
  readonly changed: readonly ConnectionId[];
  readonly removed: readonly ConnectionId[];
}

export interface KeepDesiredOptions extends DesiredOptions {
  readonly name: string;
  readonly everyMs: number;
  /** Whether this process has a say about which connections there are; others only add. */
  readonly removes: boolean;
  /** Those that were added at run time, as Redis has them. */
  addedAtRunTime(): Promise<readonly DesiredConnection[]>;
  /** @returns stops calling `listener` */
  onChange(listener: (change: DesiredChange) => void): () => void;
  /** Called with the name of the data that took the place of those that were lost. @defaultValue nobody is told */
  onLost?(name: string): void;
  /** Calls with connections whose records were found damaged. @defaultValue nobody looks */
  onDamaged?(listener: (ids: readonly ConnectionId[]) => void): () => void;
}

/**
 * Looks until `signal` aborts, then resolves.
 *
 * @param options.client - one whose commands end by themselves: what gets no answer is repeated
 */
export async function keepDesired(options: KeepDesiredOptions, signal: AbortSignal): Promise<void> {
  const { everyMs, log } = options;
  let { name } = options;
  let added: readonly DesiredConnection[] = [];
  const due = new Due();
  let wake = (): void => undefined;
  const forget = options.onChange(({ added, changed, removed }) => {
    due.add([...added, ...changed, ...removed]);
    wake();
  });
  const forgetDamaged = options.onDamaged?.((ids) => {
    due.add(ids);
    wake();
  });
  while (!signal.aborted) {
    using nap = childController(signal);
    wake = () => nap.abort();
    if (due.isEmpty) await sleep(everyMs, { signal: nap.signal }).catch(() => undefined);
    if (signal.aborted) break;
    const taken = due.take();
    try {
      await writeChange(options, taken);
      const addedNow = await options.addedAtRunTime();
      const nameNow = await writeAnewIfLost(options, name, added);
      // What was read before the name is of these data.
      if (nameNow === name) added = addedNow;
      else options.onLost?.(nameNow);
      name = nameNow;
    } catch (error) {
      due.add(taken);
      log.debug({ reason: explain(error) }, 'desired connections not looked at');
      await sleep(everyMs, { signal }).catch(() => undefined);
    }
  }
  forget();
  forgetDamaged?.();
}

/** Connections whose records are to be written or removed, whichever the configuration says by then. */
class Due {
  #ids = new Set<ConnectionId>();

  get isEmpty(): boolean {
    return this.#ids.size === 0;
  }

  add(ids: Iterable<ConnectionId>): void {
    for (const id of ids) this.#ids.add(id);
  }

  take(): ReadonlySet<ConnectionId> {
    const taken = this.#ids;
    this.#ids = new Set();
    return taken;
  }
}

async function writeChange(options: KeepDesiredOptions, ids: ReadonlySet<ConnectionId>): Promise<void> {
  if (ids.size === 0) return;
  const { client, keys, removes, log } = options;
  const wanted = options.wanted().filter(({ id }) => ids.has(id));
  const written = await applyDesired(client, keys, wanted, { removeOthers: false, onReplaced: tellReplaced(log) });
  const gone = removes ? [...ids].filter((id) => !wanted.some((one) => one.id === id)) : [];
  for (const id of gone) if (await forgetConfigured(client, keys, id)) written.push(id);
  await pokeHolders(client, keys, written);
  if (written.length > 0) log.info({ event: 'desired', connections: written }, 'desired connections changed');
}

function tellReplaced(log: Logger): (id: ConnectionId) => void {
  return (id) =>
    log.warn(
      { event: 'runtime-replaced', connection: id },
      'a connection of this id was added at run time; from now on the configuration decides what it is',
    );
}

/** @returns the name of the data that Redis has now */
async function writeAnewIfLost(
  { client, keys, wanted, log }: KeepDesiredOptions,
  name: string,
  added: readonly DesiredConnection[],
): Promise<string> {
  if ((await client.get(keys.dataName)) === name) return name;
  // The old name is known until all is written: should this fail half-way, the next look goes on.
  const fresh = await nameData(client, keys);
  const configured = wanted();
  await applyDesired(client, keys, configured, { removeOthers: false });
  for (const connection of added) await writeRuntimeConnection(client, keys, connection, 'add');
  const ids = [...configured, ...added].map(({ id }) => id);
  await noteDataLoss(client, keys, ids, `after ${name}`, Date.now());
  await noteLoss(client, keys, { kind: 'empty', reason: 'Redis lost its data while this installation ran' });
  log.error(
    { event: 'redis.data-lost', connections: ids },
    'Redis lost its data: connections start anew; unanswered messages, cursors, pauses and history are gone',
  );
  return fresh;
}

/** @returns the name of the data that Redis has now */
async function nameData(client: RedisClient, keys: Keys): Promise<string> {
  await client.set(keys.dataName, randomUUID(), 'NX');
  return (await client.get(keys.dataName)) ?? '';
}
