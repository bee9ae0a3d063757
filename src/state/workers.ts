/** Which worker processes live, as they say themselves. For people and for fair shares; leases decide who holds what. */
import type { WorkerId } from '../model.ts';
import type { Keys } from './keys.ts';
import type { LatencyCounts } from './measurements.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const registerScript = loadScript('register-worker');

export interface WorkerReport {
  readonly roles: readonly string[];
  readonly connections: number;
  readonly capacity: number;
  readonly eventLoopLagMs: number;
  /** Tells two lives of the same `host/pid` apart. */
  readonly incarnation: string;
  readonly draining: boolean;
  /** Why its configuration as it is now was refused; the one before goes on. */
  readonly configRefused?: string | null;
  /** Keys of its configuration whose new values wait for its restart. */
  readonly restartNeeded?: readonly string[];
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
 */
export async function reportWorker(
  client: RedisClient,
  keys: Keys,
  id: WorkerId,
  report: WorkerReport,
  forgetAfterMs: number,
  latencies: LatencyCounts = new Map(),
): Promise<void> {
  await runScript(
    client,
    registerScript,
    [keys.workers, keys.worker(id), keys.latencies],
    [id, JSON.stringify({ ...report, wallAt: Date.now() }), forgetAfterMs, ...[...latencies].flat()],
  );
}

export async function forgetWorker(client: RedisClient, keys: Keys, id: WorkerId): Promise<void> {
  await client.zrem(keys.workers, id);
  await client.del(keys.worker(id));
}

export async function listWorkers(client: RedisClient, keys: Keys): Promise<WorkerRecord[]> {
  const ids = (await client.zrange(keys.workers, '0', '-1')) as WorkerId[];
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
