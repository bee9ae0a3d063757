/**
 * Where an embedded Redis lives on disk, and how another process finds it.
 *
 * Everything is in one folder, except the socket when the folder's path is too long for one: then the socket moves to
 * the system's temporary folder. The run file says where the running server's socket is and which process it is.
 */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import {
  assertOwnFolder,
  closeToOthers,
  preparePrivateFolder,
  readPrivateFile,
  writePrivateFile,
} from '../files/private-file.ts';

/** `sockaddr_un` holds 108 bytes on Linux and 104 on macOS, with a zero at the end. */
const MAX_SOCKET_BYTES = 100;

export interface RedisPlace {
  /** Real path of the folder, mode 0700. */
  readonly dir: string;
  /** Append-only file. */
  readonly dataDir: string;
  /** Where a server we start puts its socket. */
  readonly socket: string;
  readonly logFile: string;
  readonly lockFile: string;
  readonly runFile: string;
}

const runFileSchema = z.object({
  /** A copied folder must not lead to the original's server. */
  dir: z.string(),
  socket: z.string(),
  pid: z.int().positive(),
});
export type RunRecord = z.infer<typeof runFileSchema>;

/**
 * Creates the folders where missing. What Redis wrote under an older version of ours, readable for all, is closed.
 *
 * @throws FatalError when one of them is not ours, or cannot be made
 */
export async function preparePlace(dir: string): Promise<RedisPlace> {
  await preparePrivateFolder(dir);
  const place = await describePlace(dir);
  await preparePrivateFolder(place.dataDir);
  await closeToOthers(place.dataDir);
  if (dirname(place.socket) !== place.dir) await preparePrivateFolder(dirname(place.socket));
  return place;
}

/** Touches nothing. @throws when `dir` does not exist, or is not ours */
export async function describePlace(dir: string): Promise<RedisPlace> {
  const real = await assertOwnFolder(dir);
  const near = join(real, 'redis.sock');
  return {
    dir: real,
    dataDir: join(real, 'redis'),
    socket: Buffer.byteLength(near) <= MAX_SOCKET_BYTES ? near : join(socketFolder(real), 'redis.sock'),
    logFile: join(real, 'redis.log'),
    lockFile: join(real, 'redis.lock'),
    runFile: join(real, 'redis.json'),
  };
}

function socketFolder(realDir: string): string {
  return join(tmpdir(), `holdfast-${createHash('sha256').update(realDir).digest('hex').slice(0, 16)}`);
}

/**
 * The record of the last server started here; `undefined` without one, or when it is not about this folder.
 *
 * @throws FatalError when others could have written it, or could answer in Redis's place at the socket that it names
 */
export async function readRunRecord(place: RedisPlace): Promise<RunRecord | undefined> {
  const text = await readPrivateFile(place.runFile);
  const record = text === undefined ? undefined : parseRecord(text);
  if (record?.dir !== place.dir) return undefined;
  await assertOwnSocketFolder(record.socket);
  return record;
}

/** Damaged: the socket alone decides. */
function parseRecord(text: string): RunRecord | undefined {
  try {
    return runFileSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** A temporary folder is everybody's, and is emptied now and then: whoever owns the socket's folder answers there. */
async function assertOwnSocketFolder(socket: string): Promise<void> {
  try {
    await assertOwnFolder(dirname(socket));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

export async function writeRunRecord(place: RedisPlace, record: RunRecord): Promise<void> {
  await writePrivateFile(place.runFile, `${JSON.stringify(record)}\n`);
}
