/**
 * Whether this process does its work, by evidence in Redis and not by its own opinion: a container must not be "healthy"
 * while every platform is dead.
 */
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import type { HoldingDocument } from '../status/document.ts';
import { readHolding, type StatusTimings } from '../status/read.ts';
import { askRedis } from './ask-redis.ts';

export interface ReadinessOptions {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly timings: StatusTimings;
  /** This process, as it reports itself. */
  readonly worker: string;
  /** This process is to hold connections, too: it is not ready while none of all that should run is live. */
  readonly holdsConnections: boolean;
  /** All other roles of this process said that they can do their work. */
  started(): boolean;
  readonly signal: AbortSignal;
}

export interface Readiness {
  readonly ready: boolean;
  /** In words, without names: whoever asks has shown no token. Empty when ready. */
  readonly reasons: readonly string[];
  /** `null`: Redis did not say. */
  readonly redisAnsweredInMs: number | null;
  readonly lastSweepAgeMs: number | null;
  readonly connections: { readonly live: number; readonly wanted: number } | null;
}

/** A sweep is late when this many are due, and not before {@link LEAST_LATE_MS}. */
const SWEEPS_MISSED = 5;
const LEAST_LATE_MS = 3_000;

/** Many may ask at once; Redis is asked once. */
export function createReadiness(options: ReadinessOptions): () => Promise<Readiness> {
  let running: Promise<Readiness> | undefined;
  return () => {
    running ??= look(options).finally(() => {
      running = undefined;
    });
    return running;
  };
}

async function look({ client, keys, timings, signal, ...own }: ReadinessOptions): Promise<Readiness> {
  const askedAt = performance.now();
  const unknown = { redisAnsweredInMs: null, lastSweepAgeMs: null, connections: null };
  let status: HoldingDocument;
  try {
    status = await askRedis(signal, () => readHolding(client, keys, timings));
  } catch {
    return { ready: false, reasons: [signal.aborted ? 'draining' : 'Redis does not answer'], ...unknown };
  }
  const wanted = status.connections.filter(({ state }) => state !== 'paused');
  const live = wanted.filter(({ state }) => state === 'live').length;
  const reasons = [...complaints(status, { live, wanted: wanted.length }, timings, own)];
  return {
    ready: reasons.length === 0,
    reasons,
    redisAnsweredInMs: Math.round(performance.now() - askedAt),
    lastSweepAgeMs: status.scheduler.lastSweepAgeMs,
    connections: { live, wanted: wanted.length },
  };
}

function* complaints(
  { scheduler: { lastSweepAgeMs }, workers }: HoldingDocument,
  { live, wanted }: { live: number; wanted: number },
  { sweepEveryMs }: StatusTimings,
  own: Pick<ReadinessOptions, 'worker' | 'holdsConnections' | 'started'>,
): Generator<string> {
  const lateMs = Math.max(SWEEPS_MISSED * sweepEveryMs, LEAST_LATE_MS);
  if (lastSweepAgeMs === null) yield 'no scheduler has ever swept: nothing is restarted';
  else if (lastSweepAgeMs > lateMs) {
    yield `the last sweep was ${lastSweepAgeMs} ms ago, more than ${lateMs} ms: nothing is restarted`;
  }
  if (!own.started()) yield 'roles of this process are still starting';
  if (!workers.some(({ id }) => id === own.worker)) yield 'this process could not report itself lately';
  if (own.holdsConnections && wanted > 0 && live === 0) yield `none of ${wanted} connections is live`;
}
