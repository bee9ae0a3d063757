/** The role that holds connections: lease keeper, presence and connection worker, tied together. */
import type { Logger } from 'pino';
import type { Adapter } from '../adapters/adapter.ts';
import { controllerForMany } from '../async/abort.ts';
import { systemClock } from '../async/clock.ts';
import type { Config } from '../config.ts';
import { DrainRequested, explain } from '../errors.ts';
import { createBudget } from '../state/budget.ts';
import type { Keys } from '../state/keys.ts';
import type { LaneQueue } from '../state/lane-jobs.ts';
import type { Measurements } from '../state/measurements.ts';
import { announcePresence, type Presence } from '../state/presence.ts';
import { type RedisAddress, type RedisClient, userOf } from '../state/redis.ts';
import type { RedisClock } from '../state/redis-clock.ts';
import { troubleOf } from '../state/redis-trouble.ts';
import type { Safeguards } from '../state/safeguards.ts';
import { createAttemptPace } from '../workers/attempt-pace.ts';
import { BatchSlots } from '../workers/batch-slots.ts';
import { type ConnectionWorker, startConnectionWorker } from '../workers/connection-worker.ts';
import { createInboundPump } from '../workers/inbound-pump.ts';
import { keepWarm } from '../workers/keep-warm.ts';
import { leaseMargin } from '../workers/lease-clock.ts';
import { LeaseKeeper } from '../workers/lease-keeper.ts';
import type { HoldDeps, PumpRequest } from '../workers/tenure.ts';
import { Turnstile } from '../workers/turnstile.ts';
import { startWatchdog } from '../workers/watchdog.ts';
import type { CredentialStore } from './credentials.ts';
import type { LiveConfig } from './live-config.ts';
import type { ProcessIdentity } from './process-identity.ts';
import type { Role } from './role.ts';
import { transportsBy } from './transports.ts';

export interface ConnectionsRoleOptions {
  readonly config: Config;
  readonly identity: ProcessIdentity;
  readonly address: RedisAddress;
  /** A client of the `fenced` profile: an unanswered write has an unknown outcome. */
  readonly fenced: RedisClient;
  readonly keys: Keys;
  readonly adapters: ReadonlyMap<string, Adapter>;
  readonly credentials: CredentialStore;
  readonly live: LiveConfig;
  readonly turns: LaneQueue;
  /** Redis as a whole is short of memory. */
  instanceFull(): boolean;
  /** And it is getting short of it. */
  short(): boolean;
  readonly safeguards: Safeguards;
  readonly measurements: Measurements;
  readonly redisClock: RedisClock;
  share(): number;
  /** Somebody says that wishes or the set of workers changed. */
  onPoke(): void;
  readonly capacity: number;
  readonly log: Logger;
}

export interface ConnectionsRole extends Role {
  readonly held: number;
  /** See {@link Presence.proven}. */
  readonly isSeen: boolean;
  /** How it shares connections with other workers. */
  readonly sharing: Pick<ConnectionWorker, 'takes' | 'movesRefused'>;
}

