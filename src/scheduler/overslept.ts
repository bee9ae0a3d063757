/**
 * Wakes jobs that sleep longer than they were told to. BullMQ stamps a delayed job with the wall clock of whoever put it
 * back, and wakes it by the wall clock of whoever fetches: after a clock was set back, or between hosts that disagree,
 * half a second becomes an hour. Here nobody's wall clock counts: a job's own delay has passed since *we* first saw it
 * asleep, on our monotonic clock, so it is overdue.
 */
import type { Logger } from 'pino';
import { explain } from '../errors.ts';
import type { RedisClient } from '../state/redis.ts';

/** What of a BullMQ queue is needed here. */
export interface SleepingQueue {
  toKey(name: string): string;
  getJob(id: string): Promise<{ readonly delay: number; promote(): Promise<void> } | undefined>;
}

export interface OversleptOptions {
  readonly client: RedisClient;
  readonly queues: readonly SleepingQueue[];
  readonly log: Logger;
}

/** Sleeping jobs: with which due instant they were seen first, and when, our monotonic ms. */
export type SeenAsleep = ReadonlyMap<string, { readonly score: string; readonly since: number }>;

/** A job may come this much later than it should before anybody interferes, ms. */
const GRACE_MS = 2_000;
/** Looked at per queue and sweep, those due first: a clock that was set back leaves exactly these behind. */
const LIMIT = 1_000;

/**
 * @param now - our monotonic clock, ms
 * @returns what to remember for the next call
 * @throws the client's errors; calling again is safe
 */
export async function wakeOverslept(options: OversleptOptions, seen: SeenAsleep, now: number): Promise<SeenAsleep> {
  const asleep = new Map<string, { score: string; since: number }>();
  for (const queue of options.queues) {
    const key = queue.toKey('delayed');
    const flat = await options.client.zrange(key, '0', String(LIMIT - 1), 'WITHSCORES');
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const [id = '', score = ''] = [flat[i], flat[i + 1]];
      const known = seen.get(`${key} ${id}`);
      const since = known?.score === score ? known.since : now;
      asleep.set(`${key} ${id}`, { score, since });
      if (now - since > GRACE_MS) await wake(options, queue, id, now - since);
    }
  }
  return asleep;
}

async function wake({ log }: OversleptOptions, queue: SleepingQueue, id: string, sleptMs: number): Promise<void> {
  const job = await queue.getJob(id);
  if (job === undefined || sleptMs <= job.delay + GRACE_MS) return;
  try {
    await job.promote();
    const facts = { event: 'job-overslept', job: id, sleptMs: Math.round(sleptMs), delayMs: job.delay };
    log.warn(facts, 'a delayed job was overdue and is woken: the clocks of the hosts disagree');
  } catch (error) {
    log.debug({ job: id, reason: explain(error) }, 'the job woke by itself');
  }
}
