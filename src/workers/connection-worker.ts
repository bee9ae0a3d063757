/**
 * Runs connection jobs. Jobs are fetched by hand: a stock BullMQ processor is unsafe for jobs that never end (it can
 * run one twice without an event, and its close() waits for ever).
 *
 * Three loops, each supervised: fetch (only below this worker's share), renewal of the BullMQ locks (the second net
 * behind our lease), and the worker's own report. Sessions are kept by job token, because the same job may come back
 * while its former session is still ending.
 */
import { type Job, Worker } from 'bullmq';
import type { Logger } from 'pino';
import { controllerForMany, sleep } from '../async/abort.ts';
import { DrainRequested, explain, ProcessStopping } from '../errors.ts';
import { type ConnectionId, connectionId, type WorkerId } from '../model.ts';
import { readOwners } from '../state/evidence.ts';
import { noteUnfit } from '../state/fitness.ts';
import type { Keys } from '../state/keys.ts';
import { type ConnectionJobData, RATE_LIMIT_ASKED_AGAIN_MS, UNLIMITED_STALLS } from '../state/queues.ts';
import { boundSilence, bullConnection, type RedisAddress } from '../state/redis.ts';
import { takesUpTo } from './fair-share.ts';
import { holdConnection } from './hold-connection.ts';
import { createJobView } from './job-view.ts';
import { createRebalance, type Movable } from './rebalance.ts';
import { settleJob } from './settle-job.ts';
import type { HoldDeps } from './tenure.ts';

/** What is used of BullMQ's worker: jobs are fetched and their locks renewed by hand. */
export type JobSource = Pick<Worker<ConnectionJobData>, 'getNextJob' | 'extendJobLocks' | 'waitUntilReady' | 'close'>;

export interface ConnectionWorkerOptions {
  readonly worker: WorkerId;
  readonly incarnation: string;
  readonly address: RedisAddress;
  readonly keys: Keys;
  readonly hold: HoldDeps;
  /** The most connections this worker ever holds. */
  readonly capacity: number;
  /** Its fair part of all connections, asked before each fetch; above it, others are given time to come first. */
  share(): number;
  /** Lock of a connection job, ms. */
  readonly jobLockMs: number;
  readonly drainMs: number;
  readonly log: Logger;
  /** Where jobs come from. @defaultValue a BullMQ worker that runs nothing by itself */
  openJobs?(options: ConnectionWorkerOptions): JobSource;
}

export interface ConnectionWorker {
  /** Connections held now. */
  readonly held: number;
  isHeld(id: ConnectionId): boolean;
  /** False while no connection job can be fetched: others should not count on this worker. */
  readonly takes: boolean;
  /** Why nothing is given to other workers though it should be; `null`: all is well. */
  readonly movesRefused: string | null;
  /** Resolves once jobs are being fetched. */
  readonly ready: Promise<void>;
  /** Stops fetching, hands every connection over, and ends. @returns when nothing is held any more */
  drain(reason: string): Promise<void>;
  /** Cuts everything at once. */
  stop(): Promise<void>;
}

interface Session {
  readonly id: ConnectionId;
  readonly done: Promise<void>;
  lockLost: boolean;
  readonly drain: AbortController;
}

/** Longest block of one fetch, s: a frozen fetcher eats the queue's wake-up for that long. */
const FETCH_BLOCK_S = 0.5;
const FETCH_RETRY_MS = 200;
/** While jobs wait, so many are asked for at a time: after a start or a worker's death each would cost a round trip. */
const FETCHES_AT_ONCE = 16;
/**
 * Between two such lots while attempts of this worker wait for their place, ms: what it holds and cannot begin yet,
 * another worker might begin sooner, and thousands of leases that only wait have to be renewed all the same.
 */
const FETCH_PAUSE_MS = 100;
/** How long a worker fetches nothing after a job it could not hold: longer than that job stays away, ms. */
const ASIDE_MS = 700;
const CAPACITY_POLL_MS = 250;
const SHARE_POLL_MS = 20;
/** A fetch that has no answer for so long, ms, never gets one: its connection is open on our side only. */
const FETCH_STUCK_MS = 3_000;
const FETCH_WATCH_MS = 500;
/** How long a worker at its fair share leaves a waiting job to others, ms on average. */
const OVER_SHARE_MS = 1_500;

