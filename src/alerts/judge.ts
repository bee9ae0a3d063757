/**
 * Decides what people are told: pure, from what was known before and what one look found.
 *
 * A condition becomes an alert; the alert is told once it is due, together with others of its rule and cause that are due
 * or will soon be; told again while it lasts, and told to have ended once the end has lasted a moment. An alert of a
 * connection may grow worse (down → parked): that is told, too. What ends before it was told is never told.
 */

import { createHash } from 'node:crypto';
import { ownValue } from '../model.ts';
import type { StatusDocument } from '../status/document.ts';
import type { Alert, AlertSettings, Condition, Counted, Notification, Observed, Rule, Subject } from './alert.ts';
import { watchChain } from './watch-chain.ts';
import { type ConnectionMemory, watchConnection } from './watch-connections.ts';
import { watchInstance } from './watch-instance.ts';
import { describeNotification } from './wording.ts';

/** JSON; the memory of all evaluators, one after the other. Instants are Redis ms. */
export interface Memory {
  readonly judgedAt: number;
  /** Since when somebody has been watching without a pause. */
  readonly watchedSince: number;
  readonly connections: Readonly<Record<string, ConnectionMemory>>;
  /** By key. */
  readonly alerts: Readonly<Record<string, Alert>>;
}

export interface Judgement {
  readonly memory: Memory;
  readonly notifications: readonly Notification[];
}

/** Without a look for longer, nobody watched, ms. */
const UNWATCHED_MS = 30_000;
/** Of alerts about the same connection, the worse one is told; rules not listed have keys of their own. */
const SEVERITY: Partial<Record<Rule, number>> = { down: 1, rival: 2, parked: 3 };

export function judge(stored: Memory | null, observed: Observed, settings: AlertSettings): Judgement {
  const now = Date.parse(observed.status.at);
  const previous = stored === null ? null : notAfter(stored, now);
  const isFresh = previous === null || now - previous.judgedAt > UNWATCHED_MS;
  const watchedSince = isFresh ? now : previous.watchedSince;
  const watched = observed.status.connections.map((connection) => {
    const dead = observed.deadLetters.get(connection.id) ?? 0;
    const before = ownValue(previous?.connections ?? {}, connection.id);
    return [connection.id, dead, watchConnection(connection, before, dead, { now, watchedSince, settings })] as const;
  });
  const letters = newLetters(watched, now, settings);
  const conditions = [
    ...watched.flatMap(([, , { conditions }]) => conditions),
    ...watchInstance(observed, now, settings),
    ...watchChain(observed.status, now, watchedSince, settings),
  ];
  const alerts = merge(previous?.alerts ?? {}, conditions, now);
  const told = tell(alerts, observed.status, now, settings);
  const connections = Object.fromEntries(watched.map(([id, , { memory }]) => [id, letters.memories.get(id) ?? memory]));
  return {
    memory: { judgedAt: now, watchedSince, connections, alerts: told.alerts },
    notifications: [...told.notifications, ...letters.notifications],
  };
}

/** Judged in the future: Redis's clock was set back since, and everything remembered moves back with it. */
function notAfter(memory: Memory, now: number): Memory {
  const byMs = memory.judgedAt - now;
  if (byMs <= 0) return memory;
  const back = <T extends number | null>(at: T): T => (at === null ? at : at - byMs) as T;
  const connections = Object.entries(memory.connections).map(([id, { lost, began, deadToldAt, ...rest }]) => {
    const moved = lost === null ? null : { ...lost, at: back(lost.at) };
    return [id, { ...rest, lost: moved, began: began.map(back), deadToldAt: back(deadToldAt) }] as const;
  });
  const alerts = Object.entries(memory.alerts).map(([key, alert]) => {
    const { since, dueAt, toldAt, wellSince } = alert;
    const moved = { since: back(since), dueAt: back(dueAt), toldAt: back(toldAt), wellSince: back(wellSince) };
    return [key, { ...alert, ...moved }] as const;
  });
  return {
    judgedAt: now,
    watchedSince: back(memory.watchedSince),
    connections: Object.fromEntries(connections),
    alerts: Object.fromEntries(alerts),
  };
}

function merge(known: Memory['alerts'], conditions: readonly Condition[], now: number): Map<string, Alert> {
  const current = new Map(conditions.map((condition) => [condition.key, condition]));
  const merged = new Map<string, Alert>();
  for (const alert of Object.values(known)) {
    if (current.has(alert.key)) continue;
    if (alert.toldAt !== null) merged.set(alert.key, { ...alert, wellSince: alert.wellSince ?? now });
  }
  for (const condition of current.values()) {
    const alert = ownValue(known, condition.key);
    // A connection in trouble is one alert, not two.
    const trouble = `connection:${condition.subject}`;
    if (condition.rule === 'flapping' && alert?.toldAt == null && (current.has(trouble) || merged.has(trouble)))
      continue;
    merged.set(condition.key, carryOn(alert, condition));
  }
  return merged;
}

function carryOn(alert: Alert | undefined, condition: Condition): Alert {
  if (alert === undefined) return { ...condition, toldAt: null, wellSince: null };
  const grown = (SEVERITY[condition.rule] ?? 0) > (SEVERITY[alert.rule] ?? 0);
  const begin = { since: alert.since, before: alert.before };
  if (alert.rule === condition.rule) {
    const cause = alert.toldAt === null ? condition.cause : alert.cause;
    return { ...alert, cause, reason: condition.reason, wellSince: null };
  }
  if (alert.toldAt === null || grown) return { ...condition, ...begin, toldAt: null, wellSince: null };
  return { ...alert, reason: condition.reason, wellSince: null };
}

