/** All that a scrape or an overview needs of Redis, in a bounded number of calls however many connections there are. */
import { type BudgetUse, readBudgets } from '../state/budget.ts';
import type { Keys } from '../state/keys.ts';
import { readMeasurements, type StoredMeasurements } from '../state/measurements.ts';
import type { RedisClient } from '../state/redis.ts';
import { type ChainEvidence, readChainEvidence } from './chain-evidence.ts';
import type { StatusTimings } from './read.ts';

/** What is asked of a BullMQ queue. */
export interface CountedQueue {
  readonly name: string;
  getJobCounts(...states: JobState[]): Promise<Readonly<Record<string, number>>>;
}

/** Finished jobs are removed at once, so these are all there are. */
export const JOB_STATES = ['waiting', 'active', 'delayed', 'prioritized', 'failed'] as const;
export type JobState = (typeof JOB_STATES)[number];

export interface Snapshot extends ChainEvidence, StoredMeasurements {
  readonly budgets: readonly BudgetUse[];
  readonly jobs: readonly QueueCounts[];
}

export interface QueueCounts {
  readonly name: string;
  readonly counts: Readonly<Record<string, number>>;
}

export interface SnapshotSource {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly queues: readonly CountedQueue[];
  readonly timings: StatusTimings;
}

/** @throws the errors of the client and the queues */
export async function readSnapshot({ client, keys, queues, timings }: SnapshotSource): Promise<Snapshot> {
  const [evidence, measured, jobs] = await Promise.all([
    readChainEvidence(client, keys, timings),
    readMeasurements(client, keys),
    Promise.all(queues.map(countQueue)),
  ]);
  return { ...evidence, ...measured, jobs, budgets: await readBudgets(client, keys, evidence.moment.now) };
}

async function countQueue(queue: CountedQueue): Promise<QueueCounts> {
  return { name: queue.name, counts: await queue.getJobCounts(...JOB_STATES) };
}
