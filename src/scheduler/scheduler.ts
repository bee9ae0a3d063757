/**
 * The loop: observe → plan → apply. Any number may run, on any host; none is a leader. It judges workers from outside,
 * and its own last sweep stands in Redis so that others can judge it.
 */
import { type Queue, Worker } from 'bullmq';
import type { Logger } from 'pino';
import { sleep, withDeadline } from '../async/abort.ts';
import type { Clock } from '../async/clock.ts';
import { explain } from '../errors.ts';
import type { WorkerId } from '../model.ts';
import type { LockedQueue } from '../state/job-locks.ts';
import type { Keys } from '../state/keys.ts';
import { announcePresence } from '../state/presence.ts';
import { type ConnectionJobData, UNLIMITED_STALLS } from '../state/queues.ts';
import { boundSilence, bullConnection, type RedisAddress, type RedisClient } from '../state/redis.ts';
import { recordSweep } from '../state/sweeps.ts';
import { putBackAbandoned, type SeenUnlocked } from './abandoned-jobs.ts';
import { apply } from './apply.ts';
import { createStampMender } from './mend-stamps.ts';
import { observe, presenceName, type SweepSight } from './observe.ts';
import { type SeenAsleep, type SleepingQueue, wakeOverslept } from './overslept.ts';
import { BLIND, type Memory, NO_MEMORY, type PlanTimings, plan } from './plan.ts';

export interface SchedulerOptions {
  readonly worker: WorkerId;
  /** Tells two lives of the same `host/pid` apart; {@link client} is named after both. */
  readonly incarnation: string;
  readonly client: RedisClient;
  readonly address: RedisAddress;
  readonly keys: Keys;
  readonly queue: Queue<ConnectionJobData>;
  /** Whose jobs are watched: those that sleep and those that nobody works on any more. */
  readonly queues: { readonly connections: WatchedQueue; readonly lanes: readonly WatchedQueue[] };
  /** Puts right what somebody else set in the queues; called once per sweep. @defaultValue nobody does */
  settleQueues?(): Promise<unknown>;
  /** Wakes lanes and outboxes that a crash left asleep; called once per sweep, with what it saw. */
  sweepLanes(signal: AbortSignal, sight: SweepSight): Promise<unknown>;
  /** Called with what each sweep saw; must return at once and not throw. @defaultValue nobody looks on */
  onSight?(sight: SweepSight): void;
  readonly timings: SchedulerTimings;
  readonly clock: Clock;
  readonly log: Logger;
  /** How this process is seen to be subscribed, as every worker is. @defaultValue a subscription of its own */
  announce?(options: SchedulerOptions): { close(): void };
  /** The second net behind leases and presence. @defaultValue BullMQ's own check for stalled jobs */
  openStalledCheck?(options: SchedulerOptions): Pick<Worker, 'close'>;
}

export type WatchedQueue = SleepingQueue & LockedQueue;

export interface SchedulerTimings extends PlanTimings {
  readonly sweepEveryMs: number;
  readonly stalledEveryMs: number;
  /** Lock of a turn or delivery job, ms. */
  readonly turnLockMs: number;
}

export interface Scheduler {
  /** Resolves after the first completed sweep. */
  readonly ready: Promise<void>;
  /** Resolves when the loop has ended after `signal`. */
  readonly done: Promise<void>;
}

/** A sweep that takes longer is given up: the next one starts from a fresh observation, ms. */
const SWEEP_DEADLINE_MS = 10_000;

/** After the end of a lease, by the clock of this process: then Redis's clock has passed it as well, ms. */
const LEASE_END_MS = 20;
/** However many leases end one after the other, sweeps do not follow more closely than this, ms. */
const LEAST_PAUSE_MS = 100;

