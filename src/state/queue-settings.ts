/**
 * What a queue's settings in Redis may do to its workers. BullMQ keeps there whether a queue is paused, how many jobs it
 * gives out in a time, and how many at once, and its workers obey, for ever and over restarts. Holdfast never sets any of
 * them, so whatever stands there was written by somebody else (Bull Board of another program, a script, redis-cli) and
 * keeps messages waiting while every connection is live.
 */
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

export const QUEUE_NAMES = ['connections', 'turns', 'deliveries'] as const;
export type QueueName = (typeof QUEUE_NAMES)[number];

export interface QueueSettings {
  readonly name: QueueName;
  readonly paused: boolean;
  /** Jobs that are given out per `perMs`; `null`: not limited. As it stands there, which may be no number. */
  readonly limit: { readonly jobs: string; readonly perMs: string } | null;
  /** Jobs in hand at most, of all workers together; `null`: not limited. */
  readonly atOnce: string | null;
  /** Why they could not be read: something else stands under their key; `null`: they could. */
  readonly unreadable: string | null;
}

/** What an installation may find of them beside the settings, and wants none of. */
export interface QueueStrays {
  /** Of the queues together: counters of rate limits, lists of paused jobs, job schedulers. */
  readonly keys: number;
}

const UNREADABLE_CHARS = 200;

/** Two kinds of command for all queues. @throws the client's errors */
export async function readQueueSettings(
  client: RedisClient,
  keys: Keys,
): Promise<{ readonly queues: readonly QueueSettings[]; readonly strays: QueueStrays }> {
  const pipeline = client.pipeline();
  for (const name of QUEUE_NAMES) pipeline.hmget(keys.queue(name).meta, 'paused', 'max', 'duration', 'concurrency');
  pipeline.exists(
    ...QUEUE_NAMES.flatMap((name) => {
      const { limiter, paused, schedulers } = keys.queue(name);
      return [limiter, paused, schedulers];
    }),
  );
  const answers = (await pipeline.exec()) ?? [];
  const queues = QUEUE_NAMES.map((name, n) => parse(name, answers[n] ?? [new Error('no answer'), null]));
  const [error, found] = answers[QUEUE_NAMES.length] ?? [null, 0];
  if (error !== null) throw error;
  return { queues, strays: { keys: Number(found) } };
}

function parse(name: QueueName, [error, values]: [Error | null, unknown]): QueueSettings {
  const none = { name, paused: false, limit: null, atOnce: null };
  if (error !== null) {
    // Everything else is Redis's own trouble, and of all commands.
    if (!error.message.startsWith('WRONGTYPE')) throw error;
    return { ...none, unreadable: error.message.slice(0, UNREADABLE_CHARS) };
  }
  const [paused, max, duration, concurrency] = values as (string | null)[];
  const limited = max != null || duration != null;
  return {
    name,
    paused: paused != null,
    limit: limited ? { jobs: max ?? 'unset', perMs: duration ?? 'unset' } : null,
    atOnce: concurrency ?? null,
    unreadable: null,
  };
}

/** @returns each setting that is not as Holdfast wants it, in words for people; none: all is well */
export function foreignSettings({ paused, limit, atOnce, unreadable }: QueueSettings): string[] {
  return [
    ...(unreadable === null ? [] : [`unreadable (${unreadable})`]),
    ...(paused ? ['paused'] : []),
    ...(limit === null ? [] : [`limited to ${shown(limit.jobs)} jobs in ${shown(limit.perMs)} ms`]),
    ...(atOnce === null ? [] : [`limited to ${shown(atOnce)} jobs at once`]),
  ];
}

/** Written by anybody: short, and without what does something to a terminal. */
function shown(value: string): string {
  return /^[\w.+-]{1,20}$/.test(value) ? value : 'what is no number of';
}

/** One thing that was put right. */
export interface QueueChange {
  /** Redis ms. */
  readonly at: number;
  readonly queue: string;
  /** How it was found, in words. */
  readonly was: string;
}

const CHANGES_KEPT = 1_000;
/** More are not looked at. */
const CHANGES_READ = 100;

/** @throws the client's errors */
export async function noteQueueChange(client: RedisClient, keys: Keys, queue: string, was: string): Promise<void> {
  await client.xadd(keys.queueLog, 'MAXLEN', '~', CHANGES_KEPT, '*', 'queue', queue, 'was', was);
}

/** Those after `since` (Redis ms), newest first. @throws the client's errors */
export async function readQueueChanges(client: RedisClient, keys: Keys, since: number): Promise<QueueChange[]> {
  const entries = await client.xrevrange(keys.queueLog, '+', String(Math.round(since)), 'COUNT', CHANGES_READ);
  return entries.map(([id, fields]) => ({
    at: Number(id.split('-')[0]),
    queue: fields[1] ?? '',
    was: fields[3] ?? '',
  }));
}
