/**
 * Wakes what a crash left asleep: between the step that stores messages (or parts) and the job that wakes their lane lies
 * a moment in which a process can die. Adding a job that exists is a no-op, so the sweep adds without asking.
 */
import type { Logger } from 'pino';
import type { ConnectionId } from '../model.ts';
import { listConnectionIds, redisNow } from '../state/desired.ts';
import type { Activation } from '../state/ingest.ts';
import type { Keys } from '../state/keys.ts';
import { addLaneJobs, type LaneKind, type LaneQueue } from '../state/lane-jobs.ts';
import type { RedisClient } from '../state/redis.ts';

export interface SweepLanesOptions {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly turns: LaneQueue;
  readonly deliveries: LaneQueue;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Lanes active for less are left to whoever woke them, ms. @defaultValue 2000 */
  readonly olderThanMs?: number;
  /** Lanes looked at per connection, kind and call; of more, another stretch each time. @defaultValue 1000 */
  readonly limit?: number;
}

const PAGE = 200;

/** @throws the client's errors, and the signal's reason; calling again is safe */
export async function sweepLanes(options: SweepLanesOptions): Promise<void> {
  const { redis, keys, turns, deliveries, signal, olderThanMs = 2_000 } = options;
  const before = (await redisNow(redis)) - olderThanMs;
  for (const id of await listConnectionIds(redis, keys)) {
    for (const [kind, queue] of [
      ['lane', turns],
      ['out', deliveries],
    ] as const) {
      signal.throwIfAborted();
      await sweepOne(options, id, kind, queue, before);
    }
  }
}

async function sweepOne(
  { redis, keys, signal, log, limit = 1_000 }: SweepLanesOptions,
  id: ConnectionId,
  kind: LaneKind,
  queue: LaneQueue,
  before: number,
): Promise<void> {
  const at = keys.connection(id);
  const active = kind === 'lane' ? at.activeLanes : at.activeOutboxes;
  const stateOf = kind === 'lane' ? at.laneState : at.outboxState;
  const count = await redis.zcount(active, '-inf', before);
  // By chance rather than by a bookmark: any scheduler may sweep, and in the end every lane has its turn.
  const start = count > limit ? Math.floor(Math.random() * (count - limit + 1)) : 0;
  const end = Math.min(count, start + limit);
  for (let from = start; from < end; from += PAGE) {
    signal.throwIfAborted();
    const lanes = await redis.zrangebyscore(active, '-inf', before, 'LIMIT', from, Math.min(PAGE, end - from));
    const states = await Promise.all(lanes.map((lane) => redis.hmget(stateOf(lane), 'active', 'activation')));
    const awake = lanes.flatMap((lane, index): Activation[] => {
      const [isActive, activation] = states[index] ?? [];
      return isActive === '1' ? [{ lane, activation: Number(activation) }] : [];
    });
    await addLaneJobs(queue, kind, id, awake);
    log.trace({ event: 'sweep.lanes', connection: id, kind, lanes: awake.length }, 'active lanes have their jobs');
  }
}
