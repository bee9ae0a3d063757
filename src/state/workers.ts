/** Which worker processes live, as they say themselves. For people and for fair shares; leases decide who holds what. */
import type { WorkerId } from '../model.ts';
import type { Keys } from './keys.ts';
import type { LatencyCounts } from './measurements.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const registerScript = loadScript('register-worker');

/** What became of a worker: it began, it left on purpose, or it is gone. */
export type WorkerEvent = 'joined' | 'drained' | 'died';

export interface WorkerLogEntry {
  /** Redis ms. */
  readonly at: number;
  readonly worker: string;
  readonly what: WorkerEvent;
}

/** The log keeps about this many entries. */
const LOG_KEPT = 1_000;

export interface WorkerReport {
  readonly roles: readonly string[];
  readonly connections: number;
  readonly capacity: number;
  readonly eventLoopLagMs: number;
  /** Tells two lives of the same `host/pid` apart. */
  readonly incarnation: string;
  readonly draining: boolean;
  /** Redis sees that it is subscribed to its channel: its absence means something. Earlier versions do not say. */
  readonly presence?: boolean;
  /** How often it renews what it holds, ms. */
  readonly renewEveryMs?: number;
  /** False while it can fetch no connection jobs; of an earlier version nothing is known. */
  readonly takes?: boolean;
  /** Why it gives nothing to other workers though it has more than its share; `null`: it does, or has not. */
  readonly movesRefused?: string | null;
  /** Why its configuration as it is now was refused; the one before goes on. */
  readonly configRefused?: string | null;
  /** Keys of its configuration whose new values wait for its restart. */
  readonly restartNeeded?: readonly string[];
  /** Of the role `agent`: how its agent does. */
  readonly agent?: AgentReport | null;
  /** Of the role `delivery`: connections whose last sends have all failed, the worst first. */
  readonly sending?: readonly SendingReport[];
}

/** What a process sees of the agent; its ages are of the moment of the report, ms. */
export interface AgentReport {
  readonly name: string;
  readonly kind: string;
  /** Turns that it works on for this process, and how many may be at a time. */
  readonly running: number;
  readonly places: number;
  /** Since the longest of them began; `null`: none runs. */
  readonly longestMs: number | null;
  /** A turn is given up after this. */
  readonly limitMs: number;
  /** Since it last answered; `null`: not since the process began. */
  readonly answeredMs: number | null;
  /** What came instead of answers since the last one; `null`: an answer, or nothing yet. */
  readonly failing: {
    /** Out of reach or not in time; a no; an error of its own. */
    readonly kind: 'away' | 'refuses' | 'fails';
    readonly reason: string;
    readonly status: number | null;
    /** In a row. */
    readonly count: number;
    /** Since the first and since the last of them. */
    readonly forMs: number;
    readonly agoMs: number;
  } | null;
}

/** Sends of one connection that failed one after the other, as one process sees it. */
export interface SendingReport {
  readonly connection: string;
  readonly count: number;
  /** Of the last one. */
  readonly code: string;
  readonly reason: string;
  /** Since the first and since the last of them, ms. */
  readonly forMs: number;
  readonly agoMs: number;
}

export interface WorkerRecord extends WorkerReport {
  readonly id: WorkerId;
  /** Redis ms. */
  readonly at: number;
  /** The clock of its host at about the same time, ms since the epoch. */
  readonly wallAt: number;
}

/**
 * @param forgetAfterMs - a worker silent for longer is no longer listed
 * @param latencies - what it measured since its last report; without an answer it is unknown whether they are counted
 * @param first - its first report: it has joined
 * @returns Redis ms
 */
export async function reportWorker(
  client: RedisClient,
  keys: Keys,
  id: WorkerId,
  report: WorkerReport,
  forgetAfterMs: number,
  latencies: LatencyCounts = new Map(),
  first = false,
): Promise<number> {
  const now = await runScript(
    client,
    registerScript,
    [keys.workers, keys.worker(id), keys.latencies, keys.workerLog],
    [id, JSON.stringify({ ...report, wallAt: Date.now() }), forgetAfterMs, first ? '1' : '', ...[...latencies].flat()],
  );
  return Number(now);
}

/** Safe to repeat: only the first call is noted. */
export async function forgetWorker(
  client: RedisClient,
  keys: Keys,
  id: WorkerId,
  because: 'drained' | 'died',
): Promise<void> {
  const known = await client.zrem(keys.workers, id);
  await client.del(keys.worker(id));
  if (known === 0) return;
  await client.xadd(keys.workerLog, 'MAXLEN', '~', LOG_KEPT, '*', 'worker', id, 'what', because);
}

/** What happened after `since` (Redis ms), oldest first. @throws the client's errors */
export async function readWorkerLog(client: RedisClient, keys: Keys, since: number): Promise<WorkerLogEntry[]> {
  const entries = await client.xrevrange(keys.workerLog, '+', String(since), 'COUNT', LOG_KEPT);
  return entries
    .map(([id, fields]) => ({
      at: Number(id.split('-')[0]),
      worker: fields[1] ?? '',
      what: fields[3] as WorkerEvent,
    }))
    .reverse();
}

export async function listWorkers(client: RedisClient, keys: Keys): Promise<WorkerRecord[]> {
  return await readWorkers(client, keys, (await client.zrange(keys.workers, '0', '-1')) as WorkerId[]);
}

/** What these said of themselves last, also when that is a while ago. Those that said nothing within a lease are left out. */
export async function readWorkers(client: RedisClient, keys: Keys, ids: readonly WorkerId[]): Promise<WorkerRecord[]> {
  const records = await Promise.all(
    ids.map(async (id): Promise<WorkerRecord | null> => {
      const [at, body] = await client.hmget(keys.worker(id), 'at', 'body');
      if (at == null || body == null) return null;
      // Workers of an earlier version don't tell their clock.
      return { id, at: Number(at), wallAt: Number(at), ...(JSON.parse(body) as WorkerReport & { wallAt?: number }) };
    }),
  );
  return records.filter((record) => record !== null);
}
