/**
 * Finds the Redis of a running installation without starting one, for commands that look or ask. With the embedded
 * Redis the question is where `up` was started: `up` leaves a pointer per configuration file for that.
 */
import { createHash } from 'node:crypto';
import { lstat, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { type Config, stateHome } from '../config.ts';
import { explain, TransientError } from '../errors.ts';
import { assertOwnFolder, preparePrivateFolder, readPrivateFile, writePrivateFile } from '../files/private-file.ts';
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
  const folders = await workingFolders(file, cwd);
  const refusals: string[] = [];
  for (const folder of folders) {
    try {
      const found = await findRedis({ dir: join(folder, EMBEDDED_DIR) });
      if (found !== undefined) return found;
    } catch (error) {
      // Somebody else's, perhaps where everybody may make one: ours may still be in another one.
      refusals.push(explain(error));
    }
  }
  const looked = folders.map((folder) => join(folder, EMBEDDED_DIR)).join(' or ');
  throw new TransientError(
    'REDIS_UNAVAILABLE',
    [`no embedded Redis is running in ${looked}: is holdfast up?`, ...refusals].join(' '),
  );
}

/** Where the installation of `file` may have been started, the likeliest first. */
export async function workingFolders(file: string | undefined, cwd: string): Promise<string[]> {
  if (file === undefined) return [cwd];
  return [...new Set([cwd, resolve(dirname(file)), ...(await pointedTo(file))])];
}

const pointerSchema = z.object({ cwd: z.string() });

/**
 * Notes where the installation of `file` runs, in this user's state folder. Without it, `status` works from the same
 * directory only.
 *
 * @returns `null` when this user has no such folder
 * @throws FatalError when it cannot be written
 */
export async function notePlace(file: string, cwd: string): Promise<string | null> {
  const home = stateHome();
  if (home === null || !(await isOwn(home))) return null;
  const pointer = join(home, OWN_FOLDER, PLACES, await pointerName(file));
  await preparePrivateFolder(join(home, OWN_FOLDER));
  await preparePrivateFolder(dirname(pointer));
  await writePrivateFile(pointer, `${JSON.stringify({ cwd })}\n`);
  return pointer;
}

/** Ours in the state folder of a user. */
export const OWN_FOLDER = 'holdfast';
const PLACES = 'places';

/** With sudo, HOME may still be another user's: nothing of ours belongs there. */
async function isOwn(folder: string): Promise<boolean> {
  const found = await lstat(folder).catch(() => null);
  if (found !== null) return found.uid === process.geteuid?.();
  return dirname(folder) !== folder && (await isOwn(dirname(folder)));
}

async function pointedTo(file: string): Promise<string[]> {
  const name = await pointerName(file).catch(() => null);
  if (name === null) return [];
  const home = stateHome();
  const folders = [
    ...(home === null ? [] : [join(home, OWN_FOLDER, PLACES)]),
    // Of a process of version 0.1.0, which may still be running.
    join(tmpdir(), `holdfast-places-${process.geteuid?.()}`),
  ];
  const found = await Promise.all(folders.map((folder) => readPointer(folder, name)));
  return found.filter((cwd) => cwd !== null);
}

/** Without one of ours that can be read: the other folders are looked through all the same. */
async function readPointer(folder: string, name: string): Promise<string | null> {
  try {
    const text = await readPrivateFile(join(await assertOwnFolder(folder), name));
    return text === undefined ? null : pointerSchema.parse(JSON.parse(text)).cwd;
  } catch {
    return null;
  }
}

async function pointerName(file: string): Promise<string> {
  const digest = createHash('sha256').update(await realpath(file));
  return `${digest.digest('hex').slice(0, 24)}.json`;
}
