/**
 * The Redis of a small install: a `redis-server` of our own for all Holdfast processes that share a folder.
 *
 * - Its socket decides whether it runs: whoever answers there is adopted, also after its starter was killed. Starting and
 *   stopping happen under a file lock, so that there is never a second server on the same data.
 * - Redis itself counts its users: each keeps one connection named `holdfast-user:<pid>`, which the kernel closes when
 *   the process dies. The last one to release shuts the server down; a user that was killed leaves it running for the
 *   next start to adopt.
 * - A server that dies under its users is started again by whichever of them notices first.
 */
import type { Redis } from 'ioredis';
import { sleep } from '../async/abort.ts';
import { FatalError, TransientError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type HeldLock, withFileLock } from './file-lock.ts';
import { embeddedMaxBytes } from './machine-memory.ts';
import { assertNothingBuried } from './redis-leftovers.ts';
import { describePlace, preparePlace, type RedisPlace, readRunRecord, writeRunRecord } from './redis-place.ts';
import { probeRedis } from './redis-probe.ts';
import { type AppendFsync, isRedisRunning, signalProcess, spawnRedis, tailOfLog } from './redis-process.ts';
import { connectUser, ended, hasOtherUsers, stopCounting } from './redis-users.ts';

/** Reading a large append-only file takes a while, ms. */
const LOADING_DEADLINE_MS = 60_000;
/** For a server that accepts and does not answer, ms. */
const SILENT_DEADLINE_MS = 10_000;
/** For a process that has no socket: it is about to bind one, or to end, ms. */
const UNREACHABLE_DEADLINE_MS = 4_000;
/** Another starter may be waiting out a load, ms. */
const JOIN_LOCK_MS = LOADING_DEADLINE_MS + SILENT_DEADLINE_MS;
/** A dead holder's lock has cleared by then, ms. */
const LEAVE_LOCK_MS = 4_000;
const SHUTDOWN_DEADLINE_MS = 2_000;
const TERMINATE_DEADLINE_MS = 2_000;
const POLL_MS = 50;
const PROBE_DEADLINE_MS = 1_000;

export interface AcquireRedisOptions {
  /** Folder of data, socket, log and lock; created with mode 0700. Usually `<cwd>/.holdfast`. */
  readonly dir: string;
  /** @defaultValue `'always'`: what Redis has acknowledged survives a power loss */
  readonly appendfsync?: AppendFsync;
  /** What it may hold, bytes. @defaultValue a quarter of the machine's memory */
  readonly maxBytes?: number | null;
  readonly log: Logger;
  /** Ends the wait for a server. A server that was acquired stays until it is released. */
  readonly signal: AbortSignal;
}

export interface EmbeddedRedis extends AsyncDisposable {
  /** Unix socket; stays the same when the server must be started again. */
  readonly path: string;
  /** Whether a running server was found. */
  readonly adopted: boolean;
  /**
   * Stops being a user; the last one shuts the server down (within 8 s; where that fails it is left running, which the
   * next start copes with). Never throws; safe to call twice.
   */
  release(): Promise<void>;
}

/**
 * Finds the folder's server or starts it, waits until its data is loaded, and becomes one of its users.
 *
 * @throws FatalError when redis-server is missing or cannot work with the data (the message quotes its log)
 * @throws TransientError when it does not answer within a minute
 */
export async function acquireRedis(options: AcquireRedisOptions): Promise<EmbeddedRedis> {
  const place = await preparePlace(options.dir);
  const membership = await join(place, options, options.signal);
  return new Membership(place, options, membership);
}

/**
 * The server of `dir` if one is listening, for readers that must not start one. It may still be loading.
 * Takes at most a second.
 *
 * @throws FatalError when the folder, its run file or its socket's folder is somebody else's
 */
