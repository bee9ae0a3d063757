/**
 * The one alert that cannot live in Redis: Redis itself is away. Every process that judges alerts tells it for itself,
 * by the sinks that need no Redis, and remembers in memory that it did: a restart meanwhile tells it again.
 */
import { createHash } from 'node:crypto';
import { withDeadline } from '../async/abort.ts';
import { type BackoffPolicy, backoffDelay } from '../async/backoff.ts';
import type { Clock } from '../async/clock.ts';
import { explain } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Notification } from './alert.ts';
import { DELIVERY_BACKOFF } from './delivery.ts';
import { SEND_DEADLINE_MS, type Sink } from './sinks/sink.ts';
import { describeNotification } from './wording.ts';

export interface RedisAwayOptions {
  readonly sinks: readonly Sink[];
  readonly afterMs: number;
  readonly repeatEveryMs: number;
  /** Who says so. */
  readonly worker: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly backoff?: BackoffPolicy | undefined;
}

/** Waiting for one sink; of more the oldest is dropped. */
const MOST_WAITING = 20;

interface Waiting {
  readonly notification: Notification;
  attempts: number;
  nextAt: number;
}

export class RedisAway {
  readonly #options: RedisAwayOptions;
  readonly #lines: ReadonlyMap<Sink, Waiting[]>;
  readonly #underWay = new Map<Sink, Promise<void>>();
  /** Monotonic ms. */
  #away: { readonly since: number; readonly wallSince: number; reason: string; toldAt: number | null } | null = null;

  constructor(options: RedisAwayOptions) {
    this.#options = options;
    this.#lines = new Map(options.sinks.filter((sink) => sink.worksWithoutRedis).map((sink) => [sink, []]));
  }

  /** A look that Redis did not answer. */
  failed(reason: string): void {
    const { clock, afterMs, repeatEveryMs } = this.#options;
    const now = clock.monotonic();
    this.#away ??= { since: now, wallSince: clock.now(), reason, toldAt: null };
    this.#away.reason = reason;
    const { since, toldAt } = this.#away;
    if (now - since < afterMs || (toldAt !== null && now - toldAt < repeatEveryMs)) return;
    this.#tell(toldAt === null ? 'firing' : 'repeat');
    this.#away.toldAt = now;
  }

  answered(): void {
    if (this.#away?.toldAt != null) this.#tell('recovered');
    this.#away = null;
  }

  /** Attempts what is due; does not wait for it. */
  deliver(signal: AbortSignal): void {
    for (const [sink, line] of this.#lines) {
      const [head] = line;
      if (head === undefined || this.#underWay.has(sink) || head.nextAt > this.#options.clock.monotonic()) continue;
      const attempt = this.#attempt(sink, line, head, signal).finally(() => this.#underWay.delete(sink));
      this.#underWay.set(sink, attempt);
    }
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay.values());
  }

  #tell(kind: Notification['kind']): void {
    const { clock, worker } = this.#options;
    if (this.#away === null) return;
    const { since, wallSince, reason } = this.#away;
    const why = kind === 'recovered' ? `was: ${reason}` : reason;
    const subject = {
      name: 'Redis',
      reason: `${why} (seen by ${worker})`,
      since: new Date(wallSince).toISOString(),
      forMs: Math.round(clock.monotonic() - since),
      stored: null,
    };
    const facts = { kind, rule: 'redis', cause: 'redis-away', subjects: [subject] } as const;
    const at = new Date(clock.now()).toISOString();
    const id = createHash('sha256')
      .update(JSON.stringify([kind, worker, at]))
      .digest('hex')
      .slice(0, 24);
    const notification = { id, at, ...facts, ...describeNotification(facts) };
    for (const line of this.#lines.values()) {
      line.push({ notification, attempts: 0, nextAt: 0 });
      if (line.length > MOST_WAITING) line.shift();
    }
  }

  async #attempt(sink: Sink, line: Waiting[], head: Waiting, signal: AbortSignal): Promise<void> {
    const { clock, log, backoff = DELIVERY_BACKOFF } = this.#options;
    head.nextAt = clock.monotonic() + backoffDelay(backoff, head.attempts, Math.random());
    head.attempts += 1;
    try {
      await withDeadline(`alert to ${sink.name}`, SEND_DEADLINE_MS, signal, (within) =>
        sink.send(head.notification, { status: null, signal: within }),
      );
      const at = line.indexOf(head);
      if (at >= 0) line.splice(at, 1);
    } catch (error) {
      if (signal.aborted || head.attempts > 1) return;
      log.warn({ event: 'alert.sink-failed', sink: sink.name, reason: explain(error) }, 'an alert is tried again');
    }
  }
}
