/** Fences everything one worker process held: called by the parent that saw it end. Idempotent. */
import type { Queue } from 'bullmq';
import type { Logger } from 'pino';
import { explain } from '../errors.ts';
import { observeJobs, takeJobBack } from '../state/connection-jobs.ts';
import { listConnectionIds } from '../state/desired.ts';
import type { Keys } from '../state/keys.ts';
import { declareDead, parseLease } from '../state/leases.ts';
import type { ConnectionJobData } from '../state/queues.ts';
import type { RedisClient } from '../state/redis.ts';
import { workerGone } from '../state/worker-gone.ts';

export interface DeclareDeadDeps {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly queue: Queue<ConnectionJobData>;
  readonly log: Logger;
}

/** Never throws: what it leaves undone, the next sweep finds. */
export async function declareWorkerDead(
  deps: DeclareDeadDeps,
  identity: { readonly worker: string; readonly incarnation: string },
  reason: string,
): Promise<void> {
  const { client, keys, queue, log } = deps;
  try {
    await workerGone(client, keys, identity);
    const ids = await listConnectionIds(client, keys);
    const leases = await Promise.all(
      ids.map(async (id) => ({ id, lease: parseLease(await client.hgetall(keys.connection(id).lease)) })),
    );
    const held = leases.filter(
      ({ lease }) => lease.owner === identity.worker && lease.incarnation === identity.incarnation,
    );
    for (const { id, lease } of held) {
      if (lease.token === null || !(await declareDead(client, keys, id, lease.token, reason))) continue;
      const fields = { connection: id, worker: identity.worker, fencingToken: lease.token, reason };
      log.warn({ event: 'declare-dead', ...fields }, 'holder declared dead by its parent');
    }
    const jobs = await observeJobs(client, queue, ids);
    for (const [id, job] of jobs) {
      if (job.lockToken?.startsWith(`${identity.worker}.${identity.incarnation}-`)) {
        await takeJobBack(queue, id, job.lockToken);
      }
    }
  } catch (error) {
    log.warn({ event: 'declare-dead-failed', reason: explain(error) }, 'left to the next sweep');
  }
}
