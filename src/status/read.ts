/** Reads the evidence of all connections and says what they do. Works without any other process. */
import { listConnectionIds, redisNow } from '../state/desired.ts';
import { readEvidence, type StoredEvidence } from '../state/evidence.ts';
import { readUnfit } from '../state/fitness.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import { lastSweep, type SweepRecord } from '../state/sweeps.ts';
import { listWorkers, type WorkerRecord } from '../state/workers.ts';
import { type ConnectionEvidence, deriveConnection, type ReadMoment } from './derive.ts';
import type { HoldingDocument } from './document.ts';

export interface StatusTimings {
  readonly renewEveryMs: number;
  readonly sweepEveryMs: number;
}

/** A missed renewal is a hiccup; evidence older than this no longer counts as live, ms. */
export function staleAfter(timings: StatusTimings): number {
  return 2 * timings.renewEveryMs + 500;
}

/** What a status document is made of. */
export interface AllEvidence {
  readonly moment: ReadMoment;
  readonly sweep: SweepRecord | null;
  readonly workers: readonly WorkerRecord[];
  readonly connections: readonly ConnectionEvidence[];
}

/**
 * What holds the connections, without whether anybody is answered: cheaper than {@link readStatus}.
 *
 * @throws TransientError or the client's own error when Redis does not answer
 */
export async function readHolding(client: RedisClient, keys: Keys, timings: StatusTimings): Promise<HoldingDocument> {
  return holdingOf(await readAllEvidence(client, keys, timings));
}

export function holdingOf({ moment, sweep, workers, connections }: AllEvidence): HoldingDocument {
  return {
    at: new Date(moment.now).toISOString(),
    scheduler: {
      lastSweepAgeMs: sweep === null ? null : Math.max(0, moment.now - sweep.at),
      worker: sweep?.worker ?? null,
    },
    workers: workers.map(
      ({ id, roles, connections: held, capacity, eventLoopLagMs, configRefused, restartNeeded, ...sharing }) => ({
        id,
        roles,
        connections: held,
        capacity,
        eventLoopLagMs,
        configRefused: configRefused ?? null,
        restartNeeded: restartNeeded ?? [],
        notSharing: notSharing(roles, sharing),
      }),
    ),
    connections: connections.map((one) => deriveConnection(one, moment)),
  };
}

function notSharing(
  roles: readonly string[],
  { takes = true, movesRefused = null }: Pick<WorkerRecord, 'takes' | 'movesRefused'>,
): string | null {
  if (!roles.includes('connections')) return null;
  return takes ? movesRefused : 'it cannot fetch connection jobs: others take what it could';
}

/** @throws TransientError or the client's own error when Redis does not answer */
export async function readAllEvidence(client: RedisClient, keys: Keys, timings: StatusTimings): Promise<AllEvidence> {
  const [now, sweep, workers, ids] = await Promise.all([
    redisNow(client),
    lastSweep(client, keys),
    listWorkers(client, keys),
    listConnectionIds(client, keys),
  ]);
  const stored = await readEvidence(client, keys, ids);
  const connections = await Promise.all(
    stored.flatMap((one) => {
      const { desired } = one;
      // Removed a moment ago.
      if (desired === null) return [];
      return unfitFor(client, keys, one, now).then((unfit): ConnectionEvidence => ({ ...one, desired, unfit }));
    }),
  );
  const moment = {
    now,
    nextSweepAt: sweep === null ? null : sweep.at + timings.sweepEveryMs,
    staleAfterMs: staleAfter(timings),
  };
  return { moment, sweep, workers, connections };
}

/** Why workers can't hold it; only asked where nobody does. */
async function unfitFor(client: RedisClient, keys: Keys, one: StoredEvidence, now: number): Promise<string[]> {
  const held = one.lease.owner !== null && one.lease.until > now;
  return held ? [] : await readUnfit(client, keys, one.id);
}