export function startScheduler(options: SchedulerOptions, signal: AbortSignal): Scheduler {
  const { log, clock, timings } = options;
  const stalled = (options.openStalledCheck ?? startStalledCheck)(options);
  const self = presenceName(options.worker, options.incarnation);
  const announced = (options.announce ?? announceScheduler)(options);
  let memory: Memory = NO_MEMORY;
  let leaseEndsAt: number | null = null;
  let asleep: SeenAsleep = new Map();
  let unlocked: SeenUnlocked = new Map();
  const mendStamps = createStampMender(options);
  let failing = false;
  let tellReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    tellReady = resolve;
  });

  const sweep = async (): Promise<void> => {
    const { client, keys, queue, queues, worker } = options;
    const from = clock.monotonic();
    const { seen, sight } = await observe({ client, keys, queue, self });
    options.onSight?.(sight);
    const ids = seen.connections.map(({ id }) => id);
    await mendStamps(ids, { redis: seen.redisNow, from, to: clock.monotonic() });
    const decided = plan(seen, memory, clock.monotonic(), timings);
    memory = decided.memory;
    leaseEndsAt = decided.leaseEndsInMs === null ? null : clock.monotonic() + decided.leaseEndsInMs;
    await apply({ client, keys, queue, log }, decided.actions);
    const { connections, lanes } = queues;
    asleep = await wakeOverslept({ client, queues: [connections, ...lanes], log }, asleep, clock.monotonic());
    const abandoned = { client, queues: lanes, lockMs: timings.turnLockMs, log };
    unlocked = await putBackAbandoned(abandoned, unlocked, clock.monotonic());
    // Before the lanes: a paused queue takes their jobs and gives them to nobody.
    await options.settleQueues?.();
    await options.sweepLanes(signal, sight);
    await recordSweep(client, keys, worker);
  };

  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await withDeadline('sweep', SWEEP_DEADLINE_MS, signal, sweep);
        if (failing) log.info({ event: 'sweep-recovered' }, 'sweeps work again');
        failing = false;
        tellReady();
      } catch (error) {
        if (signal.aborted) break;
        memory = BLIND;
        unlocked = new Map();
        leaseEndsAt = null;
        if (!failing) log.error({ event: 'sweep-failed', err: error, reason: explain(error) }, 'a sweep failed');
        failing = true;
      }
      const wait = memory.suspects.size > 0 ? timings.presenceGapMs : timings.sweepEveryMs;
      // A lease that nobody renews is looked at when it ends, not up to a sweep later: that is what a lost host costs.
      const untilEnd = leaseEndsAt === null ? Infinity : leaseEndsAt + LEASE_END_MS - clock.monotonic();
      await sleep(Math.min(wait, timings.sweepEveryMs, Math.max(untilEnd, LEAST_PAUSE_MS)), { signal }).catch(
        () => undefined,
      );
    }
    announced.close();
    await stalled.close(true);
  };

  return { ready, done: loop() };
}

/** Nobody pokes a scheduler; it is subscribed to see whether subscriptions can be seen. */
function announceScheduler({ address, keys, worker, incarnation, log }: SchedulerOptions): { close(): void } {
  const tell = (reason: string) => log.debug({ reason }, 'presence of the scheduler');
  return announcePresence(address, keys, presenceName(worker, incarnation), () => undefined, tell);
}

/** Puts jobs back whose lock ran out, also while no worker lives: the second net behind leases and presence. */
function startStalledCheck(options: SchedulerOptions): Worker {
  const checker = new Worker('connections', null, {
    autorun: false,
    prefix: options.keys.bull,
    connection: bullConnection(options.address, 'holdfast:stalled-check'),
    stalledInterval: options.timings.stalledEveryMs,
    maxStalledCount: UNLIMITED_STALLS,
  });
  boundSilence(checker);
  checker.on('error', (error) => options.log.debug({ reason: explain(error) }, 'stalled check'));
  checker
    .startStalledCheckTimer()
    .catch((error: unknown) => options.log.error({ err: error }, 'the stalled check could not start'));
  return checker;
}
