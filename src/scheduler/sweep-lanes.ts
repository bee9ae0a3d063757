/**
 * Wakes what a crash left asleep: between the step that stores messages (or parts) and the job that wakes their lane lies
 * a moment in which a process can die. Most lanes that are old are merely busy and have their job, so that is asked
 * first, many at once; adding one that exists would be a no-op, but a dear one.
 */
import type { Logger } from 'pino';
import type { ConnectionId } from '../model.ts';
import { listConnectionIds, redisNow } from '../state/desired.ts';
import { countBefore, readFields } from '../state/evidence.ts';
import type { Activation } from '../state/ingest.ts';
import type { Keys } from '../state/keys.ts';
import { addLaneJobs, type LaneKind, type LaneQueue, laneJobId } from '../state/lane-jobs.ts';
import type { RedisClient } from '../state/redis.ts';

export interface SweptQueue extends LaneQueue {
  /** The Redis key of a job. */
  toKey(jobId: string): string;
}

export interface SweepLanesOptions {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly turns: SweptQueue;
  readonly deliveries: SweptQueue;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** What the same sweep read already. @defaultValue it is read */
  readonly sight?: { readonly redisNow: number; readonly connections: readonly { readonly id: ConnectionId }[] };
  /** Lanes active for less are left to whoever woke them, ms. @defaultValue 2000 */
  readonly olderThanMs?: number;
  /** Lanes looked at per connection, kind and call; of more, another stretch each time. @defaultValue 1000 */
  readonly limit?: number;
}

const PAGE = 200;

/** @throws the client's errors, and the signal's reason; calling again is safe */
export async function sweepLanes(options: SweepLanesOptions): Promise<void> {
  const { redis, keys, turns, deliveries, signal, olderThanMs = 2_000 } = options;
  const before = (options.sight?.redisNow ?? (await redisNow(redis))) - olderThanMs;
  const ids = options.sight?.connections.map(({ id }) => id) ?? (await listConnectionIds(redis, keys));
  for (const [kind, queue] of [
    ['lane', turns],
    ['out', deliveries],
  ] as const) {
    // One look at all of them: most connections have no old lane, and their number must not be paid in round trips.
    const active = ids.map((id) => activeOf(keys, id, kind));
    const counts = await countBefore(redis, active, before);
    for (const [index, id] of ids.entries()) {
      signal.throwIfAborted();
      const count = counts[index] ?? 0;
      if (count > 0) await sweepOne(options, { id, kind, queue, before, count });
    }
  }
}

function activeOf(keys: Keys, id: ConnectionId, kind: LaneKind): string {
  const { activeLanes, activeOutboxes } = keys.connection(id);
  return kind === 'lane' ? activeLanes : activeOutboxes;
}

interface OldLanes {
  readonly id: ConnectionId;
  readonly kind: LaneKind;
  readonly queue: SweptQueue;
  /** Redis ms: those activated earlier. */
  readonly before: number;
  readonly count: number;
}

async function sweepOne(
  { redis, keys, signal, log, limit = 1_000 }: SweepLanesOptions,
  { id, kind, queue, before, count }: OldLanes,
): Promise<void> {
  const at = keys.connection(id);
  const active = activeOf(keys, id, kind);
  const stateOf = (lane: string) => (kind === 'lane' ? at.laneState(lane) : at.outboxState(lane));
  // By chance rather than by a bookmark: any scheduler may sweep, and in the end every lane has its turn.
  const start = count > limit ? Math.floor(Math.random() * (count - limit + 1)) : 0;
  const end = Math.min(count, start + limit);
  for (let from = start; from < end; from += PAGE) {
    signal.throwIfAborted();
    const lanes = await redis.zrangebyscore(active, '-inf', before, 'LIMIT', from, Math.min(PAGE, end - from));
    const states = await readFields(redis, lanes.map(stateOf), ['active', 'activation']);
    const awake = lanes.flatMap((lane, index): Activation[] => {
      const [isActive, activation] = states[index] ?? [];
      return isActive === '1' ? [{ lane, activation: Number(activation) }] : [];
    });
    const jobKeys = awake.map((activation) => queue.toKey(laneJobId(kind, activation)));
    const jobs = await readFields(redis, jobKeys, ['data']);
    const asleep = awake.filter((_, index) => jobs[index]?.[0] == null);
    await addLaneJobs(queue, kind, id, asleep);
    log.trace({ event: 'sweep.lanes', connection: id, kind, lanes: asleep.length }, 'active lanes have their jobs');
  }
}
