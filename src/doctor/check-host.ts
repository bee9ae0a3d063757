/** What this host brings along: room for sockets, the program of the embedded Redis, an even clock. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { sleep } from '../async/abort.ts';
import { judgeSteadiness } from './check-clock.ts';
import { type Finding, fail, ok, skipped, warn } from './finding.ts';

/** A socket, its successor, a call beside it. */
const FILES_PER_CONNECTION = 3;
const FILES_BESIDE = 100;

export async function filesFinding(connections: number): Promise<Finding> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const [, soft = ''] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  if (soft === '') return skipped('files', 'this system does not say how many files a process may open');
  if (soft === 'unlimited') return ok('files', 'a process may open any number of files');
  const needed = connections * FILES_PER_CONNECTION + FILES_BESIDE;
  const words = `a process may open ${soft} files; ${connections} connections need about ${needed} if one process holds all`;
  if (Number(soft) >= needed) return ok('files', words);
  return warn(
    'files',
    words,
    'raise it: LimitNOFILE= of the systemd unit, --ulimit nofile= of the container, or ulimit -n',
  );
}

/** For the embedded Redis only. */
export async function redisProgramFinding(signal: AbortSignal): Promise<Finding> {
  try {
    const { stdout } = await promisify(execFile)('redis-server', ['--version'], { signal });
    const [, version = ''] = /v=(\S+)/.exec(stdout) ?? [];
    if (Number(version.split('.')[0]) >= 7)
      return ok('redis.program', `redis-server ${version} for the embedded Redis`);
    return fail('redis.program', `redis-server ${version} is too old`, 'install 7.0 or newer, or set redis.url');
  } catch {
    const fix = 'install it (apt-get install redis-server, apk add redis, brew install redis), or set redis.url';
    return fail('redis.program', 'redis-server, which the embedded Redis needs, cannot be started', fix);
  }
}

const STEADY_MS = 400;

export async function steadinessFinding(signal: AbortSignal): Promise<Finding> {
  const before = { wall: Date.now(), monotonic: performance.now() };
  await sleep(STEADY_MS, { signal });
  const overMs = performance.now() - before.monotonic;
  return judgeSteadiness(Date.now() - before.wall - overMs, overMs);
}
