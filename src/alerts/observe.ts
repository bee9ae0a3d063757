/** Reads, in one go, everything alerts are judged by. No decisions here. */
import { readBudgets } from '../state/budget.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import type { WorkerRecord } from '../state/workers.ts';
import { readChainEvidence } from '../status/chain-evidence.ts';
import type { StatusTimings } from '../status/read.ts';
import { statusOf } from '../status/read-status.ts';
import type { Observed } from './alert.ts';

/** @throws TransientError or the client's own error when Redis does not answer */
export async function observe(client: RedisClient, keys: Keys, timings: StatusTimings): Promise<Observed> {
  const evidence = await readChainEvidence(client, keys, timings);
  const dead = evidence.connections.map(
    ({ desired, counters }) => [desired.id, Number(counters.deadLetters ?? 0)] as const,
  );
  return {
    status: statusOf(evidence),
    deadLetters: new Map(dead),
    redis: evidence.redis,
    budgets: await readBudgets(client, keys, evidence.moment.now),
    clocks: clocksOf(evidence.workers),
  };
}

/** `<host>/<pid>`: processes of one host share its clock. */
function clocksOf(workers: readonly WorkerRecord[]): Observed['clocks'] {
  const hosts = new Map(workers.map(({ id, at, wallAt }) => [id.slice(0, id.lastIndexOf('/')), wallAt - at]));
  return [...hosts].map(([host, aheadMs]) => ({ host, aheadMs }));
}