export async function findRedis(options: { readonly dir: string }): Promise<{ readonly path: string } | undefined> {
  let place: RedisPlace;
  try {
    place = await describePlace(options.dir);
  } catch (error) {
    if (error instanceof FatalError) throw error;
    return undefined;
  }
  const path = (await readRunRecord(place))?.socket ?? place.socket;
  return (await probeRedis(path, PROBE_DEADLINE_MS)) === 'absent' ? undefined : { path };
}

/** A user's standing with a running server. */
interface Joined {
  readonly path: string;
  readonly adopted: boolean;
  /** The connection by which Redis counts us. */
  readonly user: Redis;
}

class Membership implements EmbeddedRedis {
  readonly path: string;
  readonly adopted: boolean;
  readonly #place: RedisPlace;
  readonly #options: AcquireRedisOptions;
  readonly #leaving = new AbortController();
  readonly #staying: Promise<void>;
  #user: Redis;
  #left: Promise<void> | undefined;

  constructor(place: RedisPlace, options: AcquireRedisOptions, joined: Joined) {
    this.path = joined.path;
    this.adopted = joined.adopted;
    this.#place = place;
    this.#options = options;
    this.#user = joined.user;
    this.#staying = this.#stay();
  }

  release(): Promise<void> {
    this.#left ??= this.#leave();
    return this.#left;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Brings the server back whenever it is lost, until we leave. */
  async #stay(): Promise<void> {
    const { signal } = this.#leaving;
    const { log } = this.#options;
    while (!signal.aborted) {
      try {
        await ended(this.#user, signal);
        signal.throwIfAborted();
        log.error({ event: 'redis.lost', path: this.path, tail: tailOfLog(this.#place) }, 'the embedded Redis is gone');
        // At the same path, also where it was adopted at another one: our clients go on trying there.
        this.#user = (await join({ ...this.#place, socket: this.path }, this.#options, signal)).user;
        log.warn({ event: 'redis.back', path: this.path }, 'the embedded Redis answers again');
      } catch (err) {
        if (signal.aborted) return;
        log.error({ event: 'redis.unavailable', err }, 'the embedded Redis could not be brought back yet');
        await sleep(1_000, { signal }).catch(() => {});
      }
    }
  }

  async #leave(): Promise<void> {
    const { log } = this.#options;
    this.#leaving.abort();
    await this.#staying;
    try {
      const never = new AbortController().signal;
      await withFileLock(this.#place.lockFile, LEAVE_LOCK_MS, never, () => leaveOrStop(this.#place, this.#user, log));
    } catch (err) {
      log.warn({ event: 'redis.left-running', err }, 'the embedded Redis was left running; the next start adopts it');
    } finally {
      this.#user.disconnect();
    }
  }
}

/** Finds or starts the server and connects as a user, all under the lock: a server that is being left cannot be joined. */
async function join(place: RedisPlace, options: AcquireRedisOptions, signal: AbortSignal): Promise<Joined> {
  return await withFileLock(place.lockFile, JOIN_LOCK_MS, signal, async (lock) => {
    const found = await findLive(place, signal);
    const path = found ?? (await start(place, lock, options, signal));
    const user = await connectUser(path);
    try {
      if (found !== undefined) await user.config('SET', 'appendfsync', options.appendfsync ?? 'always');
      await limitMemory(user, options);
      options.log.info(
        { event: found === undefined ? 'redis.started' : 'redis.adopted', path },
        found === undefined ? 'embedded Redis started' : 'embedded Redis found running',
      );
      return { path, adopted: found !== undefined, user };
    } catch (error) {
      user.disconnect();
      throw error;
    }
  });
}

/** Data of a time without a limit may be more than it: then there is room for half as much again, and it is said. */
async function limitMemory(user: Redis, { maxBytes, log }: AcquireRedisOptions): Promise<void> {
  const wanted = maxBytes ?? embeddedMaxBytes();
  const used = Number(/^used_memory:(\d+)/m.exec(await user.info('memory'))?.[1] ?? 0);
  const limit = used <= wanted ? wanted : Math.ceil(used * 1.5);
  await user.config('SET', 'maxmemory', String(limit), 'maxmemory-policy', 'noeviction');
  if (limit === wanted) return;
  const facts = { event: 'redis.limit', usedBytes: used, wantedBytes: wanted, maxBytes: limit };
  log.warn(facts, 'the embedded Redis holds more than it may: its limit is raised until it is started with less');
}

/**
 * The socket of a running server that answers. Waits for one that is loading, silent, or about to end.
 *
 * @returns undefined when none runs
 */
async function findLive(place: RedisPlace, signal: AbortSignal): Promise<string | undefined> {
  const record = await readRunRecord(place);
  const path = record?.socket ?? place.socket;
  const startedAt = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const probe = await probeRedis(path, PROBE_DEADLINE_MS);
    const waitedMs = performance.now() - startedAt;
    switch (probe) {
      case 'ready':
        return path;
      case 'loading':
        if (waitedMs > LOADING_DEADLINE_MS) throw silent(place, path, 'is still loading its data');
        break;
      case 'silent':
        if (waitedMs > SILENT_DEADLINE_MS) throw silent(place, path, 'accepts connections but does not answer');
        break;
      case 'absent':
        if (record === undefined || !isRedisRunning(record.pid)) return undefined;
        // It is binding its socket, or ending. If neither comes to pass, its socket was removed and nobody can reach it.
        if (waitedMs > UNREACHABLE_DEADLINE_MS) await stopByPid(record.pid, signal);
        break;
      default:
        probe satisfies never;
    }
    await sleep(POLL_MS, { signal });
  }
}

function silent(place: RedisPlace, path: string, what: string): TransientError {
  return new TransientError('REDIS_UNAVAILABLE', `the embedded Redis at ${path} ${what}; its log is ${place.logFile}`);
}

async function start(
  place: RedisPlace,
  lock: HeldLock,
  options: AcquireRedisOptions,
  signal: AbortSignal,
): Promise<string> {
  lock.assertHeld();
  await assertNothingBuried(place.dataDir);
  const pid = await spawnRedis(place, options.appendfsync ?? 'always');
  await writeRunRecord(place, { dir: place.dir, socket: place.socket, pid });
  const path = await findLive(place, signal);
  if (path !== undefined) return path;
  throw new FatalError('REDIS_UNFIT', `redis-server ended at once; ${place.logFile} says:\n${tailOfLog(place)}`);
}

/** Under the lock: stops the server when no other user is left. */
async function leaveOrStop(place: RedisPlace, user: Redis, log: Logger): Promise<void> {
  if (user.status !== 'ready') return;
  if (await hasOtherUsers(user)) {
    await stopCounting(user);
    return;
  }
  const pid = Number(/^process_id:(\d+)/m.exec(await user.info('server'))?.[1]);
  // Answers only when it fails; else the connection closes. The process decides, so the answer is not waited for.
  user.shutdown().catch(() => {});
  await stopped(pid, SHUTDOWN_DEADLINE_MS, () => signalProcess(pid, 'SIGTERM'));
  log.info({ event: 'redis.stopped', dir: place.dir }, 'embedded Redis stopped with its last user');
}

async function stopByPid(pid: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  signalProcess(pid, 'SIGTERM');
  await stopped(pid, TERMINATE_DEADLINE_MS, () => {});
}

/** Waits until the process is gone; after `ms` does `then` and waits once more. @throws TransientError when it stays */
async function stopped(pid: number, ms: number, then: () => void): Promise<void> {
  const signal = new AbortController().signal;
  for (const [deadlineMs, late] of [
    [ms, then],
    [TERMINATE_DEADLINE_MS, undefined],
  ] as const) {
    const startedAt = performance.now();
    while (performance.now() - startedAt < deadlineMs) {
      if (!isRedisRunning(pid)) return;
      await sleep(POLL_MS, { signal });
    }
    late?.();
  }
  throw new TransientError('REDIS_UNAVAILABLE', `redis-server ${pid} does not end`);
}
