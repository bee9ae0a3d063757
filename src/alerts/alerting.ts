/**
 * The loop: look → judge → store → deliver. It runs beside the sweeps in every scheduler process and shares nothing with
 * them that it could hold up; a short lease in Redis lets one of them judge, and another goes on when that one dies.
 */
import { sleep, withDeadline } from '../async/abort.ts';
import type { BackoffPolicy } from '../async/backoff.ts';
import { type Clock, systemClock } from '../async/clock.ts';
import { explain, GatewayError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import type { StatusTimings } from '../status/read.ts';
import { redact } from '../text/redact.ts';
import type { AlertSettings, Notification } from './alert.ts';
import { Deliverer } from './deliver.ts';
import { deliveriesOf, surplusOf } from './delivery.ts';
import { judge, type Memory } from './judge.ts';
import { observe } from './observe.ts';
import { RedisAway } from './redis-away.ts';
import type { Sink } from './sinks/sink.ts';
import { AlertStore } from './store.ts';

export interface AlertingOptions {
  /** One whose commands end by themselves. */
  readonly client: RedisClient;
  readonly keys: Keys;
  /** Worker and incarnation: unique per process life. */
  readonly who: string;
  readonly sinks: readonly Sink[];
  readonly settings: AlertSettings;
  readonly timings: StatusTimings;
  /** Between two looks, ms. */
  readonly everyMs: number;
  /** How long a process that judged and died keeps others from it, ms. @defaultValue 15 000, more than one attempt to send */
  readonly leaseMs?: number;
  /** Between attempts to deliver. @defaultValue 1 s doubling to 60 s */
  readonly backoff?: BackoffPolicy;
  /** @defaultValue the system's */
  readonly clock?: Clock;
  readonly log: Logger;
}

const LEASE_MS = 15_000;
const LOOK_DEADLINE_MS = 8_000;
/** What has not changed is written all the same, so that a successor knows how long nobody watched, ms. */
const REMEMBER_EVERY_MS = 10_000;
const LAST_WORDS_MS = 1_000;

/** Runs until `signal` aborts, then gives its turn back. Never throws. */
export async function runAlerting(options: AlertingOptions, signal: AbortSignal): Promise<void> {
  const { client, keys, who, sinks, settings, log, backoff, clock = systemClock } = options;
  const store = new AlertStore({ client, keys, who, leaseMs: options.leaseMs ?? LEASE_MS });
  const deliverer = new Deliverer({ store, sinks, log, backoff });
  const { downAfterMs: afterMs, repeatEveryMs } = settings;
  const away = new RedisAway({ sinks, afterMs, repeatEveryMs, worker: who.split('#')[0] ?? who, clock, log, backoff });
  let failing = false;

  const look = async (): Promise<void> => {
    const turn = await store.takeTurn();
    if (turn === null) return;
    const readAt = clock.monotonic();
    const redisNow = () => Math.round(turn.now + clock.monotonic() - readAt);
    const observed = await observe(client, keys, options.timings);
    const { memory, notifications } = judge(turn.memory, observed, settings);
    await remember(store, turn.memory, memory, notifications.map(withoutSecrets), deliverer.arrived, options);
    deliverer.start(redisNow, observed.status, signal);
  };

  while (!signal.aborted) {
    try {
      await withDeadline('alerts', LOOK_DEADLINE_MS, signal, look);
      if (failing) log.info({ event: 'alerts-recovered' }, 'alerts are judged again');
      failing = false;
      away.answered();
    } catch (error) {
      if (signal.aborted) break;
      const reason = explain(error);
      if (!failing) log.warn({ event: 'alerts-failed', err: error, reason }, 'alerts could not be judged');
      failing = true;
      if (client.status !== 'ready' || isRedis(error)) away.failed(reason);
    }
    away.deliver(signal);
    await sleep(options.everyMs, { signal }).catch(() => undefined);
  }
  await Promise.all([deliverer.settled(), away.settled()]);
  await withDeadline('alerts', LAST_WORDS_MS, new AbortController().signal, () => store.endTurn()).catch(
    () => undefined,
  );
}

/** Not a defect of ours: those are told by the log. */
function isRedis(error: unknown): boolean {
  if (error instanceof GatewayError) return error.code === 'DEADLINE' || error.code === 'REDIS_UNAVAILABLE';
  return error instanceof Error && (error.name === 'ReplyError' || error.message === 'Command timed out');
}

async function remember(
  store: AlertStore,
  before: Memory | null,
  after: Memory,
  notifications: readonly Notification[],
  done: readonly string[],
  { sinks, log }: AlertingOptions,
): Promise<void> {
  const stored = deliveriesOf(
    notifications,
    sinks.map(({ name }) => name),
    after.judgedAt,
  );
  const surplus = surplusOf(new Map([...store.deliveries, ...stored])).filter((name) => store.deliveries.has(name));
  if (surplus.length > 0) log.error({ event: 'alert.lost', count: surplus.length }, 'too many alerts wait for a sink');
  const isChanged = notifications.length + done.length + surplus.length > 0 || !sameMemory(before, after);
  if (!isChanged && before !== null && after.judgedAt - before.judgedAt < REMEMBER_EVERY_MS) return;
  await store.write({ memory: after, done: [...done, ...surplus], stored });
}

function sameMemory(before: Memory | null, after: Memory): boolean {
  if (before === null) return false;
  return JSON.stringify({ ...before, judgedAt: 0 }) === JSON.stringify({ ...after, judgedAt: 0 });
}

/** Reasons quote platforms and proxies. */
function withoutSecrets(notification: Notification): Notification {
  return JSON.parse(redact(JSON.stringify(notification))) as Notification;
}
