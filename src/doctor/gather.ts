/** Reads from Redis, in one go, everything that is judged. Writes nothing. */
import type { ChatWay } from '../run/alerts.ts';
import { type BudgetUse, readBudgets } from '../state/budget.ts';
import { type DesiredConnection, redisNow } from '../state/desired.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import { type RedisSetup, readRedisSetup } from '../state/redis-setup.ts';
import { listRuntimeConnections } from '../state/runtime-connections.ts';
import { listWorkers } from '../state/workers.ts';
import type { StatusDocument } from '../status/document.ts';
import type { StatusTimings } from '../status/read.ts';
import { readStatus } from '../status/read-status.ts';

export interface Evidence {
  readonly status: StatusDocument;
  readonly redis: RedisSetup;
  readonly budgets: readonly BudgetUse[];
  readonly addedAtRunTime: readonly DesiredConnection[];
  readonly roundTripMs: number;
  /** This host's clock less Redis's, ms; off by half a round trip at most. */
  readonly aheadMs: number;
  readonly clocks: readonly { readonly worker: string; readonly aheadMs: number }[];
  /** For alerts that go through a chat; `null`: none is to be sent. */
  readonly chatWay: ChatWay | null;
}

/** @throws the client's errors */
export async function gather(
  client: RedisClient,
  keys: Keys,
  timings: StatusTimings,
  chatWay: ChatWay | null,
): Promise<Evidence> {
  // The first call pays for loading and warming up.
  await client.ping();
  const askedAt = performance.now();
  const now = await redisNow(client);
  const roundTripMs = performance.now() - askedAt;
  const aheadMs = Date.now() - roundTripMs / 2 - now;
  const [status, redis, budgets, addedAtRunTime, workers] = await Promise.all([
    readStatus(client, keys, timings),
    readRedisSetup(client),
    readBudgets(client, keys, now),
    listRuntimeConnections(client, keys),
    listWorkers(client, keys),
  ]);
  const clocks = workers.map(({ id, at, wallAt }) => ({ worker: id, aheadMs: wallAt - at }));
  return { status, redis, budgets, addedAtRunTime, roundTripMs, aheadMs, clocks, chatWay };
}
