/**
 * Serves the queue `deliveries` with a stock BullMQ worker: each job is one activation of one conversation's outbox.
 *
 * Jobs are taken first come, first served. Deadlines decide where it matters, in the rate buckets (state/buckets.ts):
 * BullMQ priorities are left alone, because jobs put back by the stalled check or re-added by the sweep carry none and
 * would overtake all others.
 */
import type { Adapter } from '../adapters/adapter.ts';
import type { BackoffPolicy } from '../async/backoff.ts';
import { type Clock, systemClock } from '../async/clock.ts';
import { explain } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Keys } from '../state/keys.ts';
import type { Measurements } from '../state/measurements.ts';
import { openRedis, type RedisAddress, type RedisClient } from '../state/redis.ts';
import { ALL_SAFEGUARDS, type Safeguards } from '../state/safeguards.ts';
import { ConnectionSlots } from './connection-slots.ts';
import { type DeliveryDeps, deliverOutbox } from './deliver-outbox.ts';
import { createLaneWorker, type LaneWorker } from './lane-worker.ts';
import type { SendWatch } from './send-watch.ts';
import { createSenders, type SendersOptions } from './senders.ts';

export interface DeliveryWorkerOptions {
  readonly address: RedisAddress;
  readonly keys: Keys;
  /** By platform. */
  readonly adapters: ReadonlyMap<string, Adapter>;
  /** See {@link SendersOptions}. */
  credentialsOf: SendersOptions['credentialsOf'];
  /** See {@link SendersOptions}. */
  openTransport: SendersOptions['openTransport'];
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
  /** Most parts of a message that was stored whole. @defaultValue 10 */
  maxReplyParts?(): number;
  /** Bound of one send, above the adapter's own deadlines, ms. @defaultValue 60_000 */
  readonly sendTimeoutMs?: number;
  /** @defaultValue all on */
  readonly safeguards?: Safeguards;
  /** @defaultValue nobody looks on */
  readonly watch?: Pick<SendWatch, 'saw'>;
  /** @defaultValue nothing is measured */
  readonly measurements?: Measurements;
}

export type DeliveryWorker = LaneWorker;

/** Between tries of one part: a short outage is not followed by a long wait. */
const DELIVERY_BACKOFF: BackoffPolicy = { baseMs: 500, capMs: 15_000, factor: 2 };

export function createDeliveryWorker(options: DeliveryWorkerOptions): DeliveryWorker {
  const { keys, address, log } = options;
  const clock = options.clock ?? systemClock;
  const onRedisError = (error: Error) => log.debug({ reason: explain(error) }, 'delivery worker: Redis');
  const client = openRedis(address, 'fenced', 'holdfast:delivery', onRedisError);
  const deps: DeliveryDeps = {
    client,
    keys,
    senderFor: createSenders({ ...options, clock, log }),
    slots: new ConnectionSlots(),
    clock,
    log,
    safeguards: options.safeguards ?? ALL_SAFEGUARDS,
    saw: (connection, outcome) => options.watch?.saw(connection, outcome),
    took: (platform, ms) => options.measurements?.took('delivery', platform, ms),
    backoff: options.backoff ?? DELIVERY_BACKOFF,
    giveUpAfterMs: options.giveUpAfterMs ?? 600_000,
    maxReplyParts: options.maxReplyParts ?? (() => 10),
    sendTimeoutMs: options.sendTimeoutMs ?? 60_000,
  };
  const worker = createLaneWorker({
    queue: 'deliveries',
    address,
    keys,
    log,
    name: options.name ?? 'delivery',
    concurrency: options.concurrency ?? 50,
    lockMs: options.lockMs ?? 10_000,
    stalledCheckMs: options.stalledCheckMs ?? 1_000,
    cutWhenOvertaken: (options.safeguards ?? ALL_SAFEGUARDS).fence,
    run: (job, stop) => deliverOutbox(deps, job, stop),
  });
  return {
    ready: Promise.all([worker.ready, untilReady(client)]).then(() => undefined),
    close: (within) => worker.close(within).finally(() => client.disconnect()),
  };
}

function untilReady(client: RedisClient): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  return new Promise((resolve) => client.once('ready', () => resolve()));
}
