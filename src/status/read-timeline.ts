/** Reads what the last day of every connection is made of. */
import { listConnectionIds, redisNow } from '../state/desired.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import type { StatusTimings } from './read.ts';
import { STEP_MS, type TimelineDocument } from './timeline.ts';

/** @throws the client's errors */
export async function readTimeline(
  client: RedisClient,
  keys: Keys,
  _timings: StatusTimings,
  hours: number,
): Promise<TimelineDocument> {
  const [now, ids] = await Promise.all([redisNow(client), listConnectionIds(client, keys)]);
  const from = Math.floor((now - hours * 3_600_000) / STEP_MS) * STEP_MS;
  const steps = Math.ceil((now - from) / STEP_MS);
  const iso = (at: number) => new Date(at).toISOString();
  return {
    at: iso(now),
    fromAt: iso(from),
    stepMs: STEP_MS,
    connections: ids.map((id) => ({
      id,
      spans: [{ from: iso(from), to: iso(now), state: 'unknown' }],
      marks: [],
      messagesPerMinute: new Array<null>(steps).fill(null),
    })),
    deploys: [],
  };
}
