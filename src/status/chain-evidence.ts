/** Reads what the chain is judged by, in a bounded number of calls however many connections there are. No decisions here. */
import {
  type Backlog,
  type LaneStanding,
  type OutboxStanding,
  readBacklogs,
  readLaneStandings,
  readOutboxStandings,
  type Waiting,
} from '../state/backlog.ts';
import { type DataLoss, readLoss } from '../state/data-loss.ts';
import type { Keys } from '../state/keys.ts';
import { type QueueChange, type QueueSettings, readQueueChanges, readQueueSettings } from '../state/queue-settings.ts';
import type { RedisClient } from '../state/redis.ts';
import { type RedisFacts, readRedisFacts } from '../state/redis-facts.ts';
import { readWorkerLog, type WorkerLogEntry } from '../state/workers.ts';
import { type AllEvidence, readAllEvidence, type StatusTimings } from './read.ts';
import { RECENT_MS, ROLE_MISSING_MS } from './thresholds.ts';

export interface ChainEvidence extends AllEvidence {
  /** `null`: Redis does not let us ask. */
  readonly redis: RedisFacts | null;
  /** Redis has less than was there, and nobody has accepted it. @defaultValue nothing is missing */
  readonly dataLoss?: DataLoss | null;
  readonly queues: readonly QueueSettings[];
  /** Within {@link RECENT_MS}, newest first. */
  readonly queueChanges: readonly QueueChange[];
  readonly backlogs: ReadonlyMap<string, Backlog>;
  /** By connection, those that wait for a while already, a few of each. */
  readonly lanes: ReadonlyMap<string, readonly LaneStanding[]>;
  readonly outboxes: ReadonlyMap<string, readonly OutboxStanding[]>;
  /** Who joined or left within {@link ROLE_MISSING_MS}; only read where a role is missing. */
  readonly workerLog: readonly WorkerLogEntry[];
}

/** Younger ones are under way, ms. */
const LOOKED_AT_FROM_MS = 5_000;

/** @throws the client's errors */
export async function readChainEvidence(
  client: RedisClient,
  keys: Keys,
  timings: StatusTimings,
): Promise<ChainEvidence> {
  const evidence = await readAllEvidence(client, keys, timings);
  const { now } = evidence.moment;
  const ids = evidence.connections.map(({ desired }) => desired.id);
  const [redis, dataLoss, settings, queueChanges, backlogs, workerLog] = await Promise.all([
    allowed(readRedisFacts(client)),
    readLoss(client, keys),
    allowed(readQueueSettings(client, keys)),
    readQueueChanges(client, keys, now - RECENT_MS),
    readBacklogs(client, keys, ids, now),
    isComplete(evidence) ? [] : readWorkerLog(client, keys, now - ROLE_MISSING_MS),
  ]);
  const old = (of: 'oldestLanes' | 'oldestOutboxes') =>
    backlogs.flatMap(({ id, [of]: oldest }) => oldest.filter((one) => isOld(one, now)).map((one) => ({ ...one, id })));
  const [lanes, outboxes] = await Promise.all([
    readLaneStandings(client, keys, old('oldestLanes')),
    readOutboxStandings(client, keys, old('oldestOutboxes')),
  ]);
  return {
    ...evidence,
    redis,
    dataLoss,
    queues: settings?.queues ?? [],
    queueChanges,
    backlogs: new Map(backlogs.map((one) => [one.id, one])),
    lanes: byConnection(lanes),
    outboxes: byConnection(outboxes),
    workerLog,
  };
}

function isOld({ at }: Waiting, now: number): boolean {
  return now - at >= LOOKED_AT_FROM_MS;
}

function byConnection<T extends { readonly id: string }>(all: readonly T[]): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const one of all) {
    const known = found.get(one.id);
    if (known === undefined) found.set(one.id, [one]);
    else known.push(one);
  }
  return found;
}

function isComplete({ workers }: AllEvidence): boolean {
  return ['agent', 'delivery'].every((role) => workers.some(({ roles }) => roles.includes(role)));
}

/** A user of Redis without the right to ask sees less, and not nothing. */
async function allowed<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('NOPERM')) return null;
    throw error;
  }
}
