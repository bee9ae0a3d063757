/** All that a scrape or an overview needs of Redis, in a bounded number of calls however many connections there are. */
import { type Backlog, readBacklogs } from '../state/backlog.ts';
import { type BudgetUse, readBudgets } from '../state/budget.ts';
import type { Keys } from '../state/keys.ts';
import { readLatencies, type StoredLatency } from '../state/measurements.ts';
import type { RedisClient } from '../state/redis.ts';
import { type AllEvidence, readAllEvidence, type StatusTimings } from './read.ts';

/** What is asked of a BullMQ queue. */
export interface CountedQueue {
  readonly name: string;
  getJobCounts(...states: JobState[]): Promise<Readonly<Record<string, number>>>;
  isPaused(): Promise<boolean>;
}

/** Finished jobs are removed at once, so these are all there are. */
export const JOB_STATES = ['waiting', 'active', 'delayed', 'prioritized', 'failed'] as const;
export type JobState = (typeof JOB_STATES)[number];

export interface Snapshot extends AllEvidence {
  readonly backlogs: ReadonlyMap<string, Backlog>;
  readonly latencies: readonly StoredLatency[];
  readonly budgets: readonly BudgetUse[];
  readonly queues: readonly QueueCounts[];
}

export interface QueueCounts {
  readonly name: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly paused: boolean;
}

export interface SnapshotSource {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly queues: readonly CountedQueue[];
  readonly timings: StatusTimings;
}

/** @throws the errors of the client and the queues */
export async function readSnapshot({ client, keys, queues, timings }: SnapshotSource): Promise<Snapshot> {
  const evidence = await readAllEvidence(client, keys, timings);
  const ids = evidence.connections.map(({ desired }) => desired.id);
  const [backlogs, latencies, budgets, counted] = await Promise.all([
    readBacklogs(client, keys, ids),
    readLatencies(client, keys),
    readBudgets(client, keys, evidence.moment.now),
    Promise.all(queues.map(countQueue)),
  ]);
  return { ...evidence, backlogs: new Map(backlogs.map((one) => [one.id, one])), latencies, budgets, queues: counted };
}

async function countQueue(queue: CountedQueue): Promise<QueueCounts> {
  const [counts, paused] = await Promise.all([queue.getJobCounts(...JOB_STATES), queue.isPaused()]);
  return { name: queue.name, counts, paused };
}
