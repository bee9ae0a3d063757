/** Reads, in one go, everything alerts are judged by. No decisions here. */
import { connectionId } from '../model.ts';
import { countDeadLetters } from '../state/alerts.ts';
import { readBudgets } from '../state/budget.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import { readRedisFacts } from '../state/redis-facts.ts';
import { listWorkers, type WorkerRecord } from '../state/workers.ts';
import type { StatusTimings } from '../status/read.ts';
import { readStatus } from '../status/read-status.ts';
import type { Observed } from './alert.ts';

/** @throws TransientError or the client's own error when Redis does not answer */
export async function observe(client: RedisClient, keys: Keys, timings: StatusTimings): Promise<Observed> {
  const [status, redis, workers] = await Promise.all([
    readStatus(client, keys, timings),
    readRedisFacts(client),
    listWorkers(client, keys),
  ]);
  const ids = status.connections.map(({ id }) => connectionId(id));
  const [dead, budgets] = await Promise.all([
    countDeadLetters(client, keys, ids),
    readBudgets(client, keys, Date.parse(status.at)),
  ]);
  return {
    status,
    deadLetters: new Map(ids.map((id, index) => [id, dead[index] ?? 0])),
    redis,
    budgets,
    clocks: clocksOf(workers),
  };
}

/** `<host>/<pid>`: processes of one host share its clock. */
function clocksOf(workers: readonly WorkerRecord[]): Observed['clocks'] {
  const hosts = new Map(workers.map(({ id, at, wallAt }) => [id.slice(0, id.lastIndexOf('/')), wallAt - at]));
  return [...hosts].map(([host, aheadMs]) => ({ host, aheadMs }));
}
