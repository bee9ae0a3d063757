/** Reads, in one go, everything a sweep judges by. No decisions here. */
import type { Queue } from 'bullmq';
import type { WorkerId } from '../model.ts';
import { type JobRecord, observeJobs } from '../state/connection-jobs.ts';
import { listConnectionIds, redisNow } from '../state/desired.ts';
import { readEvidence, type StoredEvidence } from '../state/evidence.ts';
import type { Keys } from '../state/keys.ts';
import { connectedProcesses, presentWorkers } from '../state/presence.ts';
import type { ConnectionJobData } from '../state/queues.ts';
import { checkRedis, type RedisClient } from '../state/redis.ts';
import { readWorkers } from '../state/workers.ts';

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
  /** Holders seen in leases of which Redis sees no sign of life, although it would: `<worker>#<incarnation>`. */
  readonly absent: ReadonlyMap<string, Absence>;
}

/** A holder that is not subscribed to its channel, and whose presence has worked. */
export interface Absence {
  /** None of its process's connections is left either. False: Redis does not say, and only its renewals can tell. */
  readonly disconnected: boolean;
  /** How often it renews, ms. */
  readonly renewEveryMs: number;
}

export function presenceName(worker: WorkerId | string, incarnation: string | null): string {
  return `${worker}#${incarnation ?? ''}`;
}

export interface ObserveOptions {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly queue: Queue<ConnectionJobData>;
  /** Who looks, as announced by itself: an answer in which it is missing is not believed. */
  readonly self: string;
}

/** @returns what is judged, and, for those who look on, all that was read on the way */
export async function observe({
  client,
  keys,
  queue,
  self,
}: ObserveOptions): Promise<{ readonly seen: Observation; readonly sight: SweepSight }> {
  const ids = await listConnectionIds(client, keys);
  const [now, fitness, jobs, connections] = await Promise.all([
    redisNow(client),
    checkRedis(client, keys.prefix),
    observeJobs(client, queue, ids),
    readEvidence(client, keys, ids),
  ]);
  const held = connections.filter(({ lease }) => lease.owner !== null && lease.until > now);
  const absent = await findAbsent({ client, keys, self }, held);
  const seen: Observation = {
    redisNow: now,
    runId: fitness.runId,
    uptimeMs: fitness.uptimeMs,
    connections: connections.map((connection) => ({
      ...connection,
      job: jobs.get(connection.id) ?? { place: 'absent', lockToken: null, intact: true },
    })),
    absent,
  };
  return { seen, sight: { redisNow: now, connections } };
}

/**
 * Which holders are absent. Absence is only believed where presence provably works, for us who look and for the holder; a
 * process that has any connection left is not absent, whatever became of its subscription.
 */
async function findAbsent(
  { client, keys, self }: Pick<ObserveOptions, 'client' | 'keys' | 'self'>,
  held: readonly StoredEvidence[],
): Promise<ReadonlyMap<string, Absence>> {
  const holders = new Map(
    held.map(({ lease }) => [presenceName(lease.owner ?? '', lease.incarnation), lease] as const),
  );
  if (holders.size === 0) return new Map();
  const present = await presentWorkers(client, keys, [self, ...holders.keys()]).catch(rightsMissing);
  if (present === null || !present.has(self)) return new Map();
  const missing = [...holders].filter(([name]) => !present.has(name));
  if (missing.length === 0) return new Map();
  const [connected, records] = await Promise.all([
    connectedProcesses(client),
    readWorkers(client, keys, [...new Set(missing.map(([, { owner }]) => owner as WorkerId))]),
  ]);
  const told = new Map(records.map((record) => [record.id as string, record]));
  const saysWhoIsConnected = connected?.has(self) === true;
  return new Map(
    missing.flatMap(([name, { owner, incarnation }]): [string, Absence][] => {
      const record = told.get(owner ?? '');
      // Of its own life it must have said that it is seen; a later life under the same pid is the end of this one.
      if (record === undefined || (record.incarnation === incarnation && record.presence !== true)) return [];
      if (saysWhoIsConnected && connected.has(name)) return [];
      return [[name, { disconnected: saysWhoIsConnected, renewEveryMs: record.renewEveryMs ?? UNKNOWN_RENEWAL_MS }]];
    }),
  );
}

/** Longer than any lease: who does not say how often it renews is judged by its leases alone, ms. */
const UNKNOWN_RENEWAL_MS = 3_600_000;

/** Without the right to ask there is no presence; everything else is trouble of the whole sweep. */
function rightsMissing(error: unknown): null {
  if (error instanceof Error && error.name === 'ReplyError') return null;
  throw error;
}
