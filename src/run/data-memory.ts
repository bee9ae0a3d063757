/**
 * What this installation remembers of its data outside of Redis: their name, and how many messages each connection had
 * stored. Without it a Redis that begins empty (a volume that was not mounted, a folder restored in part, another
 * `redis.url`) cannot be told from a first start. Kept in the state folder (`.holdfast`), by the processes that sweep, also
 * beside a Redis of one's own; several hosts may each have such a memory. An installation without one never alarms.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { explain } from '../errors.ts';
import { preparePrivateFolder, readPrivateFile, writePrivateFile } from '../files/private-file.ts';
import { type ConnectionId, connectionId } from '../model.ts';
import type { SweepSight } from '../scheduler/observe.ts';
import { acceptedAt, type LossKind, noteDataLoss, noteLoss, readLoss, WHAT_IS_GONE } from '../state/data-loss.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisAddress, RedisClient } from '../state/redis.ts';

const memorySchema = z.object({
  v: z.literal(1),
  /** Of the data, see keys.dataName. */
  name: z.string(),
  /** Where they were: no user, no password. */
  where: z.string(),
  /** By Redis's clock, ms; and the same for people. */
  savedAt: z.number(),
  saved: z.string(),
  /** Connection → messages that it had stored. */
  connections: z.record(z.string(), z.number()),
});
type Remembered = z.infer<typeof memorySchema>;

/** What is remembered was seen at least this long ago, ms: a power loss or a failover may cost the last seconds. */
const OLD_ENOUGH_MS = 10_000;
const SAVE_EVERY_MS = 15_000;

export interface DataMemoryOptions {
  /** The state folder. */
  readonly dir: string;
  readonly address: RedisAddress;
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly log: Logger;
}

interface Loss {
  readonly kind: LossKind;
  readonly reason: string;
  /** Names this loss: it is recorded once. */
  readonly name: string;
  readonly ids: readonly ConnectionId[];
}

export class DataMemory {
  readonly #options: DataMemoryOptions;
  readonly #file: string;
  #name = '';
  #seen: { readonly at: number; readonly counts: Readonly<Record<string, number>> } | null = null;
  #dueAt = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> = Promise.resolve();
  #complained = false;

  constructor(options: DataMemoryOptions) {
    this.#options = options;
    this.#file = join(options.dir, `data-${options.keys.prefix}.json`);
  }

  /**
   * Before anything is written to Redis.
   *
   * @returns what Redis lacks, to be told by {@link tell} once its data have a name; `null`: nothing
   * @throws the client's errors
   */
  async compare(): Promise<Loss | null> {
    const remembered = await this.#read();
    if (remembered === null) return null;
    const { client, keys } = this.#options;
    const [name, accepted] = await Promise.all([client.get(keys.dataName), acceptedAt(client, keys)]);
    if (accepted >= remembered.savedAt) return null;
    const ids = Object.keys(remembered.connections).flatMap(asId);
    if (name === remembered.name) return await this.#olderThan(remembered, ids);
    const same = remembered.where === whereOf(this.#options.address);
    const had = `this installation had data until ${remembered.saved}`;
    const was = same ? '' : ` at ${remembered.where}`;
    if (name === null || same) {
      return { kind: 'empty', ids, name: `after ${remembered.name}`, reason: `Redis began empty, and ${had}${was}` };
    }
    const reason = `redis.url names a Redis with the data of another installation, and ${had}${was}`;
    return { kind: 'other', ids, name: `after ${remembered.name}`, reason };
  }

  async #olderThan(
    { connections, saved, savedAt, name }: Remembered,
    ids: readonly ConnectionId[],
  ): Promise<Loss | null> {
    const { client, keys } = this.#options;
    const events = await Promise.all(ids.map((id) => client.hget(keys.connection(id).counters, 'events')));
    const fewer = ids.filter((id, index) => Number(events[index] ?? 0) < (connections[id] ?? 0));
    if (fewer.length === 0) return null;
    const missing = fewer.reduce((sum, id) => sum + (connections[id] ?? 0) - Number(events[ids.indexOf(id)] ?? 0), 0);
    const reason = `Redis has older data than on ${saved}: ${missing} messages that were stored then are unknown to it (an older backup?)`;
    return { kind: 'older', ids: fewer, name: `${name} older than ${savedAt}`, reason };
  }

  /** Says it in the log, in Redis until somebody accepts it, and in the records of the connections. Safe to repeat. */
  async tell({ kind, reason, name, ids }: Loss, configured: readonly ConnectionId[]): Promise<void> {
    const { client, keys, log } = this.#options;
    await noteLoss(client, keys, { kind, reason });
    const text = kind === 'empty' ? WHAT_IS_GONE : `${reason}: what came since, and what was answered, is not known`;
    await noteDataLoss(client, keys, [...new Set([...ids, ...configured])], name, Date.now(), text);
    log.error(
      { event: 'redis.data-missing', kind, reason },
      `${reason}. If these are the data to go on with: holdfast data accept. Else stop, and see docs/runbook.md, "Redis began empty"`,
    );
  }

  /** From now on the data of this name are remembered. */
  begin(name: string): void {
    this.#name = name;
    this.#dueAt = Number.NEGATIVE_INFINITY;
  }

  /** What a sweep saw. Never throws. */
  saw({ redisNow, connections }: SweepSight): void {
    if (this.#name === '' || performance.now() < this.#dueAt) return;
    this.#dueAt = performance.now() + SAVE_EVERY_MS;
    const before = this.#seen;
    this.#seen = {
      at: redisNow,
      counts: Object.fromEntries(connections.map(({ id, counters }) => [id, Number(counters.events ?? 0)])),
    };
    const known = before !== null && redisNow - before.at >= OLD_ENOUGH_MS ? before.counts : {};
    this.#writing = this.#writing.then(() => this.#write(redisNow, known));
  }

  /** Resolves when all is written. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #write(savedAt: number, connections: Readonly<Record<string, number>>): Promise<void> {
    const { dir, address, client, keys } = this.#options;
    const saved = new Date(savedAt).toISOString();
    const memory: Remembered = { v: 1, name: this.#name, where: whereOf(address), savedAt, saved, connections };
    try {
      // Until somebody has accepted a loss, the data that were lost are the ones to be remembered: they may be put back.
      if ((await readLoss(client, keys)) !== null) return;
    } catch {
      return; // Redis is away; the next sweep comes by again.
    }
    try {
      await preparePrivateFolder(dir);
      await writePrivateFile(this.#file, `${JSON.stringify(memory)}\n`);
    } catch (error) {
      this.#complain(error);
    }
  }

  async #read(): Promise<Remembered | null> {
    try {
      const text = await readPrivateFile(this.#file);
      return text === undefined ? null : memorySchema.parse(JSON.parse(text));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      this.#complain(error);
      return null;
    }
  }

  /** A read-only image has no such folder: then nothing is remembered. */
  #complain(error: unknown): void {
    if (this.#complained) return;
    this.#complained = true;
    const message = 'what Redis has is not remembered outside of it: should it begin empty one day, nobody could tell';
    this.#options.log.warn({ event: 'data-memory', file: this.#file, reason: explain(error) }, message);
  }
}

/** For people, and to tell one Redis from another. */
function whereOf(address: RedisAddress): string {
  if ('path' in address) return 'the embedded Redis';
  const { host, pathname } = new URL(address.url);
  return `${host}${pathname === '/' ? '/0' : pathname}`;
}

function asId(name: string): ConnectionId[] {
  try {
    return [connectionId(name)];
  } catch {
    return [];
  }
}