export function startConnectionsRole(options: ConnectionsRoleOptions): ConnectionsRole {
  const { config, identity, address, fenced, keys, log } = options;
  const { timings } = config;
  const ended = controllerForMany();
  const keeper = new LeaseKeeper({
    client: fenced,
    keys,
    leaseMs: timings.leaseMs,
    renewEveryMs: timings.renewEveryMs,
    clock: systemClock,
    log,
    selfFence: options.safeguards.fence,
  });
  const keeping = keeper.run(ended.signal);
  const presence = startPresence(options, () => {
    // First of all that we live: whoever looks now sees no subscription of ours.
    keeper.lookNow();
    options.onPoke();
  });
  const openTransport = transportsBy(config, null);
  const slots = new BatchSlots();
  const hold: HoldDeps = {
    client: fenced,
    keys,
    worker: identity.worker,
    incarnation: identity.incarnation,
    keeper,
    adapters: options.adapters,
    credentialsOf: (connection) => options.credentials.fresh(connection),
    openTransport,
    budgetFor: (platform, account) => createBudget(fenced, keys, platform, account),
    openPump: (request) => openPump(options, slots, request),
    turnstile: new Turnstile(),
    pace: createAttemptPace(),
    measurements: options.measurements,
    timings: {
      leaseMs: timings.leaseMs,
      drainMs: timings.drainMs,
      dialTimeoutMs: timings.dialTimeoutMs,
      healthyAfterMs: timings.healthyAfterMs,
      probeEveryMs: timings.probeEveryMs,
      hostDoubtMs: HOST_DOUBT_MS,
      backoff: { baseMs: timings.backoffBaseMs, capMs: timings.backoffCapMs, factor: BACKOFF_FACTOR },
    },
    clock: systemClock,
    log,
  };
  const worker: ConnectionWorker = startConnectionWorker({
    worker: identity.worker,
    incarnation: identity.incarnation,
    address,
    keys,
    hold,
    capacity: options.capacity,
    share: options.share,
    jobLockMs: timings.jobLockMs,
    drainMs: timings.drainMs,
    log,
  });
  const warming = keepWarm({
    connections: () => options.live.current.connections.filter(({ enabled }) => enabled),
    isHeld: (id) => worker.isHeld(id),
    adapters: options.adapters,
    openTransport,
    clock: systemClock,
    log,
    signal: ended.signal,
  });
  const watchdog = options.safeguards.fence
    ? startWatchdog({ killAfterMs: timings.leaseMs - leaseMargin(timings.leaseMs) }, (error) =>
        log.error(
          { err: error, event: 'watchdog-ended' },
          'the watchdog thread ended: a blocked loop would go unnoticed',
        ),
      )
    : null;
  keeping.catch((error: unknown) => {
    // Without renewals every lease runs out: the holds fence themselves, and the process must not go on like this.
    log.fatal({ err: error, reason: explain(error) }, 'the lease keeper ended');
    process.exit(70);
  });
  return {
    name: 'connections',
    ready: worker.ready,
    get held() {
      return worker.held;
    },
    get sharing() {
      return worker;
    },
    get isSeen() {
      return presence.proven;
    },
    async drain(reason) {
      await worker.drain(reason);
      ended.abort();
      presence.close();
      await watchdog?.stop();
      await Promise.all([keeping, warming]);
    },
  };
}

/** @param look - at wishes, and says that we live; called when somebody asks for it, and when our presence came or went */
function startPresence({ address, keys, identity, fenced, log }: ConnectionsRoleOptions, look: () => void): Presence {
  let complained = false;
  const onError = (reason: string) => {
    const trouble = troubleOf(new Error(reason), userOf(fenced, keys.prefix));
    // Lost connections are told by what works over the others.
    if (trouble?.kind === 'away' || trouble?.needs === 'time') return log.debug({ reason }, 'presence');
    complained = true;
    const words = trouble === null ? reason : `${trouble.words}; ${trouble.fix}`;
    log.warn(
      { event: 'presence-unseen', reason: words },
      `other processes cannot see by their presence that this one lives, and rely on its renewals alone: ${words}`,
    );
  };
  const presence = announcePresence(address, keys, identity.presence, look, onError, () => {
    if (presence.proven && complained) log.info({ event: 'presence-seen' }, 'presence works again');
    if (presence.proven) complained = false;
    look();
  });
  return presence;
}

function openPump(options: ConnectionsRoleOptions, slots: BatchSlots, request: PumpRequest) {
  const { connectionId, platform, ...rest } = request;
  const pump = createInboundPump({
    ...rest,
    connection: connectionId,
    redis: options.fenced,
    keys: options.keys,
    turns: options.turns,
    instanceFull: options.instanceFull,
    redisAheadMs: () => options.redisClock.aheadOf(systemClock.now(), systemClock.monotonic()),
    short: options.short,
    slots,
    safeguards: options.safeguards,
    onStored: (lagMs, events) => options.measurements.took('stored', platform, lagMs, events),
  });
  return {
    sink: pump,
    async close() {
      pump.stop(new DrainRequested('the tenure is over', { again: true }));
      await pump.jobsAdded();
    },
  };
}

/** Longer than most bad minutes of a platform or network, ms. */
const HOST_DOUBT_MS = 30_000;

/** Gentle growth: ten attempts within the first half minute of an outage, so that a short one ends soon after it ends. */
const BACKOFF_FACTOR = 1.3;
