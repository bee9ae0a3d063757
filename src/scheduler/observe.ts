/** Reads, in one go, everything a sweep judges by. No decisions here. */
import type { Queue } from 'bullmq';
import type { ConnectionId, WorkerId } from '../model.ts';
import { type JobRecord, observeJobs } from '../state/connection-jobs.ts';
import {
  type DesiredConnection,
  listConnectionIds,
  parseDesired,
  parseWishes,
  redisNow,
  type Wishes,
} from '../state/desired.ts';
import { type HeartbeatRecord, parseHeartbeat } from '../state/heartbeats.ts';
import type { Keys } from '../state/keys.ts';
import { type LeaseRecord, parseLease } from '../state/leases.ts';
import { type ParkedRecord, parseParked } from '../state/parking.ts';
import { presentWorkers } from '../state/presence.ts';
import type { ConnectionJobData } from '../state/queues.ts';
import { checkRedis, type RedisClient } from '../state/redis.ts';

export interface ObservedConnection {
  readonly id: ConnectionId;
  readonly desired: DesiredConnection | null;
  readonly wishes: Wishes;
  readonly parked: ParkedRecord | null;
  readonly lease: LeaseRecord;
  readonly heartbeat: HeartbeatRecord | null;
  /** Redis ms before which a connection that ended by a defect is not started again; 0 when there is none. */
  readonly restartNotBefore: number;
  readonly job: JobRecord;
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

export async function observe(client: RedisClient, keys: Keys, queue: Queue<ConnectionJobData>): Promise<Observation> {
  const ids = await listConnectionIds(client, keys);
  const [now, fitness, jobs, connections] = await Promise.all([
    redisNow(client),
    checkRedis(client),
    observeJobs(client, queue, ids),
    Promise.all(ids.map((id) => observeConnection(client, keys, id))),
  ]);
  const holders = connections.flatMap(({ lease }) =>
    lease.owner === null ? [] : [presenceName(lease.owner, lease.incarnation)],
  );
  const present = await presentWorkers(client, keys, [...new Set(holders)]);
  return {
    redisNow: now,
    runId: fitness.runId,
    uptimeMs: fitness.uptimeMs,
    connections: connections.map((connection) => ({
      ...connection,
      job: jobs.get(connection.id) ?? { place: 'absent', lockToken: null, intact: true },
    })),
    present,
  };
}

async function observeConnection(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
): Promise<Omit<ObservedConnection, 'job'>> {
  const k = keys.connection(id);
  const [desired, wishes, parked, lease, heartbeat, restarts] = await Promise.all([
    client.get(k.desired),
    client.hgetall(k.wishes),
    client.hgetall(k.parked),
    client.hgetall(k.lease),
    client.hgetall(k.heartbeat),
    client.hgetall(k.restarts),
  ]);
  return {
    id,
    desired: parseDesired(desired),
    wishes: parseWishes(wishes),
    parked: parseParked(parked),
    lease: parseLease(lease),
    heartbeat: parseHeartbeat(heartbeat),
    restartNotBefore: Number(restarts.notBefore ?? 0),
  };
}
