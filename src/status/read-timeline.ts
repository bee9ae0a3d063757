/** Reads what the last hours of every connection are made of, and makes the timeline of it. */
import { setImmediate } from 'node:timers/promises';
import { readDays, readGaps } from '../state/days.ts';
import type { Keys } from '../state/keys.ts';
import { MINUTE_MS } from '../state/minutes.ts';
import type { RedisClient } from '../state/redis.ts';
import { readSweepGaps, type SweepGap, type SweepRecord, UNWATCHED_AFTER_MS } from '../state/sweeps.ts';
import { readWorkerLog } from '../state/workers.ts';
import { timelineOf } from './connection-timeline.ts';
import { stateOf } from './derive.ts';
import { readAllEvidence, type StatusTimings } from './read.ts';
import type { ConnectionTimeline, TimelineDocument } from './timeline.ts';
import { timelineState } from './timeline-state.ts';

const HOUR_MS = 3_600_000;
/** After so many connections others get a turn of the event loop. */
const AT_ONCE = 25;

export interface TimelineScope {
  readonly hours: number;
  /** `null`: all of them. */
  readonly connection: string | null;
}

/** @throws the client's errors */
export async function readTimeline(
  client: RedisClient,
  keys: Keys,
  timings: StatusTimings,
  { hours, connection }: TimelineScope,
): Promise<TimelineDocument> {
  const { moment, sweep, connections } = await readAllEvidence(client, keys, timings);
  const { now } = moment;
  const from = Math.floor((now - hours * HOUR_MS) / MINUTE_MS) * MINUTE_MS;
  const shown = connections.filter(({ desired: { id } }) => connection === null || id === connection);
  const ids = shown.map(({ desired: { id } }) => id);
  const lossy = shown.filter(({ counters }) => Number(counters.gaps ?? 0) > 0).map(({ desired: { id } }) => id);
  const [days, gaps, unwatched, deploys] = await Promise.all([
    readDays(client, keys, ids, from),
    readGaps(client, keys, lossy, from),
    readSweepGaps(client, keys, from),
    readWorkerLog(client, keys, from),
  ]);
  const gapsOf = new Map(lossy.map((id, n) => [id, gaps[n] ?? []]));
  const day = { now, from, unwatched: [...unwatched, ...sinceLastSweep(sweep, now)] };
  const timelines: ConnectionTimeline[] = [];
  for (const [n, evidence] of shown.entries()) {
    if (n % AT_ONCE === AT_ONCE - 1) await setImmediate();
    const { id } = evidence.desired;
    const present = {
      state: timelineState(stateOf(evidence, moment)),
      events: Number(evidence.counters.events ?? 0),
    };
    const stored = days[n] ?? { minutes: new Map(), history: [] };
    timelines.push(timelineOf({ ...stored, id, gaps: gapsOf.get(id) ?? [], present }, day));
  }
  return {
    at: new Date(now).toISOString(),
    fromAt: new Date(from).toISOString(),
    stepMs: MINUTE_MS,
    connections: timelines,
    deploys: deploys.map(({ at, worker, what }) => ({ at: new Date(at).toISOString(), worker, what })),
  };
}

/** The time that the next sweep will call unwatched. */
function sinceLastSweep(sweep: SweepRecord | null, now: number): SweepGap[] {
  return sweep !== null && now - sweep.at > UNWATCHED_AFTER_MS ? [{ from: sweep.at, to: now }] : [];
}
