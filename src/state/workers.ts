/** Which worker processes live, as they say themselves. For people and for fair shares; leases decide who holds what. */
import type { WorkerId } from '../model.ts';
import type { Keys } from './keys.ts';
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
}

export interface WorkerRecord extends WorkerReport {
  readonly id: WorkerId;
  /** Redis ms. */
  readonly at: number;
}

/** @param forgetAfterMs - a worker silent for longer is no longer listed */
export async function reportWorker(
  client: RedisClient,
  keys: Keys,
  id: WorkerId,
  report: WorkerReport,
  forgetAfterMs: number,
): Promise<void> {
  await runScript(client, registerScript, [keys.workers, keys.worker(id)], [id, JSON.stringify(report), forgetAfterMs]);
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
      return { id, at: Number(at), ...(JSON.parse(body) as WorkerReport) };
    }),
  );
  return records.filter((record) => record !== null);
}
