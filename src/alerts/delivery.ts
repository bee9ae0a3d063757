/** Which delivery is attempted when. Pure; a delivery is one notification on its way to one sink. */
import { type BackoffPolicy, backoffDelay } from '../async/backoff.ts';
import type { Notification } from './alert.ts';

export interface Delivery {
  readonly notification: Notification;
  readonly sink: string;
  /** Position among all deliveries: a sink gets its notifications in this order. */
  readonly order: number;
  /** Started so far; one more is recorded before it begins. */
  readonly attempts: number;
  /** Redis ms. */
  readonly createdAt: number;
  /** Redis ms: not attempted before. */
  readonly nextAt: number;
}

export const DELIVERY_BACKOFF: BackoffPolicy = { baseMs: 1_000, capMs: 60_000, factor: 2 };
/** A sink that fails for longer loses the notification, ms. */
export const GIVE_UP_AFTER_MS = 24 * 3_600_000;
/** Kept per sink; of more, the oldest are dropped. */
export const MOST_WAITING = 200;

/** @returns by name, the same for the same notification and sink */
export function deliveriesOf(
  notifications: readonly Notification[],
  sinks: readonly string[],
  now: number,
): Map<string, Delivery> {
  const all = notifications.flatMap((notification, index) =>
    sinks.map((sink): [string, Delivery] => [
      `${notification.id}/${sink}`,
      { notification, sink, order: now + index / 1_000, attempts: 0, createdAt: now, nextAt: now },
    ]),
  );
  return new Map(all);
}

/** Never later than one wait from now: what says more was stored before Redis's clock was set back. */
export function isDue({ nextAt }: Delivery, now: number): boolean {
  return nextAt <= now || nextAt > now + DELIVERY_BACKOFF.capMs;
}

/** The oldest delivery of each sink: what follows waits for it. */
export function headsOf(deliveries: ReadonlyMap<string, Delivery>): Map<string, string> {
  const heads = new Map<string, string>();
  for (const [name, { sink, order }] of deliveries) {
    const head = heads.get(sink);
    if (head === undefined || order < (deliveries.get(head)?.order ?? Infinity)) heads.set(sink, name);
  }
  return heads;
}

/** Names of deliveries that are too many for their sink, oldest first. */
export function surplusOf(deliveries: ReadonlyMap<string, Delivery>): string[] {
  const bySink = new Map<string, [string, number][]>();
  for (const [name, { sink, order }] of deliveries) bySink.set(sink, [...(bySink.get(sink) ?? []), [name, order]]);
  return [...bySink.values()].flatMap((own) =>
    own
      .sort(([, one], [, other]) => one - other)
      .slice(0, Math.max(0, own.length - MOST_WAITING))
      .map(([name]) => name),
  );
}

/**
 * The delivery as it is recorded before an attempt: whoever goes on after a crash tries again after the same wait.
 *
 * @param random - in [0, 1)
 */
export function started(delivery: Delivery, now: number, random: number, backoff = DELIVERY_BACKOFF): Delivery {
  const waitMs = backoffDelay(backoff, delivery.attempts, random);
  return { ...delivery, attempts: delivery.attempts + 1, nextAt: now + waitMs };
}
