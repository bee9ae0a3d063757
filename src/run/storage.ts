/** Opens Redis for a process: the embedded one or the one that is configured, checked before anything is trusted to it. */
import { join } from 'node:path';
import type { Queue } from 'bullmq';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { explain } from '../errors.ts';
import { acquireRedis } from '../state/embedded-redis.ts';
import { createKeys, type Keys } from '../state/keys.ts';
import { type ConnectionJobData, type LaneJobData, openQueue } from '../state/queues.ts';
import { openRedis, type RedisAddress, type RedisClient } from '../state/redis.ts';
import { waitUntilFit } from './wait-until-fit.ts';

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

/** @returns `null`: the embedded one */
export function configuredRedis({ redis: { url, sentinels } }: Config): RedisAddress | null {
  if (url === null) return null;
  return sentinels === null ? { url } : { url, sentinels };
}

export interface StorageOptions {
  readonly config: Config;
  readonly cwd: string;
  readonly who: string;
  readonly rehearses: boolean;
  readonly log: Logger;
}

/**
 * Waits for a configured Redis that does not answer yet.
 *
 * @param options.who - names this process's connections: worker and incarnation
 * @param options.rehearses - whether the rights of our Redis user are tried; the parent of a child has done so
 * @throws FatalError when Redis is unfit (it may evict, is too old, a cluster, or refuses us) or the embedded one can't be
 *   started
 * @throws the signal's reason
 */
export async function openStorage(
  { config, cwd, who, rehearses, log }: StorageOptions,
  signal: AbortSignal,
): Promise<Storage> {
  const { prefix, appendfsync, maxMemoryBytes: maxBytes } = config.redis;
  const configured = configuredRedis(config);
  const embedded =
    configured === null
      ? await acquireRedis({ dir: join(cwd, EMBEDDED_DIR), appendfsync, maxBytes, log, signal })
      : null;
  const address: RedisAddress = configured ?? { path: embedded?.path ?? '' };
  const keys = createKeys(prefix);
  const note = (error: Error) => log.debug({ reason: explain(error) }, 'redis');
  const fenced = openRedis(address, 'fenced', `holdfast:fenced:${who}`, note);
  const patient = openRedis(address, 'queue', `holdfast:patient:${who}`, note);
  const close = async (...queues: readonly Queue[]): Promise<void> => {
    await Promise.allSettled(queues.map((queue) => queue.close()));
    fenced.disconnect();
    patient.disconnect();
    await embedded?.release();
  };
  try {
    await waitUntilFit({ client: fenced, address, keys, embedded: embedded !== null, rehearses, log }, signal);
  } catch (error) {
    await close();
    throw error;
  }
  // Only now: BullMQ writes as soon as it has a connection.
  const connections = openQueue<ConnectionJobData>('connections', keys, address, note);
  const turns = openQueue<LaneJobData>('turns', keys, address, note);
  const deliveries = openQueue<LaneJobData>('deliveries', keys, address, note);
  return {
    address,
    keys,
    fenced,
    patient,
    connections,
    turns,
    deliveries,
    close: () => close(connections, turns, deliveries),
  };
}
