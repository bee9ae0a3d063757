/** BullMQ's classes as Holdfast uses them, over {@link JobScripts} and a {@link RedisPipe}. */
import type { Job, Queue } from 'bullmq';
import type { WatchedQueue } from '../../src/scheduler/scheduler.ts';
import type { SweptQueue } from '../../src/scheduler/sweep-lanes.ts';
import type { ConnectionJobData, LaneJobData } from '../../src/state/queues.ts';
import type { JobSource } from '../../src/workers/connection-worker.ts';
import type { FetchedJob, JobScripts } from './job-queue.ts';
import type { RedisPipe } from './redis-client.ts';
import type { Process, World } from './world.ts';

export interface QueueUser {
  readonly world: World;
  readonly process: Process;
  /** Of profile `queue`. */
  readonly pipe: RedisPipe;
  readonly scripts: JobScripts;
}

/** Longest block of one fetch, ms: `drainDelay` of the connection worker. */
const BLOCK_MS = 500;

/** @returns a job with the methods that Holdfast calls */
function simJob({ pipe, scripts, process }: QueueUser, id: string, data: string): Job {
  const now = () => process.clock.now();
  const job = {
    id,
    data: data === '' ? {} : JSON.parse(data),
    moveToDelayed: (until: number, token: string) => {
      const from = now();
      return pipe.ask((server) => scripts.delay(server, id, token, from, until - from));
    },
    moveToCompleted: (_: unknown, token: string) => pipe.ask((server) => scripts.finish(server, id, token)),
    moveToFailed: (_: unknown, token: string) => pipe.ask((server) => scripts.finish(server, id, token)),
    moveToWait: (token: string) => pipe.ask((server) => scripts.putBack(server, id, token)),
    updateProgress: async () => {},
    log: async () => 0,
  };
  return job as unknown as Job;
}

/** The queue `connections`, as schedulers use it. */
export function connectionQueue(user: QueueUser): Queue<ConnectionJobData> {
  const { pipe, scripts, process } = user;
  const queue = {
    toKey: (name: string) => scripts.key(name),
    add: (_: string, data: ConnectionJobData, { jobId, delay = 0 }: { jobId: string; delay?: number }) => {
      const now = process.clock.now();
      return pipe.ask((server) => scripts.add(server, jobId, JSON.stringify(data), delay, now));
    },
    remove: (id: string) => pipe.ask((server) => scripts.remove(server, id)),
    getJob: async (id: string) => {
      const data = await pipe.ask((server) => server.keyspace.call('HGET', [scripts.key(id), 'data']));
      return typeof data === 'string' ? simJob(user, id, data) : undefined;
    },
  };
  return queue as unknown as Queue<ConnectionJobData>;
}

/** Any queue, as far as its jobs are watched. */
export function watchedQueue({ pipe, scripts }: QueueUser): WatchedQueue {
  return {
    toKey: (name) => scripts.key(name),
    getJob: async (id) => {
      const fields = await pipe.ask((server) => server.keyspace.call('HMGET', [scripts.key(id), 'data', 'delay']));
      const [data, delay] = Array.isArray(fields) ? fields : [];
      if (data == null) return undefined;
      return {
        delay: Number(delay ?? 0),
        promote: () => pipe.ask((server) => scripts.promote(server, id)),
        moveToWait: (token) => pipe.ask((server) => scripts.putBack(server, id, token)).then(() => 0),
      };
    },
  };
}

/** A queue that wakes lanes. @param jobId - the mutation "activation number" names jobs without it */
export function laneQueue({ pipe, scripts, process }: QueueUser, jobId = (id: string) => id): SweptQueue {
  return {
    toKey: (id) => scripts.key(jobId(id)),
    addBulk: (jobs) => {
      const now = process.clock.now();
      return pipe.ask((server) => {
        for (const { data, opts } of jobs) scripts.add(server, jobId(opts.jobId), JSON.stringify(data), 0, now);
      });
    },
  };
}

/** A BullMQ worker whose jobs are fetched by hand. */
export function jobSource(user: QueueUser, lockMs: number): JobSource {
  const fetcher = new Fetcher(user, lockMs);
  const source = {
    waitUntilReady: async () => {},
    close: async () => {},
    getNextJob: async (token: string, { block = true }: { block?: boolean } = {}) => {
      const fetched = await fetcher.fetch(token, block);
      return fetched === null ? undefined : simJob(user, fetched.id, fetched.data);
    },
    extendJobLocks: (ids: string[], tokens: string[], ms: number) =>
      user.pipe.ask((server) => user.scripts.extendLocks(server, ids, tokens, ms)),
  };
  return source as unknown as JobSource;
}

