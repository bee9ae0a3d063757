/** Opens Redis for a process: the embedded one or the one that is configured, checked before anything is trusted to it. */
import { join } from 'node:path';
import type { Queue } from 'bullmq';
import type { Logger } from 'pino';
import { sleep } from '../async/abort.ts';
import type { Config } from '../config.ts';
import { explain, TransientError } from '../errors.ts';
import { acquireRedis } from '../state/embedded-redis.ts';
import { createKeys, type Keys } from '../state/keys.ts';
import { type ConnectionJobData, type LaneJobData, openQueue } from '../state/queues.ts';
import { checkRedis, openRedis, type RedisAddress, type RedisClient } from '../state/redis.ts';

export interface Storage {
  readonly address: RedisAddress;
  readonly keys: Keys;
  /** Never re-sends: for everything that is fenced. */
  readonly fenced: RedisClient;
  /** Waits out a restart of Redis: for what may be repeated. */
  readonly patient: RedisClient;
  readonly connections: Queue<ConnectionJobData>;
  readonly turns: Queue<LaneJobData>;
  readonly deliveries: Queue<LaneJobData>;
  close(): Promise<void>;
}

/** Folder of the embedded Redis, below the working directory. */
export const EMBEDDED_DIR = '.holdfast';
const RETRY_MS = 1_000;

/** @returns `null`: the embedded one */
export function configuredRedis({ redis: { url, sentinels } }: Config): RedisAddress | null {
  if (url === null) return null;
  return sentinels === null ? { url } : { url, sentinels };
}

/**
 * Waits for a configured Redis that does not answer yet.
 *
 * @throws FatalError when Redis is unfit (it may evict, or is too old) or the embedded one can't be started
 * @throws the signal's reason
 */
export async function openStorage(config: Config, cwd: string, log: Logger, signal: AbortSignal): Promise<Storage> {
  const { prefix, appendfsync } = config.redis;
  const configured = configuredRedis(config);
  const embedded =
    configured === null ? await acquireRedis({ dir: join(cwd, EMBEDDED_DIR), appendfsync, log, signal }) : null;
  const address: RedisAddress = configured ?? { path: embedded?.path ?? '' };
  const keys = createKeys(prefix);
  const note = (error: Error) => log.debug({ reason: explain(error) }, 'redis');
  const fenced = openRedis(address, 'fenced', 'holdfast:fenced', note);
  const patient = openRedis(address, 'queue', 'holdfast:patient', note);
  const storage: Storage = {
    address,
    keys,
    fenced,
    patient,
    connections: openQueue<ConnectionJobData>('connections', keys, address, note),
    turns: openQueue<LaneJobData>('turns', keys, address, note),
    deliveries: openQueue<LaneJobData>('deliveries', keys, address, note),
    async close() {
      await Promise.allSettled([storage.connections.close(), storage.turns.close(), storage.deliveries.close()]);
      fenced.disconnect();
      patient.disconnect();
      await embedded?.release();
    },
  };
  try {
    await waitUntilFit(fenced, embedded !== null, log, signal);
  } catch (error) {
    await storage.close();
    throw error;
  }
  return storage;
}

async function waitUntilFit(client: RedisClient, embedded: boolean, log: Logger, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  for (let told = false; ; ) {
    signal.throwIfAborted();
    try {
      const { durability, version } = await checkRedis(client);
      if (durability === 'none' || durability === 'no') {
        log.warn({ event: 'redis-not-durable', durability }, 'Redis has no AOF: messages it holds die with it');
      }
      log.info({ event: 'redis', version, durability, embedded }, 'Redis is fit');
      return;
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      // The first command may come before the socket is up; that is no trouble yet.
      if (!told && performance.now() - startedAt > RETRY_MS) {
        log.warn({ event: 'redis-away', reason: explain(error) }, 'waiting for Redis');
        told = true;
      }
    }
    await sleep(client.status === 'ready' ? RETRY_MS : 50, { signal });
  }
}
