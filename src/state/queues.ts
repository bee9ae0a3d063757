/**
 * The three BullMQ queues and their settings. `connections` jobs never end and are fetched by hand
 * (workers/connection-worker.ts); `turns` and `deliveries` are short and served by stock workers.
 */
import { Queue, type QueueOptions } from 'bullmq';
import type { Keys } from './keys.ts';
import type { QueueName } from './queue-settings.ts';
import { bullConnection, type RedisAddress } from './redis.ts';

export type { QueueName };

/** Data of a connection job: only its id, since Bull Board shows job data. */
export interface ConnectionJobData {
  readonly connectionId: string;
}

/** Data of a job that wakes a lane (turns) or an outbox (deliveries). Its id is `<lane>-<activation>`. */
export interface LaneJobData {
  readonly connectionId: string;
  readonly lane: string;
  readonly activation: number;
}

/** A stall puts a job back; only counting them could ever fail it, so the count is never reached. */
export const UNLIMITED_STALLS = 1_000_000_000;

/**
 * A worker that was told of a rate limit asks again after this at the latest, ms: nobody here sets one, and the sweep takes
 * away what somebody else set. BullMQ's own default is half a minute.
 */
export const RATE_LIMIT_ASKED_AGAIN_MS = 1_000;

export function openQueue<Data>(
  name: QueueName,
  keys: Keys,
  address: RedisAddress,
  onError: (error: Error) => void,
): Queue<Data> {
  const options: QueueOptions = {
    prefix: keys.bull,
    connection: bullConnection(address, `holdfast:queue:${name}`, { waits: false }),
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true, attempts: 1, keepLogs: 200 },
  };
  const queue = new Queue<Data>(name, options);
  queue.on('error', onError);
  return queue;
}
