/**
 * What one connection's status means for alerts, with the little that must be remembered of it from look to look. Pure.
 */
import type { ConnectionStatus } from '../status/document.ts';
import type { AlertSettings, Condition, Counted } from './alert.ts';
import { causeOf } from './cause.ts';

export interface ConnectionMemory {
  /** Not live since, and what it had counted then; `null`: live, or not wanted. */
  readonly lost: { readonly at: number; readonly before: Counted } | null;
  /** Sessions so far, new or resumed. */
  readonly sessions: number;
  /** When sessions were seen to begin, within the window of flapping. */
  readonly began: readonly number[];
  /** Dead letters that people were told of. */
  readonly dead: number;
  readonly deadToldAt: number | null;
}

/** A rival or a second webhook shows itself at once; a takeover of our own looks like one for a moment. */
const RIVAL_AFTER_MS = 10_000;
/** So many new sessions within the window are no coincidence; a rolling deploy makes two or three. */
const FLAPPING_SESSIONS = 6;
const FLAPPING_WINDOW_MS = 600_000;

export interface WatchedConnection {
  readonly memory: ConnectionMemory;
  readonly conditions: readonly Condition[];
}

/**
 * @param watchedSince - Redis ms: trouble from before is told as such, and counts from here: what was down while nobody
 *   watched (the night the machine was off) gets its time to start
 */
export function watchConnection(
  connection: ConnectionStatus,
  previous: ConnectionMemory | undefined,
  deadLetters: number,
  moment: { readonly now: number; readonly watchedSince: number; readonly settings: AlertSettings },
): WatchedConnection {
  const { now } = moment;
  const sessions = connection.counters.resumed + connection.counters.identified;
  const began = (previous?.began ?? []).filter((at) => now - at < FLAPPING_WINDOW_MS);
  const isNew = previous !== undefined && sessions > previous.sessions;
  const memory: ConnectionMemory = {
    lost: lostOf(connection, previous, now),
    sessions,
    began: isNew ? [...began, ...Array(Math.min(sessions - previous.sessions, FLAPPING_SESSIONS)).fill(now)] : began,
    // Redis lost its data, or this is the first look: what is there is no news.
    dead: Math.min(previous?.dead ?? deadLetters, deadLetters),
    deadToldAt: previous?.deadToldAt ?? null,
  };
  return { memory, conditions: [...troubleOf(connection, memory, moment), ...flappingOf(connection, memory)] };
}

function lostOf(
  { state, since, counters: { events, gaps } }: ConnectionStatus,
  previous: ConnectionMemory | undefined,
  now: number,
): ConnectionMemory['lost'] {
  if (state === 'live' || state === 'paused') return null;
  return previous?.lost ?? { at: since === null ? now : Math.min(Date.parse(since), now), before: { events, gaps } };
}

function troubleOf(
  { id, state, reason, since }: ConnectionStatus,
  { lost }: ConnectionMemory,
  { now, watchedSince, settings }: { now: number; watchedSince: number; settings: AlertSettings },
): Condition[] {
  if (lost === null) return [];
  const words = reason ?? `${state} without a reason`;
  const cause = causeOf(words);
  const base = { key: `connection:${id}`, subject: id, cause, reason: words, since: lost.at, before: lost.before };
  if (state === 'parked')
    return [{ ...base, rule: 'parked', dueAt: since === null ? lost.at : Math.min(Date.parse(since), now) }];
  const countedFrom = Math.max(lost.at, watchedSince);
  if (cause === 'rival') {
    return [{ ...base, rule: 'rival', dueAt: countedFrom + Math.min(RIVAL_AFTER_MS, settings.downAfterMs) }];
  }
  return [{ ...base, rule: 'down', dueAt: countedFrom + settings.downAfterMs }];
}

function flappingOf({ id, state }: ConnectionStatus, { began }: ConnectionMemory): Condition[] {
  const [first, last] = [began[0], began.at(-1)];
  if (state === 'paused' || first === undefined || last === undefined || began.length < FLAPPING_SESSIONS) return [];
  return [
    {
      key: `flapping:${id}`,
      rule: 'flapping',
      subject: id,
      cause: 'flapping',
      reason: `${began.length} new sessions within ${FLAPPING_WINDOW_MS / 60_000} min`,
      since: first,
      dueAt: last,
      before: null,
    },
  ];
}
