/**
 * A place to deliver in: real Redis, real BullMQ queue, one connection, and any number of delivery workers. The sender is
 * the test's: scripted for tables of outcomes, the QQ adapter's against its emulator for real sends.
 */
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import type { Adapter, Capabilities, Sender } from '../../src/adapters/adapter.ts';
import { splitForParts } from '../../src/adapters/split.ts';
import type { Logger } from '../../src/log.ts';
import {
  type ConnectionId,
  connectionId,
  type JsonValue,
  type OutboundPart,
  type SendOutcome,
} from '../../src/model.ts';
import { type DeadLetter, listDeadLetters } from '../../src/state/dead-letters.ts';
import { applyDesired, type DesiredConnection } from '../../src/state/desired.ts';
import { createKeys, type Keys } from '../../src/state/keys.ts';
import { addLaneJobs } from '../../src/state/lane-jobs.ts';
import { appendParts, type UnsentPart } from '../../src/state/outbox.ts';
import { type LaneJobData, openQueue } from '../../src/state/queues.ts';
import type { RedisClient } from '../../src/state/redis.ts';
import {
  createDeliveryWorker,
  type DeliveryWorker,
  type DeliveryWorkerOptions,
} from '../../src/workers/delivery-worker.ts';
import { ANY_CAPABILITIES } from './capabilities.ts';
import { credentialsWith } from './credentials.ts';
import { openDirect } from './direct-transport.ts';
import { type TestRedis, uniquePrefix } from './redis.ts';

export interface LogLine {
  readonly level: number;
  readonly event?: string;
  readonly [key: string]: unknown;
}

export interface DeliveryBench extends AsyncDisposable {
  readonly keys: Keys;
  readonly client: RedisClient;
  readonly id: ConnectionId;
  readonly lines: readonly LogLine[];
  /** Stores parts and wakes the outbox. */
  push(parts: readonly UnsentPart[]): Promise<LaneJobData>;
  /** Stores parts without waking the outbox. */
  store(parts: readonly UnsentPart[]): Promise<LaneJobData>;
  wake(job: LaneJobData): Promise<void>;
  worker(adapter: Adapter, options?: Partial<DeliveryWorkerOptions>): DeliveryWorker;
  deadLetters(): Promise<DeadLetter[]>;
  counters(): Promise<Record<string, string>>;
  /** Outboxes that are still active. */
  active(): Promise<number>;
}

export async function deliveryBench(
  redis: TestRedis,
  desired: Partial<DesiredConnection> = {},
  secrets: Record<string, string> = {},
  prefix: string = uniquePrefix(),
): Promise<DeliveryBench> {
  const keys = createKeys(prefix);
  const id = connectionId('bench');
  const client = redis.client();
  const address = { path: redis.path };
  const queue = openQueue<LaneJobData>('deliveries', keys, address, () => {});
  const workers: DeliveryWorker[] = [];
  const lines: LogLine[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) }) as Logger;
  const record: DesiredConnection = {
    id,
    platform: 'scripted',
    enabled: true,
    options: {},
    lateReply: 'drop',
    fingerprint: randomUUID(),
    source: 'config',
    ...desired,
  };
  await applyDesired(client, keys, [record], { removeOthers: false });
  const bench: DeliveryBench = {
    keys,
    client,
    id,
    lines,
    store: (parts) => appendParts(client, keys, id, parts),
    wake: (job) => addLaneJobs(queue, 'out', id, [job]),
    async push(parts) {
      const job = await bench.store(parts);
      await bench.wake(job);
      return job;
    },
    worker(adapter, options = {}) {
      const worker = createDeliveryWorker({
        address,
        keys,
        adapters: new Map([[adapter.platform, adapter]]),
        credentialsOf: credentialsWith(secrets),
        openTransport: openDirect,
        log,
        ...options,
      });
      workers.push(worker);
      return worker;
    },
    deadLetters: () => listDeadLetters(client, keys, id),
    counters: () => client.hgetall(keys.connection(id).counters),
    active: () => client.zcard(keys.connection(id).activeOutboxes),
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.close({ deadlineMs: 0 })));
      await queue.close();
    },
  };
  return bench;
}

/** A part that replies to message `key`. */
export function replyPart(
  conversation: string,
  text: string,
  {
    key = `msg-${conversation}`,
    ...rest
  }: { key?: string; deadlineAt?: number | null; mode?: 'active'; address?: JsonValue } = {},
): UnsentPart {
  return {
    id: `${key}/${text.slice(0, 20)}`,
    conversation,
    text,
    mode: rest.mode ?? 'passive',
    reply: {
      key,
      quota: null,
      deadlineAt: rest.deadlineAt === undefined ? Date.now() + 60_000 : rest.deadlineAt,
      address: rest.address ?? null,
    },
  };
}

export interface ScriptedSender {
  readonly adapter: Adapter;
  /** Every call of `send`, in order. */
  readonly calls: readonly OutboundPart[];
}

/** An adapter that only sends; `answer` decides each send. */
export function scriptedSender(
  answer: (part: OutboundPart, call: number, signal: AbortSignal) => SendOutcome | Promise<SendOutcome>,
  options: {
    readonly sendIdempotency?: Capabilities['sendIdempotency'];
    readonly buckets?: Sender['buckets'];
    /** @defaultValue none */
    readonly maxTextLength?: number;
  } = {},
): ScriptedSender {
  const calls: OutboundPart[] = [];
  const sender: Sender = {
    split: (text, maxParts) => splitForParts(text, options.maxTextLength ?? Number.MAX_SAFE_INTEGER, maxParts),
    buckets: options.buckets ?? (() => []),
    async send(part, { signal }) {
      calls.push(part);
      return answer(part, calls.length, signal);
    },
  };
  const adapter: Adapter = {
    platform: 'scripted',
    capabilities: { ...ANY_CAPABILITIES, sendIdempotency: options.sendIdempotency ?? 'key-on-replies' },
    accountOf: () => 'bench',
    hold: () => Promise.reject(new Error('this adapter only sends')),
    createSender: () => sender,
  };
  return { adapter, calls };
}

export const SENT: SendOutcome = { kind: 'sent', platformId: 'p1' };
