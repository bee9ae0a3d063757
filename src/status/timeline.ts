/** The last day of every connection, for strip charts. Its keys are a stable interface. */

/** `down`: it waits for its next attempt or for a worker. `unknown`: nobody watched. */
export const TIMELINE_STATES = ['live', 'connecting', 'down', 'parked', 'paused', 'unknown'] as const;
export type TimelineState = (typeof TIMELINE_STATES)[number];

/**
 * - `takeover`: from a worker that was lost; `handoff`: on purpose; `deploy`: because a worker left
 * - `restart`: by the same worker, or after a defect or a parking
 * - `gap`: the platform lost events, or may have
 * - `identified`: a new session, in which nothing is replayed
 */
export const MARK_KINDS = ['takeover', 'handoff', 'restart', 'deploy', 'gap', 'identified'] as const;

export interface Span {
  /** ISO 8601. */
  readonly from: string;
  /** ISO 8601; the end of one is the beginning of the next. */
  readonly to: string;
  readonly state: TimelineState;
}

export interface Mark {
  /** ISO 8601. */
  readonly at: string;
  readonly kind: (typeof MARK_KINDS)[number];
  /** In words. */
  readonly text: string;
}

export interface ConnectionTimeline {
  readonly id: string;
  /** Oldest first, without holes from `fromAt` to `at`. */
  readonly spans: readonly Span[];
  /** Oldest first. */
  readonly marks: readonly Mark[];
  /** Messages stored in each step from `fromAt` on; `null` where nobody counted. */
  readonly messagesPerMinute: readonly (number | null)[];
}

export interface WorkerMark {
  /** ISO 8601. */
  readonly at: string;
  readonly worker: string;
  readonly what: 'joined' | 'drained' | 'died';
}

export interface TimelineDocument {
  /** ISO 8601, by Redis's clock. */
  readonly at: string;
  /** ISO 8601, a whole step. */
  readonly fromAt: string;
  readonly stepMs: number;
  readonly connections: readonly ConnectionTimeline[];
  /** Oldest first. */
  readonly deploys: readonly WorkerMark[];
}

export const LONGEST_HOURS = 24;
