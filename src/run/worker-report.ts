/**
 * Says regularly that this process lives, what it does and what it measured, and learns from the same record how many
 * others share the connections.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Logger } from 'pino';
import { sleep } from '../async/abort.ts';
import { explain } from '../errors.ts';
import type { Keys } from '../state/keys.ts';
import { countReconnects, type Measurements } from '../state/measurements.ts';
import type { RedisClient } from '../state/redis.ts';
import type { RedisClock } from '../state/redis-clock.ts';
import { forgetWorker, listWorkers, reportWorker, type WorkerReport } from '../state/workers.ts';
import { fairShare } from '../workers/fair-share.ts';
import type { ConfigStanding } from './live-config.ts';
import type { ProcessIdentity } from './process-identity.ts';

export interface WorkerReportOptions {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly identity: ProcessIdentity;
  readonly roles: readonly string[];
  readonly capacity: number;
  held(): number;
  /** Of the role that holds connections. @defaultValue it takes what it gets */
  sharing?(): { readonly takes: boolean; readonly movesRefused: string | null };
  config(): ConfigStanding;
  /** Of the roles that have them; asked for with each report. */
  standing?(): Pick<WorkerReport, 'agent' | 'sending'>;
  /** See {@link WorkerReport}. @defaultValue no */
  presence?(): boolean;
  /** Told with each report what time it is. */
  readonly redisClock: RedisClock;
  readonly measurements: Measurements;
  readonly everyMs: number;
  /** A worker silent for this long is not counted any more, ms. */
  readonly forgetAfterMs: number;
  readonly log: Logger;
}

export interface WorkerReporter {
  /** This worker's fair part of all connections, as far as known. */
  share(): number;
  /** Runs until `signal` aborts, then takes this worker off the list. Never throws. */
  run(signal: AbortSignal): Promise<void>;
  /** Reports and counts anew at once: somebody joined, left or died. */
  refresh(): void;
  /** Says at once that this worker takes nothing more. */
  draining(): void;
}

export function createWorkerReporter(options: WorkerReportOptions): WorkerReporter {
  const { client, keys, identity, log } = options;
  const lag = monitorEventLoopDelay({ resolution: 20 });
  let share = options.capacity;
  let draining = false;
  let failing = false;
  let joined = false;

  const report = async (): Promise<void> => {
    const eventLoopLagMs = Math.max(0, Math.round(lag.percentile(99) / 1e6 - 20));
    lag.reset();
    const connections = options.held();
    const { roles, capacity } = options;
    const measured = options.measurements.take();
    const sharing = options.sharing?.();
    const from = performance.now();
    const redisNow = await reportWorker(
      client,
      keys,
      identity.worker,
      {
        roles,
        connections,
        capacity,
        eventLoopLagMs,
        incarnation: identity.incarnation,
        draining,
        takes: sharing?.takes ?? true,
        movesRefused: sharing?.movesRefused ?? null,
        presence: options.presence?.() ?? false,
        renewEveryMs: options.everyMs,
        configRefused: options.config().refused,
        restartNeeded: options.config().restartNeeded,
        ...options.standing?.(),
      },
      options.forgetAfterMs,
      measured.latencies,
      !joined,
    );
    options.redisClock.noted(redisNow, from, performance.now());
    joined = true;
    await countReconnects(client, keys, measured.reconnects);
    if (!roles.includes('connections')) return;
    const [all, total] = await Promise.all([listWorkers(client, keys), client.scard(keys.connections)]);
    const holders = all.filter((each) => each.roles.includes('connections') && !each.draining && each.takes !== false);
    const capacities = holders.map((each) => each.capacity);
    share = fairShare(total, capacities, capacity);
  };

  const tryReport = async (): Promise<void> => {
    try {
      await report();
      failing = false;
    } catch (error) {
      if (!failing) log.debug({ reason: explain(error) }, 'worker report not written');
      failing = true;
    }
  };

  return {
    share: () => share,
    refresh() {
      void tryReport();
    },
    async run(signal) {
      // A parent that only supervises is no worker.
      if (options.roles.length === 0) return;
      lag.enable();
      while (!signal.aborted) {
        await tryReport();
        await sleep(options.everyMs, { signal }).catch(() => undefined);
      }
      lag.disable();
      // What was measured while the roles drained.
      await tryReport();
      await forgetWorker(client, keys, identity.worker, 'drained').catch(() => undefined);
    },
    draining() {
      draining = true;
      if (options.roles.length > 0) void tryReport();
    },
  };
}
