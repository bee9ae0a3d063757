/** Reads, in one go, everything a sweep judges by. No decisions here. */
import type { Queue } from 'bullmq';
import type { WorkerId } from '../model.ts';
import { type JobRecord, observeJobs } from '../state/connection-jobs.ts';
import { listConnectionIds, redisNow } from '../state/desired.ts';
import { readEvidence, type StoredEvidence } from '../state/evidence.ts';
import type { Keys } from '../state/keys.ts';
import { presentWorkers } from '../state/presence.ts';
import type { ConnectionJobData } from '../state/queues.ts';
import { checkRedis, type RedisClient } from '../state/redis.ts';

export interface ObservedConnection extends Omit<StoredEvidence, 'counters'> {
  readonly job: JobRecord;
}

/** What a sweep saw of all connections, for those who look on. */
export interface SweepSight {
  /** Redis ms. */
  readonly redisNow: number;
  readonly connections: readonly StoredEvidence[];
}

export interface Observation {
  /** Redis ms. */
  readonly redisNow: number;
  readonly runId: string;
  /** How long this Redis has been up, ms. */
  readonly uptimeMs: number;
  readonly connections: readonly ObservedConnection[];
  /** Holders seen in leases whose presence channel has a subscriber: `<worker>#<incarnation>`. */
  readonly present: ReadonlySet<string>;
}

export function presenceName(worker: WorkerId | string, incarnation: string | null): string {
  return `${worker}#${incarnation ?? ''}`;
}

/** @returns what is judged, and, for those who look on, all that was read on the way */
export async function observe(
  client: RedisClient,
  keys: Keys,
  queue: Queue<ConnectionJobData>,
): Promise<{ readonly seen: Observation; readonly sight: SweepSight }> {
  const ids = await listConnectionIds(client, keys);
  const [now, fitness, jobs, connections] = await Promise.all([
    redisNow(client),
    checkRedis(client, keys.prefix),
    observeJobs(client, queue, ids),
    readEvidence(client, keys, ids),
  ]);
  const holders = connections.flatMap(({ lease }) =>
    lease.owner === null ? [] : [presenceName(lease.owner, lease.incarnation)],
  );
  const present = await presentWorkers(client, keys, [...new Set(holders)]);
  const seen: Observation = {
    redisNow: now,
    runId: fitness.runId,
    uptimeMs: fitness.uptimeMs,
    connections: connections.map((connection) => ({
      ...connection,
      job: jobs.get(connection.id) ?? { place: 'absent', lockToken: null, intact: true },
    })),
    present,
  };
  return { seen, sight: { redisNow: now, connections } };
}