export function startConnectionWorker(options: ConnectionWorkerOptions): ConnectionWorker {
  const { log } = options;
  const sessions = new Map<string, Session>();
  const fetching = controllerForMany();
  const stopping = controllerForMany();
  let fetched = 0;
  /** Those without an answer so far, and since when, monotonic ms; oldest first. */
  const fetches = new Map<string, number>();
  let fetchFails = false;
  let jobsWait = false;
  let asideUntil = 0;

  const bull = (options.openJobs ?? openBullJobs)(options);

  const launch = (job: Job<ConnectionJobData>, jobToken: string): void => {
    const drain = new AbortController();
    if (fetching.signal.aborted) drain.abort(fetching.signal.reason);
    const session: Session = { id: job.id as ConnectionId, done: run(job, jobToken, drain), lockLost: false, drain };
    sessions.set(jobToken, session);
  };

  const run = async (job: Job<ConnectionJobData>, jobToken: string, drain: AbortController): Promise<void> => {
    const view = createJobView(job, log);
    try {
      const id = readId(job);
      if (id === null) {
        log.warn(
          { event: 'phantom-job', job: job.id },
          'a job without data is removed; the scheduler will add it anew',
        );
        await settleJob(job, jobToken, { kind: 'bug', error: new Error('job without data') }, log, stopping.signal);
        return;
      }
      const end = await holdConnection(options.hold, id, jobToken, view, drain.signal);
      // Whoever put a job back knows best when it returns, and would win it again and again.
      if (end.kind === 'unfit' || end.kind === 'elsewhere') asideUntil = performance.now() + ASIDE_MS;
      if (end.kind === 'unfit') {
        log.warn({ event: 'unfit', connection: id, reason: end.reason }, 'connection cannot be held here');
        await noteUnfit(options.hold.client, options.keys, id, options.worker, end.reason);
      }
      if (end.kind === 'unreachable') {
        log.warn({ event: 'claim-failed', connection: id, reason: explain(end.error) }, 'lease could not be claimed');
      }
      await settleJob(job, jobToken, end, log, stopping.signal);
    } catch (error) {
      log.error({ err: error, job: job.id }, 'a session ended by a defect of the worker');
    } finally {
      view.close();
      sessions.delete(jobToken);
    }
  };

  const fetchLoop = async (): Promise<void> => {
    const signal = fetching.signal;
    while (!signal.aborted) {
      if (sessions.size >= options.capacity) {
        await sleep(CAPACITY_POLL_MS, { signal });
        continue;
      }
      if (performance.now() < asideUntil) await sleep(asideUntil - performance.now(), { signal });
      const overShare = sessions.size >= takesUpTo(options.share());
      // Not a hard bound: the others may be unfit or dead, and a connection without an owner is worse than an uneven load.
      if (overShare) await stepBack(signal);
      try {
        if (jobsWait && options.hold.pace.longestWaitMs > 0) await sleep(FETCH_PAUSE_MS, { signal });
        await (jobsWait && !overShare ? fetchSome() : fetchOne({ block: !overShare }));
        if (fetchFails) log.info({ event: 'fetch-recovered' }, 'connection jobs are fetched again');
        fetchFails = false;
      } catch (error) {
        if (!fetchFails)
          log.warn({ event: 'fetch-failed', reason: explain(error) }, 'no connection jobs can be fetched');
        fetchFails = true;
        await sleep(FETCH_RETRY_MS, { signal });
      }
    }
  };

  const fetchOne = async ({ block }: { block: boolean }): Promise<void> => {
    fetched += 1;
    const jobToken = `${options.worker}.${options.incarnation}-${fetched}`;
    fetches.set(jobToken, performance.now());
    const job = await bull.getNextJob(jobToken, { block }).finally(() => fetches.delete(jobToken));
    jobsWait = job !== undefined;
    if (job !== undefined) launch(job, jobToken);
  };

  /** As many as this worker has room for. @throws what the first of them threw, after all were answered */
  const fetchSome = async (): Promise<void> => {
    const room = Math.min(options.capacity, takesUpTo(options.share())) - sessions.size;
    const lot = Array.from({ length: Math.min(room, FETCHES_AT_ONCE) }, () => fetchOne({ block: false }));
    const failed = (await Promise.allSettled(lot)).find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  };

  /** Lets others come first, unless this worker's share grows meanwhile. */
  const stepBack = async (signal: AbortSignal): Promise<void> => {
    const until = performance.now() + OVER_SHARE_MS * (0.5 + Math.random());
    while (performance.now() < until && sessions.size >= takesUpTo(options.share()))
      await sleep(SHARE_POLL_MS, { signal });
  };

  const lockLoop = async (): Promise<void> => {
    const signal = stopping.signal;
    for (;;) {
      await sleep(options.jobLockMs / 5, { signal });
      // Failures come back as ids: a batch must not have one id twice, and of two sessions the newer has the lock.
      const newest = new Map([...sessions].map(([token, session]) => [session.id, [token, session] as const]));
      const held = [...newest.values()].filter(([, session]) => !session.lockLost);
      if (held.length === 0) continue;
      try {
        const lost = await bull.extendJobLocks(
          held.map(([, session]) => session.id),
          held.map(([token]) => token),
          options.jobLockMs,
        );
        for (const [token, session] of held) {
          if (!lost.includes(session.id)) continue;
          session.lockLost = true;
          log.warn({ event: 'job-lock-lost', connection: session.id, token }, 'job lock lost; handing over');
          session.drain.abort(new DrainRequested('the job lock was lost', { again: true }));
        }
      } catch (error) {
        log.debug({ reason: explain(error) }, 'job locks not renewed');
      }
    }
  };

  const rebalance = createRebalance({
    movable: () =>
      [...sessions.values()].flatMap((session) => (session.drain.signal.aborted ? [] : [movableOf(session)])),
    share: () => options.share(),
    ownersOf: (ids) => readOwners(options.hold.client, options.keys, ids),
    worker: options.worker,
    log,
  });

  const takes = (): boolean => {
    const [oldest = Infinity] = fetches.values();
    return !fetchFails && performance.now() - oldest < FETCH_STUCK_MS;
  };

  /** Whoever cannot fetch is not counted on by others; what it holds stays with it. */
  const watchFetches = async (): Promise<void> => {
    const signal = stopping.signal;
    for (let took = true; ; ) {
      await sleep(FETCH_WATCH_MS, { signal });
      const stuck = fetches.size > 0 && !fetchFails && !takes();
      if (stuck && took)
        log.warn({ event: 'fetch-stuck' }, 'a fetch of connection jobs has no answer: others take them');
      if (!stuck && !took) log.info({ event: 'fetch-answered' }, 'fetches of connection jobs are answered again');
      took = !stuck;
    }
  };

  const loops = [
    supervise('fetch', fetchLoop, fetching.signal),
    supervise('job locks', lockLoop, stopping.signal),
    supervise('rebalance', () => rebalance.run(fetching.signal), fetching.signal),
    supervise('watch of fetches', watchFetches, stopping.signal),
  ];

  /** A loop that ends without having been told to is started again, and said so. */
  async function supervise(name: string, loop: () => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await loop();
      } catch (error) {
        if (signal.aborted) return;
        log.error({ err: error, loop: name }, 'a worker loop ended; it is started again');
        await sleep(FETCH_RETRY_MS, { signal }).catch(() => undefined);
      }
    }
  }

  const end = async (): Promise<void> => {
    await Promise.all([...sessions.values()].map((session) => session.done));
    stopping.abort(new ProcessStopping('connection worker'));
    // Forced: nothing is held any more, and an ordinary close waits for a blocking fetch.
    await bull.close(true);
    await Promise.all(loops);
  };

  return {
    get held() {
      return sessions.size;
    },
    isHeld(id) {
      for (const session of sessions.values()) if (session.id === id) return true;
      return false;
    },
    get takes() {
      return takes();
    },
    get movesRefused() {
      return rebalance.refused;
    },
    ready: bull.waitUntilReady().then(() => undefined),
    async drain(reason) {
      const why = new DrainRequested(reason, { again: true, leaving: true });
      fetching.abort(why);
      for (const session of sessions.values()) session.drain.abort(why);
      await end();
    },
    async stop() {
      fetching.abort(new ProcessStopping('connection worker'));
      stopping.abort(new ProcessStopping('connection worker'));
      for (const session of sessions.values()) session.drain.abort(new DrainRequested('stopping', { again: true }));
      await bull.close(true);
    },
  };
}

function movableOf({ id, done, drain }: Session): Movable {
  return {
    id,
    leave(reason) {
      drain.abort(new DrainRequested(reason, { again: true }));
      return done;
    },
  };
}

function openBullJobs({ worker, keys, address, jobLockMs, log }: ConnectionWorkerOptions): JobSource {
  const bull = new Worker<ConnectionJobData>('connections', null, {
    autorun: false,
    name: worker,
    prefix: keys.bull,
    connection: bullConnection(address, `holdfast:connections:${worker}`),
    lockDuration: jobLockMs,
    maxStalledCount: UNLIMITED_STALLS,
    maximumRateLimitDelay: RATE_LIMIT_ASKED_AGAIN_MS,
    drainDelay: FETCH_BLOCK_S,
    runRetryDelay: FETCH_RETRY_MS,
    skipStalledCheck: true,
  });
  boundSilence(bull);
  bull.on('error', (error) => log.debug({ reason: explain(error) }, 'connection queue'));
  return bull;
}

function readId(job: Job<ConnectionJobData>): ConnectionId | null {
  try {
    return connectionId(String(job.data.connectionId));
  } catch {
    return null;
  }
}
