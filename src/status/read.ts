/** Reads the evidence of all connections and makes the status document of it. Works without any other process. */
import type { ConnectionId } from '../model.ts';
import { listConnectionIds, parseDesired, parseWishes, redisNow } from '../state/desired.ts';
import { readUnfit } from '../state/fitness.ts';
import { parseHeartbeat } from '../state/heartbeats.ts';
import type { Keys } from '../state/keys.ts';
import { parseLease } from '../state/leases.ts';
import { parseParked } from '../state/parking.ts';
import type { RedisClient } from '../state/redis.ts';
import { lastSweep } from '../state/sweeps.ts';
import { listWorkers } from '../state/workers.ts';
import { type ConnectionEvidence, deriveConnection } from './derive.ts';
import type { StatusDocument } from './document.ts';

export interface StatusTimings {
  readonly renewEveryMs: number;
  readonly sweepEveryMs: number;
}

/** A missed renewal is a hiccup; evidence older than this no longer counts as live, ms. */
function staleAfter(timings: StatusTimings): number {
  return 2 * timings.renewEveryMs + 500;
}

/** @throws TransientError or the client's own error when Redis does not answer */
export async function readStatus(client: RedisClient, keys: Keys, timings: StatusTimings): Promise<StatusDocument> {
  const [now, sweep, workers, ids] = await Promise.all([
    redisNow(client),
    lastSweep(client, keys),
    listWorkers(client, keys),
    listConnectionIds(client, keys),
  ]);
  const evidence = (await Promise.all(ids.map((id) => readEvidence(client, keys, id)))).filter((one) => one !== null);
  const moment = {
    now,
    nextSweepAt: sweep === null ? null : sweep.at + timings.sweepEveryMs,
    staleAfterMs: staleAfter(timings),
  };
  return {
    at: new Date(now).toISOString(),
    scheduler: { lastSweepAgeMs: sweep === null ? null : Math.max(0, now - sweep.at), worker: sweep?.worker ?? null },
    workers: workers.map(({ id, roles, connections, capacity, eventLoopLagMs }) => ({
      id,
      roles,
      connections,
      capacity,
      eventLoopLagMs,
    })),
    connections: evidence.map((one) => deriveConnection(one, moment)),
  };
}

async function readEvidence(client: RedisClient, keys: Keys, id: ConnectionId): Promise<ConnectionEvidence | null> {
  const k = keys.connection(id);
  const [desired, wishes, parked, lease, heartbeat, restarts, counters, unfit] = await Promise.all([
    client.get(k.desired),
    client.hgetall(k.wishes),
    client.hgetall(k.parked),
    client.hgetall(k.lease),
    client.hgetall(k.heartbeat),
    client.hgetall(k.restarts),
    client.hgetall(k.counters),
    readUnfit(client, keys, id),
  ]);
  const record = parseDesired(desired);
  if (record === null) return null;
  return {
    desired: record,
    wishes: parseWishes(wishes),
    parked: parseParked(parked),
    lease: parseLease(lease),
    heartbeat: parseHeartbeat(heartbeat),
    restart:
      restarts.notBefore === undefined
        ? null
        : { notBefore: Number(restarts.notBefore), reason: restarts.reason ?? 'unknown' },
    unfit,
    counters,
  };
}
