/**
 * A scheduler and a connection worker in the test's own process, on a real Redis, with an adapter the test writes: for
 * what no platform can be made to do, such as an adapter that returns. Transports are not involved.
 */

import { pino } from 'pino';
import type { Adapter, Capabilities, HoldContext } from '../../src/adapters/adapter.ts';
import { systemClock } from '../../src/async/clock.ts';
import type { ConnectionId, WorkerId } from '../../src/model.ts';
import { type SchedulerOptions, startScheduler } from '../../src/scheduler/scheduler.ts';
import { applyDesired } from '../../src/state/desired.ts';
import { createKeys } from '../../src/state/keys.ts';
import { announcePresence } from '../../src/state/presence.ts';
import { type ConnectionJobData, openQueue } from '../../src/state/queues.ts';
import { openRedis } from '../../src/state/redis.ts';
import type { StatusDocument } from '../../src/status/document.ts';
import { readStatus } from '../../src/status/read-status.ts';
import { createAttemptPace } from '../../src/workers/attempt-pace.ts';
import { startConnectionWorker } from '../../src/workers/connection-worker.ts';
import { LeaseKeeper } from '../../src/workers/lease-keeper.ts';
import { Turnstile } from '../../src/workers/turnstile.ts';
import { ANY_CAPABILITIES } from './capabilities.ts';
import { credentialsWith } from './credentials.ts';
import { openDirect } from './direct-transport.ts';

export const TIMINGS = {
  leaseMs: 1_500,
  renewEveryMs: 300,
  sweepEveryMs: 100,
  presenceGapMs: 300,
  stalledEveryMs: 500,
  turnLockMs: 4_000,
  probeEveryMs: 1_000,
};

export interface OneWorkerOptions {
  readonly path: string;
  readonly prefix: string;
  readonly ids: readonly string[];
  /** `null`: no credentials on this worker. */
  readonly secrets?: Record<string, string> | null;
  hold(context: HoldContext): Promise<void>;
  /** @defaultValue `test` */
  readonly host?: string;
  /** @defaultValue 100 */
  readonly share?: () => number;
  /** Looks on at the sweeps. */
  readonly onSight?: SchedulerOptions['onSight'];
}

const capabilities: Capabilities = {
  ...ANY_CAPABILITIES,
  dedupeWindowMs: 60_000,
  sendIdempotency: 'none',
};

let workers = 0;

export async function startOneWorker(options: OneWorkerOptions) {
  const address = { path: options.path };
  const keys = createKeys(options.prefix);
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const ignore = () => undefined;
  const fenced = openRedis(address, 'fenced', 'test:fenced', ignore);
  const patient = openRedis(address, 'queue', 'test:patient', ignore);
  const queue = openQueue<ConnectionJobData>('connections', keys, address, ignore);
  workers += 1;
  const worker = `${options.host ?? 'test'}/${workers}` as WorkerId;
  const incarnation = `i${workers}`;
  const ended = new AbortController();
  await patient.ping();
  await new Promise<void>((resolve) => (fenced.status === 'ready' ? resolve() : fenced.once('ready', () => resolve())));

  const desire = async (fingerprint: string) => {
    const wanted = options.ids.map((id) => ({
      id: id as ConnectionId,
      platform: 'test',
      enabled: true,
      options: {},
      lateReply: 'active' as const,
      fingerprint,
      source: 'config' as const,
    }));
    await applyDesired(patient, keys, wanted, { removeOthers: true });
  };
  await desire('f1');

  const keeper = new LeaseKeeper({
    client: fenced,
    keys,
    leaseMs: TIMINGS.leaseMs,
    renewEveryMs: TIMINGS.renewEveryMs,
    clock: systemClock,
    log,
    selfFence: true,
  });
  const keeping = keeper.run(ended.signal);
  const presence = announcePresence(address, keys, `${worker}#${incarnation}`, () => keeper.lookNow(), ignore);
  const adapter: Adapter = {
    platform: 'test',
    capabilities,
    accountOf: () => 'account',
    hold: (context) => options.hold(context),
    createSender: () => {
      throw new Error('nothing is sent in these tests');
    },
  };
  const sink = { push: ignore, full: false, onFullChange: ignore, storedCursor: null, flush: async () => undefined };
  const connectionWorker = startConnectionWorker({
    worker,
    incarnation,
    address,
    keys,
    capacity: 100,
    share: options.share ?? (() => 100),
    jobLockMs: 5_000,
    drainMs: 1_000,
    log,
    hold: {
      client: fenced,
      keys,
      worker,
      incarnation,
      keeper,
      adapters: new Map([['test', adapter]]),
      credentialsOf: credentialsWith(options.secrets),
      openTransport: openDirect,
      budgetFor: () => ({ take: async () => ({ granted: true }) }),
      openPump: () => ({ sink, close: async () => undefined }),
      turnstile: new Turnstile(),
      pace: createAttemptPace(),
      timings: {
        leaseMs: TIMINGS.leaseMs,
        drainMs: 1_000,
        dialTimeoutMs: 1_000,
        healthyAfterMs: 1_000,
        hostDoubtMs: 1_000,
        probeEveryMs: TIMINGS.probeEveryMs,
        backoff: { baseMs: 100, capMs: 500, factor: 1.3 },
      },
      clock: systemClock,
      log,
    },
  });
  const scheduler = startScheduler(
    {
      worker,
      incarnation,
      client: patient,
      address,
      keys,
      queue,
      queues: { connections: queue, lanes: [] },
      sweepLanes: async () => undefined,
      ...(options.onSight === undefined ? {} : { onSight: options.onSight }),
      timings: TIMINGS,
      clock: systemClock,
      log,
    },
    ended.signal,
  );
  await scheduler.ready;

  return {
    keys,
    client: patient,
    queue,
    worker,
    connectionWorker,
    keeper,
    /** All log lines so far, parsed. */
    lines,
    desire,
    status: (): Promise<StatusDocument> => readStatus(patient, keys, TIMINGS),
    async [Symbol.asyncDispose]() {
      await connectionWorker.drain('the test is over');
      ended.abort();
      await Promise.all([keeping, scheduler.done]);
      presence.close();
      await queue.close();
      fenced.disconnect();
      patient.disconnect();
    },
  };
}

/** A hold that is live until told to drain or stop. */
export async function healthyHold(context: HoldContext): Promise<void> {
  context.health.connecting('dialing', Date.now() + 1_000);
  context.health.live('identified');
  context.gate.proven();
  const trips = setInterval(() => context.health.roundTrip(), 100);
  try {
    await new Promise<void>((resolve, reject) => {
      context.drain.addEventListener('abort', () => resolve(), { once: true });
      context.signal.addEventListener('abort', () => reject(context.signal.reason), { once: true });
    });
  } finally {
    clearInterval(trips);
  }
}
