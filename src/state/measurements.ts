/**
 * What only the process at work can measure: how long things took, and why sockets were opened anew. It gathers in
 * memory and goes to Redis as increments, with the report that the worker writes anyway: no message costs a call more,
 * and what a dead worker measured is still there for whoever asks.
 *
 * What a crash loses: what was gathered since the last report (`renewEveryMs`). A report without an answer is not
 * repeated, because it may have arrived, so an outage of Redis loses as much. Nothing is ever counted twice.
 */
import type { ConnectionId, ReconnectCause } from '../model.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

/**
 * - `stored`: an event was handed over by the adapter → Redis has it (or knew it already)
 * - `turn`: a turn was taken from its lane → its answer is stored
 * - `delivery`: a part came up for sending → the platform has it, with all tries and waits for permits
 * - `takeover`: last sign of life of a lost holder → the connection is live at another worker
 */
export const LATENCIES = ['stored', 'turn', 'delivery', 'takeover'] as const;
export type LatencyName = (typeof LATENCIES)[number];

/** Upper bounds of the buckets, ms; what took longer than the last one is counted without a bound. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  ...[5, 10, 25, 50, 100, 250, 500],
  ...[1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000],
];

/**
 * Why the web role cut a socket or refused a request of a caller that had too many.
 *
 * - `waiting`: it asked for nothing for the longest time
 * - `busy`: too many were being answered
 * - `slow`: its body did not come in time
 */
export const WEB_REFUSALS = ['waiting', 'busy', 'slow'] as const;
export type WebRefusal = (typeof WEB_REFUSALS)[number];
export type WebRefusals = Readonly<Record<WebRefusal, number>>;

/** Increments of fields of the hash of latencies. */
export type LatencyCounts = ReadonlyMap<string, number>;

export interface Gathered {
  readonly latencies: LatencyCounts;
  /** Per connection: increments of fields of its counters. */
  readonly reconnects: ReadonlyMap<ConnectionId, ReadonlyMap<string, number>>;
}

/** One per process. */
export class Measurements {
  #latencies = new Map<string, number>();
  #reconnects = new Map<ConnectionId, Map<string, number>>();

  /** @param times - so many of them took `ms` */
  took(name: LatencyName, platform: string, ms: number, times = 1): void {
    if (times <= 0 || !Number.isFinite(ms)) return;
    const atLeast0 = Math.max(0, ms);
    const bound = LATENCY_BOUNDS_MS.find((limit) => atLeast0 <= limit) ?? 'inf';
    raise(this.#latencies, `${name}|${platform}|${bound}`, times);
    raise(this.#latencies, `${name}|${platform}|sumUs`, Math.round(atLeast0 * 1_000) * times);
  }

  refused(why: WebRefusal): void {
    raise(this.#latencies, refusalField(why), 1);
  }

  reconnected(id: ConnectionId, cause: ReconnectCause): void {
    const counts = this.#reconnects.get(id) ?? new Map<string, number>();
    raise(counts, reconnectField(cause), 1);
    this.#reconnects.set(id, counts);
  }

  /** What gathered since the last call. */
  take(): Gathered {
    const gathered = { latencies: this.#latencies, reconnects: this.#reconnects };
    this.#latencies = new Map();
    this.#reconnects = new Map();
    return gathered;
  }
}

/** Beside the latencies: one hash takes all that a report adds. */
function refusalField(why: WebRefusal): string {
  return `web-refused|${why}`;
}

/** Name of the counter of one cause among a connection's counters. */
export function reconnectField(cause: ReconnectCause): `reconnects:${ReconnectCause}` {
  return `reconnects:${cause}`;
}

/** Adds to the counters of each connection. @throws the client's errors; what was added by then stays */
export async function countReconnects(
  client: RedisClient,
  keys: Keys,
  reconnects: Gathered['reconnects'],
): Promise<void> {
  await Promise.all(
    [...reconnects].flatMap(([id, counts]) =>
      [...counts].map(([field, by]) => client.hincrby(keys.connection(id).counters, field, by)),
    ),
  );
}

export interface StoredLatency {
  readonly name: LatencyName;
  readonly platform: string;
  /** As {@link LATENCY_BOUNDS_MS}, not cumulative; the last one is of what took longer than all bounds. */
  readonly buckets: readonly number[];
  readonly sumMs: number;
}

export interface StoredMeasurements {
  readonly latencies: readonly StoredLatency[];
  readonly webRefusals: WebRefusals;
}

/** Sums over all processes that ever reported. @throws the client's errors */
export async function readMeasurements(client: RedisClient, keys: Keys): Promise<StoredMeasurements> {
  const hash = await client.hgetall(keys.latencies);
  const counts = new Map(Object.entries(hash));
  const refusals = WEB_REFUSALS.map((why) => [why, Number(counts.get(refusalField(why)) ?? 0)]);
  return { latencies: parseLatencies(hash), webRefusals: Object.fromEntries(refusals) as WebRefusals };
}

export function parseLatencies(hash: Readonly<Record<string, string>>): StoredLatency[] {
  const found = new Map<string, { name: LatencyName; platform: string; buckets: number[]; sumMs: number }>();
  for (const [field, value] of Object.entries(hash)) {
    const [name = '', platform = '', bound = ''] = field.split('|');
    if (!isLatency(name)) continue;
    const of = `${name}|${platform}`;
    const one = found.get(of) ?? { name, platform, buckets: [...LATENCY_BOUNDS_MS, 0].fill(0), sumMs: 0 };
    found.set(of, one);
    if (bound === 'sumUs') one.sumMs = Number(value) / 1_000;
    else one.buckets[bucketOf(bound)] = (one.buckets[bucketOf(bound)] ?? 0) + Number(value);
  }
  return [...found.values()];
}

/** A bound that another release had falls into the next one of ours. */
function bucketOf(bound: string): number {
  const index = LATENCY_BOUNDS_MS.findIndex((limit) => Number(bound) <= limit);
  return index === -1 ? LATENCY_BOUNDS_MS.length : index;
}

function isLatency(name: string): name is LatencyName {
  return (LATENCIES as readonly string[]).includes(name);
}

function raise(counts: Map<string, number>, field: string, by: number): void {
  counts.set(field, (counts.get(field) ?? 0) + by);
}
