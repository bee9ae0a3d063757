/**
 * Where an embedded Redis lives on disk, and how another process finds it.
 *
 * Everything is in one folder, except the socket when the folder's path is too long for one: then the socket moves to
 * the system's temporary folder. The run file says where the running server's socket is and which process it is.
 */
import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, readFile, realpath, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { FatalError } from '../errors.ts';

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

/** Creates the folders where missing. @throws FatalError when the socket has no safe place */
export async function preparePlace(dir: string): Promise<RedisPlace> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const place = await describePlace(dir);
  await mkdir(place.dataDir, { recursive: true, mode: 0o700 });
  if (!place.socket.startsWith(place.dir)) await prepareSocketFolder(socketFolder(place.dir));
  return place;
}

/** Touches nothing. @throws when `dir` does not exist */
export async function describePlace(dir: string): Promise<RedisPlace> {
  const real = await realpath(dir);
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

/** The temporary folder is shared: whoever owns the socket's folder could answer in Redis's place. */
async function prepareSocketFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  if (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0) return;
  throw new FatalError('REDIS_UNFIT', `${folder} must be a folder of ours with mode 0700: remove it and start again`);
}

/** The record of the last server started here; `undefined` without one, or when it is not about this folder. */
export async function readRunRecord(place: RedisPlace): Promise<RunRecord | undefined> {
  let text: string;
  try {
    text = await readFile(place.runFile, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const record = runFileSchema.parse(JSON.parse(text));
    return record.dir === place.dir ? record : undefined;
  } catch {
    // Damaged: the socket alone decides.
    return undefined;
  }
}

export async function writeRunRecord(place: RedisPlace, record: RunRecord): Promise<void> {
  const next = `${place.runFile}.next`;
  await writeFile(next, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  await rename(next, place.runFile);
}