function tell(
  alerts: Map<string, Alert>,
  status: StatusDocument,
  now: number,
  settings: AlertSettings,
): { alerts: Memory['alerts']; notifications: Notification[] } {
  const { groupMs, recoverAfterMs, repeatEveryMs, downAfterMs } = settings;
  const notifications: Notification[] = [];
  const kept = new Map(alerts);
  for (const group of groupsOf([...alerts.values()])) {
    const untold = group.filter(({ toldAt }) => toldAt === null);
    const lasting = group.filter(({ toldAt, wellSince }) => toldAt !== null && wellSince === null);
    const well = group.filter(({ toldAt, wellSince }) => toldAt !== null && wellSince !== null);

    if (untold.some(({ dueAt }) => now >= dueAt + groupMs)) {
      const soon = untold.filter(({ dueAt }) => dueAt <= now + downAfterMs / 2);
      notifications.push(notify('firing', soon, status, now));
      for (const alert of soon) kept.set(alert.key, { ...alert, toldAt: now });
    }
    if (lasting.some(({ toldAt }) => toldAt !== null && now - toldAt >= repeatEveryMs)) {
      notifications.push(notify('repeat', lasting, status, now));
      for (const alert of lasting) kept.set(alert.key, { ...alert, toldAt: now });
    }
    const ready = well.filter((alert) => isOver(alert, status) || now >= (alert.wellSince ?? now) + recoverAfterMs);
    // Others of the group that are back, too, come along; those that are not are waited for only a moment.
    const all = ready.length === group.length;
    if (ready.some(({ wellSince }) => all || now >= (wellSince ?? now) + recoverAfterMs + groupMs)) {
      notifications.push(notify('recovered', ready, status, now));
      for (const { key } of ready) kept.delete(key);
    }
  }
  return { alerts: Object.fromEntries(kept), notifications };
}

/** An operator paused or removed it: nothing to wait for. */
function isOver({ key, subject }: Alert, { connections }: StatusDocument): boolean {
  if (!key.startsWith('connection:')) return false;
  const connection = connections.find(({ id }) => id === subject);
  return connection === undefined || connection.state === 'paused';
}

function groupsOf(alerts: readonly Alert[]): Iterable<Alert[]> {
  const groups = new Map<string, Alert[]>();
  for (const alert of alerts) {
    const name = `${alert.rule} ${alert.cause}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [alert]);
    else group.push(alert);
  }
  return groups.values();
}

function notify(kind: Notification['kind'], alerts: readonly Alert[], status: StatusDocument, now: number) {
  const [{ rule, cause }] = alerts as [Alert, ...Alert[]];
  const subjects = alerts.map((alert): Subject => {
    const connection = status.connections.find(({ id }) => id === alert.subject);
    const end = kind === 'recovered' ? (alert.wellSince ?? now) : now;
    return {
      name: alert.subject,
      reason: kind === 'recovered' ? endOf(alert, connection) : alert.reason,
      since: new Date(alert.since).toISOString(),
      forMs: Math.max(0, end - alert.since),
      stored: kind === 'recovered' ? storedSince(alert.before, connection?.counters) : null,
    };
  });
  return finish(kind, rule, cause, subjects, now);
}

function endOf({ key, reason }: Alert, connection: StatusDocument['connections'][number] | undefined): string {
  if (key.startsWith('connection:') && connection === undefined) return 'it was removed from the configuration';
  if (key.startsWith('connection:') && connection?.state === 'paused') return connection.reason ?? 'paused';
  return `was: ${reason}`;
}

function storedSince(before: Counted | null, counters: Counted | undefined): Counted | null {
  if (before === null || counters === undefined) return null;
  const { events, gaps } = counters;
  return { events: Math.max(0, events - before.events), gaps: Math.max(0, gaps - before.gaps) };
}

/** Letters are no state that ends: new ones are told, of a connection at most once per repeat interval. */
function newLetters(
  watched: readonly (readonly [string, number, { readonly memory: ConnectionMemory }])[],
  now: number,
  { repeatEveryMs }: AlertSettings,
): { memories: Map<string, ConnectionMemory>; notifications: Notification[] } {
  const news = watched.filter(
    ([, dead, { memory }]) =>
      dead > memory.dead && (memory.deadToldAt === null || now - memory.deadToldAt >= repeatEveryMs),
  );
  if (news.length === 0) return { memories: new Map(), notifications: [] };
  const subjects = news.map(([name, dead, { memory }]): Subject => {
    const count = dead - memory.dead;
    const reason = `${count} new dead letter${count === 1 ? '' : 's'}`;
    return { name, reason, since: new Date(memory.deadToldAt ?? now).toISOString(), forMs: 0, stored: null };
  });
  return {
    memories: new Map(news.map(([id, dead, { memory }]) => [id, { ...memory, dead, deadToldAt: now }])),
    notifications: [finish('firing', 'dead-letters', 'dead-letters', subjects, now)],
  };
}

function finish(
  kind: Notification['kind'],
  rule: Rule,
  cause: string,
  subjects: readonly Subject[],
  now: number,
): Notification {
  const names = subjects.map(({ name }) => name);
  const id = createHash('sha256')
    .update(JSON.stringify([kind, rule, cause, names, now]))
    .digest('hex')
    .slice(0, 24);
  const facts = { kind, rule, cause, subjects };
  return { id, at: new Date(now).toISOString(), ...facts, ...describeNotification(facts) };
}
