/**
 * The evidence a holder writes for its connection. Everything is an *age* or a *distance* in ms at the time of writing;
 * the renewal script stamps Redis time, so readers on any host add the same clock's difference.
 */

export interface Heartbeat {
  readonly state: 'connecting' | 'waiting' | 'live';
  readonly reason: string | null;
  readonly stateAgeMs: number;
  /** How far ahead: the deadline of the running phase, or the next attempt; negative when overdue, `null` while live. */
  readonly dueInMs: number | null;
  readonly attempt: number;
  readonly roundTripAgeMs: number | null;
  readonly frameAgeMs: number | null;
  readonly route: string | null;
  /** What somebody who looks at a working connection should know. */
  readonly remark: string | null;
  /** Why what comes cannot be stored, and for how long so far; `null` or absent: it can. */
  readonly inbound?: { readonly reason: string; readonly forMs: number } | null;
  /** How far the platform's clock is ahead of the holder's wall clock, ms; `null` or absent: unknown. */
  readonly platformAheadMs?: number | null;
  /** Longest silence between round trips that the adapter calls healthy. */
  readonly maxSilenceMs: number;
}

export interface HeartbeatRecord {
  readonly token: number;
  /** Redis ms when it was written. */
  readonly at: number;
  readonly heartbeat: Heartbeat;
}

/** @returns `null` when there is none or it can't be read (then it counts as absent, not as healthy) */
export function parseHeartbeat(hash: Record<string, string>): HeartbeatRecord | null {
  if (hash.body === undefined) return null;
  try {
    return { token: Number(hash.token), at: Number(hash.at), heartbeat: JSON.parse(hash.body) as Heartbeat };
  } catch {
    return null;
  }
}
