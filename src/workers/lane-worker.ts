/**
 * A stock BullMQ worker for jobs that wake a lane: short, ordered by their lane, and never failed, because what they
 * work on is kept elsewhere. The only file that knows how BullMQ cuts a running job.
 */
import { DelayedError, type Job, Worker } from 'bullmq';
import type { Logger } from 'pino';
import { settledWithin } from '../async/abort.ts';
import { explain, FencedError, ProcessStopping } from '../errors.ts';
import { connectionId } from '../model.ts';
import type { Keys } from '../state/keys.ts';
import { type LaneJobData, type QueueName, RATE_LIMIT_ASKED_AGAIN_MS, UNLIMITED_STALLS } from '../state/queues.ts';
import { boundSilence, bullConnection, type RedisAddress } from '../state/redis.ts';

export interface LaneStop {
  /**
   * Aborts what the job is waiting for: with {@link ProcessStopping} it should let go in good order, with
   * {@link FencedError} it is somebody else's already, and nothing may be written.
   */
  readonly signal: AbortSignal;
  /** True: finish what is in hand, then let go. */
  draining(): boolean;
}

/** `again`: the same job is to come back. */
export type LaneEnd = { readonly kind: 'done' } | { readonly kind: 'again'; readonly afterMs: number };

export interface LaneWorkerOptions {
  readonly queue: Exclude<QueueName, 'connections'>;
  readonly address: RedisAddress;
  readonly keys: Keys;
  readonly log: Logger;
  /** Shown in Bull Board. */
  readonly name: string;
  readonly concurrency: number;
  /** Lock of a job, ms: a crashed worker's lanes rest for at most this and {@link stalledCheckMs}. */
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  /** A job whose lock is lost may still be ours to finish, when nobody else has begun it. @defaultValue it is not */
  isOurs?(job: LaneJobData): Promise<boolean>;
  /** A job whose lock is lost is cut. False only in a demonstration of what fencing prevents. */
  readonly cutWhenOvertaken: boolean;
  run(job: LaneJobData, stop: LaneStop): Promise<LaneEnd>;
}

export interface LaneWorker {
  /** Resolves when jobs are being taken. */
  readonly ready: Promise<void>;
  /**
   * Takes no further job, lets those in hand finish their turn until the deadline, then cuts them and gives them back.
   * Resolves at the latest {@link CUT_GRACE_MS} after the deadline. Calling again is safe.
   */
  close(options: { readonly deadlineMs: number }): Promise<void>;
}

/** After a defect the job comes back after this, ms. */
const AFTER_FAILURE_MS = 1_000;
/** How long cut jobs may take to let go, ms. */
const CUT_GRACE_MS = 2_000;

export function createLaneWorker(options: LaneWorkerOptions): LaneWorker {
  const { log, queue } = options;
  let closing: Promise<void> | undefined;
  const draining = () => closing !== undefined;
  // Beside BullMQ's own: it knows one run per job, and of a job whose lock was lost there may be two.
  const running = new Set<RunningJob>();

  const process = async (job: Job<LaneJobData>, token: string | undefined) => {
    if (!isLaneJob(job.data)) {
      log.warn(
        { event: 'lane.phantom-job', queue, job: job.id },
        'a job without data is removed; the sweep adds it anew',
      );
      return;
    }
    const cut = new AbortController();
    const run: RunningJob = { id: job.id, data: job.data, cut, lostLock: false };
    const stop = { signal: cut.signal, draining };
    running.add(run);
    const end = await options.run(job.data, stop).catch((error: unknown): LaneEnd => {
      const facts = { queue, connection: job.data.connectionId, lane: job.data.lane };
      if (stop.signal.aborted) log.info({ event: 'lane.cut', ...facts, reason: explain(error) }, 'a lane job was cut');
      else log.error({ event: 'lane.failed', ...facts, err: error }, 'a lane job failed; it is tried again');
      return { kind: 'again', afterMs: stop.signal.aborted ? 0 : AFTER_FAILURE_MS };
    });
    running.delete(run);
    if (end.kind === 'again') await putBack(job, token, end.afterMs, log);
  };

  const worker = new Worker<LaneJobData>(queue, process, {
    name: options.name,
    prefix: options.keys.bull,
    connection: bullConnection(options.address, `holdfast:${queue}`),
    concurrency: options.concurrency,
    lockDuration: options.lockMs,
    stalledInterval: options.stalledCheckMs,
    maxStalledCount: UNLIMITED_STALLS,
    maximumRateLimitDelay: RATE_LIMIT_ASKED_AGAIN_MS,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
    // A frozen worker eats the queue's wake-up for this long, s.
    drainDelay: 1,
    runRetryDelay: 500,
  });
  boundSilence(worker);
  worker.on('error', (error) => log.debug({ queue, reason: explain(error) }, 'BullMQ'));
  worker.on('lockRenewalFailed', (jobs: string[]) => {
    if (!options.cutWhenOvertaken) return;
    for (const run of running) if (run.id !== undefined && jobs.includes(run.id)) void cutIfOvertaken(run, options);
  });

  return {
    ready: worker.waitUntilReady().then(() => undefined),
    close({ deadlineMs }) {
      closing ??= closeWorker(worker, running, deadlineMs, log);
      return closing;
    },
  };
}

/** @throws DelayedError always: BullMQ's word for "neither completed nor failed" */
async function putBack(job: Job, token: string | undefined, afterMs: number, log: Logger): Promise<never> {
  try {
    await job.moveToDelayed(Date.now() + Math.max(1, Math.ceil(afterMs)), token);
  } catch (error) {
    // The lock was lost: the job is somebody else's by now.
    log.debug({ job: job.id, reason: explain(error) }, 'the job is no longer ours');
  }
  throw new DelayedError();
}

interface RunningJob {
  readonly id: string | undefined;
  readonly data: LaneJobData;
  readonly cut: AbortController;
  lostLock: boolean;
}

/** Never throws: while Redis does not say, nothing is cut, and the next renewal that fails asks again. */
async function cutIfOvertaken(run: RunningJob, { isOurs, log, queue }: LaneWorkerOptions): Promise<void> {
  const ours = await isOurs?.(run.data).catch(() => true);
  if (ours !== true) return run.cut.abort(new FencedError('the job was taken over'));
  if (run.lostLock) return;
  run.lostLock = true;
  const facts = { event: 'lane.lock-lost', queue, connection: run.data.connectionId, lane: run.data.lane };
  log.warn(facts, 'a job lock ran out, as when this process stood still; the work is still ours, and goes on');
}

async function closeWorker(
  worker: Worker,
  running: ReadonlySet<RunningJob>,
  deadlineMs: number,
  log: Logger,
): Promise<void> {
  const closed = worker.close();
  if (await settledWithin(closed, deadlineMs)) return;
  for (const { cut } of running) cut.abort(new ProcessStopping('the worker stops'));
  if (await settledWithin(closed, CUT_GRACE_MS)) return;
  log.warn({ event: 'lane.close-late' }, 'jobs did not end in time; they come back when their locks run out');
}

function isLaneJob(data: LaneJobData | undefined): data is LaneJobData {
  try {
    connectionId(data?.connectionId ?? '');
  } catch {
    return false;
  }
  return typeof data?.lane === 'string' && Number.isSafeInteger(data.activation);
}
