/** The scheduler's own heartbeat: who judged last, and when. */
import type { WorkerId } from '../model.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const recordSweepScript = loadScript('record-sweep');

/** Sweeps take 10 s at most; when none came for longer than this, nobody watched, ms. */
export const UNWATCHED_AFTER_MS = 15_000;

export interface SweepRecord {
  readonly worker: string;
  /** Redis ms. */
  readonly at: number;
}

export async function recordSweep(client: RedisClient, keys: Keys, worker: WorkerId): Promise<void> {
  await runScript(client, recordSweepScript, [keys.scheduler, keys.sweepGaps], [worker, UNWATCHED_AFTER_MS]);
}

/** A time in which no scheduler swept, Redis ms. */
export interface SweepGap {
  readonly from: number;
  readonly to: number;
}

/** More are not looked at: with so many, the day is full of holes anyway. */
const GAPS_READ = 500;

/** Those that ended after `since`, oldest first. @throws the client's errors */
export async function readSweepGaps(client: RedisClient, keys: Keys, since: number): Promise<SweepGap[]> {
  const entries = await client.xrevrange(keys.sweepGaps, '+', String(since), 'COUNT', GAPS_READ);
  return entries.map(([, fields]) => ({ from: Number(fields[1]), to: Number(fields[3]) })).reverse();
}

export async function lastSweep(client: RedisClient, keys: Keys): Promise<SweepRecord | null> {
  const [worker, at] = await client.hmget(keys.scheduler, 'worker', 'at');
  return worker == null || at == null ? null : { worker, at: Number(at) };
}
