/**
 * Puts the settings of the queues right (state/queue-settings.ts) whenever somebody else wrote them, and says so. In each
 * sweep, so also at the start: a rate limit that was set by a slip must not outlive the day it was set on.
 */
import type { Logger } from 'pino';
import { explain } from '../errors.ts';
import type { Keys } from '../state/keys.ts';
import { foreignSettings, noteQueueChange, type QueueSettings, readQueueSettings } from '../state/queue-settings.ts';
import type { RedisClient } from '../state/redis.ts';

/** What of a BullMQ queue is needed here. */
export interface SettledQueue {
  readonly name: string;
  /** @returns how many jobs still lie in the list of a paused queue */
  resume(): Promise<unknown>;
  removeGlobalRateLimit(): Promise<unknown>;
  removeGlobalConcurrency(): Promise<unknown>;
  removeRateLimitKey(): Promise<unknown>;
  getJobSchedulers(start?: number, end?: number): Promise<readonly { readonly key: string }[]>;
  removeJobScheduler(id: string): Promise<unknown>;
}

export interface SettleQueuesOptions {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly queues: readonly SettledQueue[];
  readonly log: Logger;
}

/** Who writes it again and again is told of once in this time, ms. */
const TELL_EVERY_MS = 60_000;
/** Job schedulers removed per queue and sweep. */
const SCHEDULERS_AT_ONCE = 100;

/** @returns does it once; the function remembers what it told. It throws the client's errors; calling again is safe */
export function createQueueSettler(options: SettleQueuesOptions): () => Promise<void> {
  const toldAt = new Map<string, number>();
  return async () => {
    const { queues: found, strays } = await readQueueSettings(options.client, options.keys);
    for (const queue of options.queues) {
      const settings = found.find(({ name }) => name === queue.name);
      if (settings === undefined) continue;
      const was = [...foreignSettings(settings), ...(strays.keys > 0 ? await findStrays(options, queue) : [])];
      if (was.length === 0) continue;
      await settle(options, queue, settings);
      await tell(options, queue.name, was.join(', '), toldAt);
    }
  };
}

async function findStrays({ client, keys }: SettleQueuesOptions, queue: SettledQueue): Promise<string[]> {
  const { paused, schedulers } = keys.queue(queue.name);
  const [jobs, added] = await Promise.all([lengthOf(client, paused), lengthOf(client, schedulers)]);
  return [
    ...(jobs > 0 ? [`${jobs} jobs laid aside as paused`] : []),
    ...(added > 0 ? [`${added} job schedulers`] : []),
  ];
}

/** Whatever type the key has. */
async function lengthOf(client: RedisClient, key: string): Promise<number> {
  const type = await client.type(key);
  if (type === 'list') return await client.llen(key);
  if (type === 'zset') return await client.zcard(key);
  return type === 'none' ? 0 : 1;
}

async function settle(
  { client, keys }: SettleQueuesOptions,
  queue: SettledQueue,
  settings: QueueSettings,
): Promise<void> {
  const { meta, schedulers } = keys.queue(queue.name);
  // It can hold nothing that BullMQ understands; what it notes for itself there it writes again.
  if (settings.unreadable !== null) await client.del(meta);
  await queue.removeGlobalRateLimit();
  await queue.removeGlobalConcurrency();
  await queue.removeRateLimitKey();
  await queue.resume();
  if ((await client.type(schedulers)) !== 'zset') return;
  for (const { key } of await queue.getJobSchedulers(0, SCHEDULERS_AT_ONCE - 1)) await queue.removeJobScheduler(key);
}

async function tell(
  { client, keys, log }: SettleQueuesOptions,
  queue: string,
  was: string,
  toldAt: Map<string, number>,
): Promise<void> {
  const now = performance.now();
  const facts = { event: 'queue.settled', queue, was };
  const told = toldAt.get(queue);
  const isNews = told === undefined || now - told >= TELL_EVERY_MS;
  log[isNews ? 'warn' : 'debug'](facts, 'somebody else changed the settings of a queue; they are put right');
  if (!isNews) return;
  toldAt.set(queue, now);
  await noteQueueChange(client, keys, queue, was).catch((error: unknown) =>
    log.debug({ queue, reason: explain(error) }, 'the change is not noted'),
  );
}
