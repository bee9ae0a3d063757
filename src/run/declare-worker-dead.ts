/**
 * Fences everything one worker process held: called by the parent that saw it end. Idempotent. Connections do not wait for
 * one another, and there may be hundreds of them. What one waits for is counted in round trips to Redis, three here until its
 * job is back: on a busy machine each costs a turn of both processes, and they add up to most of a takeover.
 */
import type { Queue } from 'bullmq';
import type { Logger } from 'pino';
import { explain } from '../errors.ts';
import type { ConnectionId } from '../model.ts';
import { findJob, observeJobs, takeJobBack } from '../state/connection-jobs.ts';
import { listConnectionIds } from '../state/desired.ts';
import { putBack } from '../state/job-locks.ts';
import type { Keys } from '../state/keys.ts';
import { declareDead, type LeaseRecord, parseLease } from '../state/leases.ts';
import type { ConnectionJobData } from '../state/queues.ts';
import type { RedisClient } from '../state/redis.ts';
import { workerGone } from '../state/worker-gone.ts';

export interface DeclareDeadDeps {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly queue: Queue<ConnectionJobData>;
  /** Those of our own configuration: looked at without asking first which there are. */
  readonly configured: readonly ConnectionId[];
  readonly log: Logger;
}

interface Identity {
  readonly worker: string;
  readonly incarnation: string;
}

/** Never throws: what it leaves undone, the next sweep finds. */
export async function declareWorkerDead(deps: DeclareDeadDeps, identity: Identity, reason: string): Promise<void> {
  const { client, keys, queue, configured, log } = deps;
  try {
    // Beside the rest: its siblings have room for some of its connections before they hear of their greater share.
    const telling = workerGone(client, keys, identity);
    telling.catch(() => undefined); // Awaited below; what fails before must not leave this one unhandled.
    const [ids] = await Promise.all([listConnectionIds(client, keys), takeAll(deps, configured, identity, reason)]);
    const others = ids.filter((id) => !configured.includes(id));
    await takeAll(deps, others, identity, reason);
    await telling;
    // What it had fetched and not yet claimed, and what an earlier call left half done.
    const jobs = await observeJobs(client, queue, ids);
    const own = `${identity.worker}.${identity.incarnation}-`;
    await Promise.all(
      [...jobs].map(async ([id, { lockToken }]) => {
        if (lockToken?.startsWith(own)) await takeJobBack(queue, id, lockToken);
      }),
    );
  } catch (error) {
    log.warn({ event: 'declare-dead-failed', reason: explain(error) }, 'left to the next sweep');
  }
}

/** For a worker that held no connection: it is no longer listed. Never throws. */
export async function strikeOff({ client, keys, log }: DeclareDeadDeps, identity: Identity): Promise<void> {
  await workerGone(client, keys, identity).catch((error: unknown) => {
    log.debug({ reason: explain(error) }, 'a dead worker is listed until its report has aged out');
  });
}

/** All of these that the dead worker held. */
async function takeAll(
  deps: DeclareDeadDeps,
  ids: readonly ConnectionId[],
  { worker, incarnation }: Identity,
  reason: string,
): Promise<void> {
  const { client, keys } = deps;
  await Promise.all(
    ids.map(async (id) => {
      const lease = parseLease(await client.hgetall(keys.connection(id).lease));
      if (lease.owner === worker && lease.incarnation === incarnation) await takeAway(deps, id, lease, reason);
    }),
  );
}

/** The lease first: whoever gets the job next could not claim it otherwise. */
async function takeAway(deps: DeclareDeadDeps, id: ConnectionId, lease: LeaseRecord, reason: string): Promise<void> {
  const { client, keys, queue, log } = deps;
  const { owner, token, jobToken } = lease;
  if (token === null) return;
  const [fenced, job] = await Promise.all([declareDead(client, keys, id, token, reason), findJob(queue, id)]);
  if (!fenced) return;
  if (jobToken !== null) await putBack(job, jobToken);
  const fields = { connection: id, worker: owner, fencingToken: token, reason };
  log.warn({ event: 'declare-dead', ...fields }, 'holder declared dead by its parent');
}
