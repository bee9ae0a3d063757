/** The nouns of alerts: what can be wrong, what is wrong now, and what people are told. Plain data, also in Redis. */
import type { BudgetUse } from '../state/budget.ts';
import type { RedisFacts } from '../state/redis-facts.ts';
import type { StatusDocument } from '../status/document.ts';

/**
 * - `down`: a connection that should be live has not been for longer than `alerts.downAfterMs`
 * - `rival`: not live because another program uses the same bot
 * - `parked`: only a person can help
 * - `flapping`: live, and lost again and again
 * - `no-sweep`: nothing is restarted any more
 * - `redis`: Redis is away, nearly full, or cannot write its log
 * - `budget`: few new sessions are left for an account
 * - `dead-letters`: messages that could not be answered or sent
 * - `clock-skew`: the clock of a host differs from Redis's, or from the platforms'
 * - `backlog`: messages wait, and nobody stores them or takes them up
 * - `agent`: the agent is away, refuses or fails
 * - `sending`: answers are not sent
 * - `queue`: somebody else paused or limited a queue
 */
export type Rule =
  | 'down'
  | 'rival'
  | 'parked'
  | 'flapping'
  | 'no-sweep'
  | 'redis'
  | 'budget'
  | 'dead-letters'
  | 'clock-skew'
  | 'backlog'
  | 'agent'
  | 'sending'
  | 'queue';

/** Something that is wrong at one look. Instants are Redis ms. */
export interface Condition {
  /** Names the trouble over its life, such as `connection:qq-main`: there is at most one alert of a key. */
  readonly key: string;
  readonly rule: Rule;
  /** Who has it: a connection, a host, an account. */
  readonly subject: string;
  /** Alerts of one rule and one cause are told together. */
  readonly cause: string;
  /** In words. */
  readonly reason: string;
  readonly since: number;
  /** Not told before. */
  readonly dueAt: number;
  /** What the connection had counted when it began; `null`: no connection. */
  readonly before: Counted | null;
}

export interface Counted {
  readonly events: number;
  readonly gaps: number;
}

/** A {@link Condition} that is watched until it has ended. */
export interface Alert extends Condition {
  /** `null`: nobody was told yet. */
  readonly toldAt: number | null;
  readonly wellSince: number | null;
}

export interface Subject {
  readonly name: string;
  readonly reason: string;
  /** ISO 8601. */
  readonly since: string;
  /** How long so far; of `recovered`: how long it was. */
  readonly forMs: number;
  /** Of a connection that is back: messages stored since it was lost, and gap records (what the platform may have lost). */
  readonly stored: Counted | null;
}

/** One message to people. Several subjects have one rule and one cause. */
export interface Notification {
  /** Unique; the same in every attempt to deliver it. */
  readonly id: string;
  /** ISO 8601, by Redis's clock. */
  readonly at: string;
  /** `firing`: it began; `repeat`: it goes on; `recovered`: it ended; `test`: nothing is wrong, and there are no subjects. */
  readonly kind: 'firing' | 'repeat' | 'recovered' | 'test';
  readonly rule: Rule;
  readonly cause: string;
  readonly subjects: readonly Subject[];
  /** One line. */
  readonly title: string;
  /** Title, a line per subject, and what to do. */
  readonly text: string;
}

/** What one look found. */
export interface Observed {
  readonly status: StatusDocument;
  /** Connection → how many dead letters it ever had. */
  readonly deadLetters: ReadonlyMap<string, number>;
  /** `null`: its user may not ask. */
  readonly redis: Pick<RedisFacts, 'usedBytes' | 'maxBytes' | 'aof'> | null;
  readonly budgets: readonly BudgetUse[];
  /** Of hosts with live processes: their wall clock less Redis's, ms. */
  readonly clocks: readonly { readonly host: string; readonly aheadMs: number }[];
}

export interface AlertSettings {
  /** A connection that is not live for longer is down, ms. */
  readonly downAfterMs: number;
  /** What goes on is told again after this, ms. */
  readonly repeatEveryMs: number;
  /** Waits for others with the same cause, ms. */
  readonly groupMs: number;
  /** An end counts after it has lasted this long, ms. */
  readonly recoverAfterMs: number;
  /** Of the schedulers: a sweep is late after this, ms. */
  readonly sweepLateMs: number;
}
