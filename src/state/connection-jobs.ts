/**
 * The BullMQ side of a connection: whether its job exists, where it is, and whose lock it has. Read in a handful of
 * commands for all connections, since every scheduler looks every second.
 */
import type { Job, Queue } from 'bullmq';
import type { ConnectionId, WorkerId } from '../model.ts';
import { lockKey, putBack } from './job-locks.ts';
import type { ConnectionJobData } from './queues.ts';
import type { RedisClient } from './redis.ts';

export type JobPlace = 'absent' | 'waiting' | 'delayed' | 'active' | 'ended';

export interface JobRecord {
  readonly place: JobPlace;
  /** Token of the lock an active job has; `null` when it ran out or the job is not active. */
  readonly lockToken: string | null;
  /** False for a job hash that lost its data: nobody can run it. */
  readonly intact: boolean;
}

const ABSENT: JobRecord = { place: 'absent', lockToken: null, intact: true };

/** The worker a job token was made by: `<worker>.<incarnation>-<n>`. */
export function workerOfJobToken(token: string): { worker: WorkerId; incarnation: string } | null {
  const match = /^(.*)\.([^.-]+)-\d+$/.exec(token);
  return match === null ? null : { worker: match[1] as WorkerId, incarnation: String(match[2]) };
}

export async function observeJobs(
  client: RedisClient,
  queue: Queue<ConnectionJobData>,
  ids: readonly ConnectionId[],
): Promise<Map<ConnectionId, JobRecord>> {
  const [waiting, paused, active, delayed, prioritized, completed, failed] = await Promise.all([
    client.lrange(queue.toKey('wait'), 0, -1),
    client.lrange(queue.toKey('paused'), 0, -1),
    client.lrange(queue.toKey('active'), 0, -1),
    client.zrange(queue.toKey('delayed'), '0', '-1'),
    client.zrange(queue.toKey('prioritized'), '0', '-1'),
    client.zrange(queue.toKey('completed'), '0', '-1'),
    client.zrange(queue.toKey('failed'), '0', '-1'),
  ]);
  const places = new Map<string, JobPlace>();
  for (const id of [...completed, ...failed]) places.set(id, 'ended');
  for (const id of delayed) places.set(id, 'delayed');
  for (const id of [...waiting, ...paused, ...prioritized]) places.set(id, 'waiting');
  for (const id of active) places.set(id, 'active');

  const locks = await readLocks(
    client,
    queue,
    ids.filter((id) => places.get(id) === 'active'),
  );
  const records = new Map<ConnectionId, JobRecord>();
  await Promise.all(
    ids.map(async (id) => {
      const place = places.get(id);
      if (place === 'active') {
        // Whoever has it fetched its data already.
        records.set(id, { place, lockToken: locks.get(id) ?? null, intact: true });
        return;
      }
      const data = await client.hget(queue.toKey(id), 'data');
      if (place === undefined) {
        // A hash in no list would swallow every add of the same id.
        const orphan = data !== null || (await client.exists(queue.toKey(id))) === 1;
        records.set(id, orphan ? { place: 'ended', lockToken: null, intact: data !== null } : ABSENT);
        return;
      }
      records.set(id, { place, lockToken: null, intact: data !== null && data !== '{}' });
    }),
  );
  return records;
}

async function readLocks(
  client: RedisClient,
  queue: Queue<ConnectionJobData>,
  ids: readonly ConnectionId[],
): Promise<Map<ConnectionId, string | null>> {
  if (ids.length === 0) return new Map();
  const locks = await client.mget(ids.map((id) => lockKey(queue, id)));
  return new Map(ids.map((id, n) => [id, locks[n] ?? null]));
}

/** The atomic "ensure": does nothing when a job with this id exists, in whatever state. */
export async function ensureJob(queue: Queue<ConnectionJobData>, id: ConnectionId, delayMs = 0): Promise<void> {
  await queue.add('hold', { connectionId: id }, { jobId: id, delay: delayMs });
}

/** Removes a job that ended or lost its data, so that it can be added anew. Does nothing while it is locked. */
export async function clearJob(queue: Queue<ConnectionJobData>, id: ConnectionId): Promise<void> {
  await queue.remove(id);
}

/**
 * Takes an active job from the worker whose lock token was observed and puts it back in the queue.
 *
 * @returns false when the lock had changed hands or run out: then it is no longer ours to move
 */
export async function takeJobBack(
  queue: Queue<ConnectionJobData>,
  id: ConnectionId,
  lockToken: string,
): Promise<boolean> {
  return await putBack(await findJob(queue, id), lockToken);
}

/** The handle that `putBack` needs; asked for beside something else it costs no round trip of its own. */
export async function findJob(
  queue: Queue<ConnectionJobData>,
  id: ConnectionId,
): Promise<Job<ConnectionJobData> | undefined> {
  return await queue.getJob(id);
}
