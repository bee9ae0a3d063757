/** The `redis-server` process of an embedded Redis: started so that it outlives us, recognised by pid, stopped by signal. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, existsSync, lstatSync, openSync, readFileSync, renameSync } from 'node:fs';
import { FatalError } from '../errors.ts';
import { unfit } from '../files/private-file.ts';
import type { RedisPlace } from './redis-place.ts';

export type AppendFsync = 'always' | 'everysec';

/**
 * How an append-only file is kept short: rewritten when it has doubled, but not below this size. Redis's own 64 MB are
 * reached every two seconds of a flood, and each page that Redis writes to meanwhile is copied first (docs/adr/0019-speed.md).
 */
export const REWRITE_FROM = ['--auto-aof-rewrite-min-size', '256mb'] as const;

/** The log is kept from growing over the years: one old file remains. */
const MAX_LOG_BYTES = 1_000_000;

/**
 * Starts the server in a process group (and session) of its own, so that Ctrl-C in our terminal does not reach it before
 * we have drained.
 *
 * @returns its pid. The server is not ready yet, and may still fail: its log says why
 * @throws FatalError when the program is missing
 */
export async function spawnRedis(place: RedisPlace, appendfsync: AppendFsync): Promise<number> {
  const log = openLog(place.logFile);
  try {
    const child = privately(() =>
      spawn('redis-server', serverArguments(place, appendfsync), {
        cwd: place.dataDir,
        detached: true,
        stdio: ['ignore', log, log],
      }),
    );
    child.unref();
    if (child.pid === undefined) throw await missing(once(child, 'error'));
    return child.pid;
  } finally {
    closeSync(log);
  }
}

/** What the server writes holds messages: for us alone, also in a copy of its files. It has no option for that. */
function privately<T>(start: () => T): T {
  const before = process.umask(0o077);
  try {
    return start();
  } finally {
    process.umask(before);
  }
}

async function missing(failure: Promise<unknown[]>): Promise<FatalError> {
  const [cause] = await failure;
  return new FatalError(
    'REDIS_UNFIT',
    'redis-server could not be started: install it (apt-get install redis-server, apk add redis, brew install redis) or set redis.url',
    { cause },
  );
}

function serverArguments(place: RedisPlace, appendfsync: AppendFsync): string[] {
  return [
    ...['--port', '0', '--unixsocket', place.socket, '--unixsocketperm', '700'],
    ...['--dir', place.dataDir, '--appendonly', 'yes', '--appendfsync', appendfsync, '--save', ''],
    ...REWRITE_FROM,
    ...['--maxmemory-policy', 'noeviction', '--daemonize', 'no', '--loglevel', 'notice'],
  ];
}

function openLog(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  try {
    if ((lstatSync(path, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG_BYTES) renameSync(path, `${path}.1`);
    return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
  } catch (error) {
    throw unfit(path, error);
  }
}

/** The last lines of the server's log, for an error message. */
export function tailOfLog(place: RedisPlace, lines = 5): string {
  try {
    return readFileSync(place.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '';
  }
}

/** Whether `pid` is a live redis-server: a zombie is dead, and a number the system gave to another program is not ours. */
export function isRedisRunning(pid: number): boolean {
  if (!signalProcess(pid, 0)) return false;
  let commandLine: string;
  try {
    // A zombie's is empty. Redis rewrites its own to `redis-server unixsocket:…`.
    commandLine = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    // Without /proc (macOS) the pid must do; with it, the process has gone just now.
    return !existsSync('/proc/self');
  }
  return commandLine.includes('redis-server');
}

/** @returns false when there is no such process (of ours) */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
