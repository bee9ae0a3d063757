/**
 * Carries notifications to the sinks: of each sink one at a time and in order, so that no sink waits for another one and
 * "it is over" never overtakes "it began". Every attempt is recorded before it begins; whoever goes on after a crash
 * sends again, under the same id.
 */
import { withDeadline } from '../async/abort.ts';
import type { BackoffPolicy } from '../async/backoff.ts';
import { explain, TransientError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { StatusDocument } from '../status/document.ts';
import { DELIVERY_BACKOFF, type Delivery, GIVE_UP_AFTER_MS, headsOf, isDue, started } from './delivery.ts';
import { SEND_DEADLINE_MS, type Sink } from './sinks/sink.ts';
import type { AlertStore } from './store.ts';

export interface DelivererOptions {
  readonly store: AlertStore;
  readonly sinks: readonly Sink[];
  readonly log: Logger;
  /** @defaultValue 1 s doubling to 60 s, full jitter */
  readonly backoff?: BackoffPolicy | undefined;
}

export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #sinks: ReadonlyMap<string, Sink>;
  readonly #underWay = new Map<string, Promise<void>>();
  /** Delivered, and not yet known to be so in Redis. */
  readonly #arrived = new Set<string>();
  /** Sinks whose last attempt failed: said once. */
  readonly #failing = new Set<string>();

  constructor(options: DelivererOptions) {
    this.#options = options;
    this.#sinks = new Map(options.sinks.map((sink) => [sink.name, sink]));
  }

  /** Delivered and still listed: for the next write. */
  get arrived(): string[] {
    const { deliveries } = this.#options.store;
    for (const name of this.#arrived) if (!deliveries.has(name)) this.#arrived.delete(name);
    return [...this.#arrived];
  }

  /** Starts what is due; does not wait for it. @param redisNow - Redis's clock, ms */
  start(redisNow: () => number, status: StatusDocument, signal: AbortSignal): void {
    const { deliveries } = this.#options.store;
    const waiting = new Map([...deliveries].filter(([name]) => !this.#arrived.has(name)));
    for (const [sinkName, name] of headsOf(waiting)) {
      const sink = this.#sinks.get(sinkName);
      const delivery = waiting.get(name);
      if (delivery === undefined || this.#underWay.has(sinkName) || !isDue(delivery, redisNow())) continue;
      const attempt = this.#attempt(name, delivery, sink, { redisNow, status, signal }).finally(() => {
        this.#underWay.delete(sinkName);
      });
      this.#underWay.set(sinkName, attempt);
    }
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay.values());
  }

  /** Never throws: what fails here is tried again at a later look. */
  async #attempt(
    name: string,
    delivery: Delivery,
    sink: Sink | undefined,
    look: { redisNow(): number; status: StatusDocument; signal: AbortSignal },
  ): Promise<void> {
    const { store, log, backoff = DELIVERY_BACKOFF } = this.#options;
    const { redisNow, status, signal } = look;
    const facts = { alertId: delivery.notification.id, sink: delivery.sink };
    try {
      if (redisNow() - delivery.createdAt > GIVE_UP_AFTER_MS) {
        log.error({ event: 'alert.lost', ...facts }, 'an alert could not be delivered for a day, and is given up');
        await store.write({ done: [name] });
        return;
      }
      const recorded = started(delivery, redisNow(), Math.random(), backoff);
      if (!(await store.write({ stored: new Map([[name, recorded]]) }))) return;
      // A sink of another process's configuration, or of an earlier one.
      if (sink === undefined) return;
      const wish = await this.#send(sink, recorded, status, signal);
      if (wish === 'over') {
        this.#arrived.add(name);
        await store.write({ done: [name] });
        this.#arrived.delete(name);
      } else if (wish !== null) {
        const nextAt = Math.max(recorded.nextAt, redisNow() + Math.min(wish, DELIVERY_BACKOFF.capMs));
        await store.write({ stored: new Map([[name, { ...recorded, nextAt }]]) });
      }
    } catch (error) {
      if (!signal.aborted) log.debug({ ...facts, reason: explain(error) }, 'an alert is tried again');
    }
  }

  /** @returns `over`, or the receiver's own wish when to try again (ms from now; `null`: none) */
  async #send(
    sink: Sink,
    { notification, attempts }: Delivery,
    status: StatusDocument,
    signal: AbortSignal,
  ): Promise<'over' | number | null> {
    const { log } = this.#options;
    const facts = { alertId: notification.id, sink: sink.name, attempts };
    try {
      const outcome = await withDeadline(`alert to ${sink.name}`, SEND_DEADLINE_MS, signal, (within) =>
        sink.send(notification, { status, signal: within }),
      );
      if (this.#failing.delete(sink.name)) log.info({ event: 'alert.sink-recovered', ...facts }, 'alerts go out again');
      if (outcome.kind === 'skipped')
        log.info({ event: 'alert.skipped', ...facts, reason: outcome.reason }, 'not sent');
      else log.debug({ event: 'alert.sent', ...facts }, 'an alert was delivered');
      return 'over';
    } catch (error) {
      if (signal.aborted) throw error;
      const reason = explain(error);
      if (!this.#failing.has(sink.name))
        log.warn({ event: 'alert.sink-failed', ...facts, reason }, 'an alert is tried again');
      this.#failing.add(sink.name);
      return error instanceof TransientError ? (error.retryAfterMs ?? null) : null;
    }
  }
}
