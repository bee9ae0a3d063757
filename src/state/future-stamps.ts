/**
 * Instants that Redis keeps are instants of its wall clock. Set that clock back by an hour, and what was to be tried again
 * in ten seconds stands an hour and ten seconds in the future. Nothing may stand further ahead than its longest legal life,
 * so whoever looks can see it, also one who was not there when the clock was set.
 *
 * Leases, locks, permits, pauses and postponed turns are not cut here but by whoever reads them.
 */
import type { ConnectionId } from '../model.ts';
import { PLACEMENT_MS } from './desired.ts';
import { inChunks } from './evidence.ts';
import { HOST_REFUSED_MS, UNFIT_MS } from './fitness.ts';
import { cutLongLocks, type LockedQueue } from './job-locks.ts';
import type { Keys } from './keys.ts';
import { LONGEST_RESTART_DELAY_MS } from './leases.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const cutFuturesScript = loadScript('cut-futures');

export interface LongestLives {
  /** Between two probes of a parked connection, ms. */
  readonly probeEveryMs: number;
  /** Between two of BullMQ's checks for stalled jobs, ms. */
  readonly stalledEveryMs: number;
}

/**
 * Safe to repeat and to race.
 *
 * @returns how many instants were cut
 * @throws the client's errors
 */
export async function cutFutures(
  client: RedisClient,
  keys: Keys,
  ids: readonly ConnectionId[],
  queues: readonly Pick<LockedQueue, 'toKey'>[],
  { probeEveryMs, stalledEveryMs }: LongestLives,
): Promise<number> {
  const longest = [LONGEST_RESTART_DELAY_MS, probeEveryMs, PLACEMENT_MS, UNFIT_MS, HOST_REFUSED_MS];
  const cuts = await inChunks(ids, async (some) => {
    const scriptKeys = some.flatMap((id) => {
      const at = keys.connection(id);
      return [at.activeLanes, at.activeOutboxes, at.restarts, at.parked, at.wishes, at.unfit, at.unfitHosts];
    });
    return [Number(await runScript(client, cutFuturesScript, scriptKeys, longest))];
  });
  // BullMQ keeps the pace of its own check by the expiry of this key.
  await cutLongLocks(
    client,
    queues.map((queue) => queue.toKey('stalled-check')),
    stalledEveryMs,
  );
  return cuts.reduce((sum, cut) => sum + cut, 0);
}
