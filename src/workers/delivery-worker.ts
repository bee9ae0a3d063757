/**
 * Serves the queue `deliveries` with a stock BullMQ worker: each job is one activation of one conversation's outbox.
 *
 * Jobs are taken first come, first served. Deadlines decide where it matters, in the rate buckets (state/buckets.ts):
 * BullMQ priorities are left alone, because jobs put back by the stalled check or re-added by the sweep carry none and
 * would overtake all others.
 */
import { DelayedError, type Job, Worker } from 'bullmq';
import type { Adapter, Secrets } from '../adapters/adapter.ts';
import type { BackoffPolicy } from '../async/backoff.ts';
import { type Clock, systemClock } from '../async/clock.ts';
import { explain, FencedError, ProcessStopping } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type ConnectionId, connectionId } from '../model.ts';
import type { Keys } from '../state/keys.ts';
import { type LaneJobData, UNLIMITED_STALLS } from '../state/queues.ts';
import { bullConnection, openRedis, type RedisAddress, type RedisClient } from '../state/redis.ts';
import { ALL_SAFEGUARDS, type Safeguards } from '../state/safeguards.ts';
import { ConnectionSlots } from './connection-slots.ts';
import { type DeliveryDeps, deliverOutbox, type Wake } from './deliver-outbox.ts';
import { createSenders } from './senders.ts';

export interface DeliveryWorkerOptions {
  readonly address: RedisAddress;
  readonly keys: Keys;
  /** By platform. */
  readonly adapters: ReadonlyMap<string, Adapter>;
  /** `null` when this process has no secrets for the connection. */
  secretsOf(id: ConnectionId): Secrets | null;
  readonly log: Logger;
  /** Shown in Bull Board. @defaultValue `delivery` */
  readonly name?: string;
  /** @defaultValue the system's clock */
  readonly clock?: Clock;
  /** Outboxes delivered at once. @defaultValue 50 */
  readonly concurrency?: number;
  /** Lock of a job, ms: a crashed worker's outbox rests for at most this and {@link stalledCheckMs}. @defaultValue 10_000 */
  readonly lockMs?: number;
  /** @defaultValue 1_000 */
  readonly stalledCheckMs?: number;
  /** How long a part without a reply window is tried, ms. @defaultValue 600_000 */
  readonly giveUpAfterMs?: number;
  /** Between tries of one part. @defaultValue 500 ms doubling to 15 s, full jitter */
  readonly backoff?: BackoffPolicy;
  /** Bound of one send, whatever the adapter's own deadlines are, ms. @defaultValue 30_000 */
  readonly sendTimeoutMs?: number;
  /** @defaultValue all on */
  readonly safeguards?: Safeguards;
}

export interface DeliveryWorker {
  /** Resolves when outboxes are being delivered. */
  readonly ready: Promise<void>;
  /**
   * Takes no further work, lets sends under way finish until the deadline, then cuts them (they count as interrupted) and
   * gives all jobs back. Calling again is safe.
   */
  close(options: { readonly deadlineMs: number }): Promise<void>;
}

/** @see async/backoff.ts */
export const DELIVERY_BACKOFF: BackoffPolicy = { baseMs: 500, capMs: 15_000, factor: 2 };

/** After a defect or a long Redis outage the job comes back after this, ms. */
const AFTER_FAILURE_MS = 1_000;
/** How long cut sends may take to give their jobs back, ms. */
const CUT_GRACE_MS = 2_000;

