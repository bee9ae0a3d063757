/**
 * Finds the Redis of a running installation without starting one, for commands that look or ask. With the embedded
 * Redis the question is where `up` was started: `up` leaves a pointer per configuration file for that.
 */
import { createHash } from 'node:crypto';
import { lstat, mkdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Config } from '../config.ts';
import { TransientError } from '../errors.ts';
import { findRedis } from '../state/embedded-redis.ts';
import { createKeys, type Keys } from '../state/keys.ts';
import { openRedis, type RedisAddress, type RedisClient } from '../state/redis.ts';
import { configuredRedis, EMBEDDED_DIR } from './storage.ts';

export interface Reader {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly address: RedisAddress;
  close(): void;
}

/** @throws TransientError when no Redis can be found; connecting itself happens with the first command */
export async function openReader(config: Config, file: string | undefined, cwd: string): Promise<Reader> {
  const address = await locate(config, file, cwd);
  // Errors come back with each command; the event alone would only repeat them.
  const client = openRedis(address, 'reader', 'holdfast:reader', () => undefined);
  return { client, keys: createKeys(config.redis.prefix), address, close: () => client.disconnect() };
}

async function locate(config: Config, file: string | undefined, cwd: string): Promise<RedisAddress> {
  const configured = configuredRedis(config);
  if (configured !== null) return configured;
  const folders = new Set([cwd]);
  if (file !== undefined)
    for (const folder of [resolve(dirname(file)), ...(await pointedTo(file))]) folders.add(folder);
  for (const folder of folders) {
    const found = await findRedis({ dir: join(folder, EMBEDDED_DIR) });
    if (found !== undefined) return found;
  }
  throw new TransientError(
    'REDIS_UNAVAILABLE',
    `no embedded Redis is running in ${[...folders].map((folder) => join(folder, EMBEDDED_DIR)).join(' or ')}: is holdfast up?`,
  );
}

/** Notes where the installation of `file` runs. Best effort: without it, `status` works from the same directory only. */
export async function notePlace(file: string, cwd: string): Promise<void> {
  const pointer = await pointerOf(file);
  await mkdir(dirname(pointer), { recursive: true, mode: 0o700 });
  await writeFile(pointer, JSON.stringify({ cwd }), { mode: 0o600 });
}

async function pointedTo(file: string): Promise<string[]> {
  try {
    const pointer = await pointerOf(file);
    // The temporary folder is everybody's: only our own pointers count.
    if ((await lstat(pointer)).uid !== userInfo().uid) return [];
    const { cwd } = JSON.parse(await readFile(pointer, 'utf8')) as { cwd?: unknown };
    return typeof cwd === 'string' ? [cwd] : [];
  } catch {
    return [];
  }
}

async function pointerOf(file: string): Promise<string> {
  const name = createHash('sha256')
    .update(await realpath(file))
    .digest('hex')
    .slice(0, 24);
  return join(tmpdir(), `holdfast-places-${userInfo().uid}`, `${name}.json`);
}