/** Asks for a job; when there is none, blocks for a wake-up and asks once more. */
export class Fetcher {
  readonly #user: QueueUser;
  readonly #lockMs: number;

  constructor(user: QueueUser, lockMs: number) {
    this.#user = user;
    this.#lockMs = lockMs;
  }

  async fetch(token: string, block: boolean): Promise<FetchedJob | null> {
    const first = await this.#ask(token);
    if (!block || (typeof first !== 'number' && first !== null)) return typeof first === 'number' ? null : first;
    await this.#blocked(first);
    const second = await this.#ask(token);
    return typeof second === 'number' ? null : second;
  }

  #ask(token: string): Promise<FetchedJob | number | null> {
    const { pipe, scripts, process } = this.#user;
    const now = process.clock.now();
    return pipe.ask((server) => scripts.fetch(server, token, this.#lockMs, now));
  }

  /** Until a wake-up, the next delayed job, or the longest block. A wake-up reaches one fetcher, alive or frozen. */
  #blocked(nextAt: number | null): Promise<void> {
    const { world, process, scripts } = this.#user;
    const untilNext = nextAt === null ? BLOCK_MS : Math.max(1, nextAt - process.clock.now());
    return new Promise((resolve) => {
      const leave = scripts.block(() => world.in(0, process, go));
      const timer = world.timer(Math.min(BLOCK_MS, untilNext), process, go);
      process.onDeath(leave);
      function go(): void {
        timer.off = true;
        leave();
        resolve();
      }
    });
  }
}

/** A stock BullMQ worker for jobs that wake lanes, as src/workers/lane-worker.ts sets one up. */
export interface StockWorkerOptions {
  readonly user: QueueUser;
  readonly name: string;
  readonly concurrency: number;
  readonly lockMs: number;
  readonly stalledEveryMs: number;
  run(
    job: LaneJobData,
    signal: AbortSignal,
  ): Promise<{ readonly kind: 'done' } | { readonly kind: 'again'; readonly afterMs: number }>;
  /** Whether a job whose lock was lost is not taken over. @defaultValue it is */
  isOurs?(job: LaneJobData): Promise<boolean>;
  /** Reason for which a job that was taken over is cut. */
  overtaken(): Error;
}

export class StockWorker {
  readonly #options: StockWorkerOptions;
  readonly #fetcher: Fetcher;
  readonly #running = new Map<
    string,
    { readonly token: string; readonly cut: AbortController; readonly data: LaneJobData }
  >();
  #fetched = 0;

  constructor(options: StockWorkerOptions) {
    this.#options = options;
    this.#fetcher = new Fetcher(options.user, options.lockMs);
    const { lockMs, stalledEveryMs, user } = options;
    setInterval(() => void this.#renew(), lockMs / 2);
    setInterval(
      () => void user.pipe.ask((server) => user.scripts.checkStalled(server, stalledEveryMs)),
      stalledEveryMs,
    );
    void this.#loop();
  }

  async #loop(): Promise<void> {
    for (;;) {
      if (this.#running.size >= this.#options.concurrency) {
        await new Promise<void>((resolve) => setTimeout(resolve, 50));
        continue;
      }
      this.#fetched += 1;
      const token = `${this.#options.name}:${this.#fetched}`;
      const job = await this.#fetcher.fetch(token, true);
      if (job !== null) void this.#process(job, token);
    }
  }

  async #process({ id, data }: FetchedJob, token: string): Promise<void> {
    const { user, run } = this.#options;
    const cut = new AbortController();
    const mine = { token, cut, data: JSON.parse(data) as LaneJobData };
    this.#running.set(id, mine);
    const end = await run(mine.data, cut.signal).catch(
      () => ({ kind: 'again', afterMs: cut.signal.aborted ? 0 : 1_000 }) as const,
    );
    if (this.#running.get(id) === mine) this.#running.delete(id);
    const now = user.process.clock.now();
    // An error says that the job is somebody else's by now.
    await user.pipe
      .ask((server) => {
        if (end.kind === 'done') user.scripts.finish(server, id, token);
        else user.scripts.delay(server, id, token, now, Math.max(1, Math.ceil(end.afterMs)));
      })
      .catch(() => undefined);
  }

  async #renew(): Promise<void> {
    const { user, lockMs, overtaken, isOurs } = this.#options;
    const held = [...this.#running];
    if (held.length === 0) return;
    const ids = held.map(([id]) => id);
    const tokens = held.map(([, { token }]) => token);
    const lost = await user.pipe.ask((server) => user.scripts.extendLocks(server, ids, tokens, lockMs));
    for (const [id, { cut, data }] of held) {
      if (lost.includes(id) && (await isOurs?.(data).catch(() => true)) !== true) cut.abort(overtaken());
    }
  }
}