export function createDeliveryWorker(options: DeliveryWorkerOptions): DeliveryWorker {
  const { keys, address, log } = options;
  const clock = options.clock ?? systemClock;
  const onRedisError = (error: Error) => log.debug({ reason: explain(error) }, 'delivery worker: Redis');
  const client = openRedis(address, 'fenced', 'holdfast:delivery', onRedisError);
  const deps: DeliveryDeps = {
    client,
    keys,
    senderFor: createSenders({ adapters: options.adapters, secretsOf: options.secretsOf, clock, log }),
    slots: new ConnectionSlots(),
    clock,
    log,
    safeguards: options.safeguards ?? ALL_SAFEGUARDS,
    backoff: options.backoff ?? DELIVERY_BACKOFF,
    giveUpAfterMs: options.giveUpAfterMs ?? 600_000,
    sendTimeoutMs: options.sendTimeoutMs ?? 30_000,
  };
  let closing: Promise<void> | null = null;
  const draining = () => closing !== null;

  // Three declared parameters: BullMQ hands the signal to no other processor.
  const deliver = async (job: Job<LaneJobData>, token: string | undefined, signal: AbortSignal | undefined) => {
    if (!isLaneJob(job.data)) {
      log.warn({ event: 'phantom-job', job: job.id }, 'a delivery job without data is removed; the sweep adds it anew');
      return;
    }
    const stop = { signal: signal ?? new AbortController().signal, draining };
    const wake = await deliverOutbox(deps, job.data, stop).catch((error: unknown) =>
      failed(log, job.data, error, stop),
    );
    if (wake.kind === 'again') await putBack(job, token, wake.afterMs, log);
  };

  const worker = new Worker<LaneJobData>('deliveries', deliver, {
    name: options.name ?? 'delivery',
    prefix: keys.bull,
    connection: bullConnection(address, 'holdfast:deliveries'),
    concurrency: options.concurrency ?? 50,
    lockDuration: options.lockMs ?? 10_000,
    stalledInterval: options.stalledCheckMs ?? 1_000,
    maxStalledCount: UNLIMITED_STALLS,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
    // A frozen worker eats the queue's wake-up for this long, s.
    drainDelay: 1,
    runRetryDelay: 500,
  });
  worker.on('error', onRedisError);
  worker.on('lockRenewalFailed', (jobs: string[]) => {
    // BullMQ itself does not abort the processor.
    for (const job of jobs) worker.cancelJob(job, cutReason(new FencedError('the delivery job was taken over')));
  });

  return {
    ready: Promise.all([worker.waitUntilReady(), untilReady(client)]).then(() => undefined),
    close({ deadlineMs }) {
      closing ??= closeWorker(worker, deadlineMs, log).finally(() => client.disconnect());
      return closing;
    },
  };
}

/** The outbox is whole whatever happened; its job only has to come back. */
function failed(log: Logger, job: LaneJobData, error: unknown, stop: { readonly signal: AbortSignal }): Wake {
  const facts = { connection: job.connectionId, lane: job.lane };
  if (stop.signal.aborted) log.info({ event: 'delivery-cut', ...facts, reason: explain(error) }, 'a delivery was cut');
  else log.error({ event: 'delivery-failed', ...facts, err: error }, 'a delivery failed; it is tried again');
  return { kind: 'again', afterMs: stop.signal.aborted ? 0 : AFTER_FAILURE_MS };
}

/** @throws DelayedError always: BullMQ's word for "neither completed nor failed" */
async function putBack(job: Job, token: string | undefined, afterMs: number, log: Logger): Promise<never> {
  try {
    await job.moveToDelayed(Date.now() + Math.max(1, Math.ceil(afterMs)), token);
  } catch (error) {
    // The lock was lost: the job is somebody else's by now.
    log.debug({ job: job.id, reason: explain(error) }, 'the delivery job is no longer ours');
  }
  throw new DelayedError();
}

async function closeWorker(worker: Worker, deadlineMs: number, log: Logger): Promise<void> {
  const closed = worker.close();
  if (await settledWithin(closed, deadlineMs)) return;
  worker.cancelAllJobs(cutReason(new ProcessStopping('the delivery worker stops')));
  if (await settledWithin(closed, CUT_GRACE_MS)) return;
  log.warn({ event: 'close-late' }, 'deliveries did not end in time; their jobs come back when their locks run out');
}

/** BullMQ types abort reasons as text, but hands on what it gets; ours are errors with a class. */
function cutReason(error: Error): string {
  return error as unknown as string;
}

async function settledWithin(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true as const), late]);
  } finally {
    clearTimeout(timer);
  }
}

function untilReady(client: RedisClient): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  return new Promise((resolve) => client.once('ready', () => resolve()));
}

function isLaneJob(data: LaneJobData | undefined): data is LaneJobData {
  try {
    connectionId(data?.connectionId ?? '');
  } catch {
    return false;
  }
  return typeof data?.lane === 'string' && Number.isSafeInteger(data.activation);
}
