/** The status document: the same from the command line and over HTTP. Its keys are a stable interface. */
import type { AgentStatus, ChainStatus, ConnectionChain } from './chain.ts';

export type ConnectionStateName = 'live' | 'connecting' | 'waiting' | 'unowned' | 'parked' | 'paused';

export interface ConnectionStatus {
  readonly id: string;
  readonly platform: string;
  readonly state: ConnectionStateName;
  /** ISO 8601: since when it is in this state. */
  readonly since: string | null;
  readonly reason: string | null;
  readonly owner: string | null;
  readonly fencingToken: number | null;
  readonly lastRoundTripAgeMs: number | null;
  readonly lastEventAgeMs: number | null;
  /** ISO 8601: the running attempt's deadline, the next attempt, the next sweep or the next probe. */
  readonly nextAttemptAt: string | null;
  readonly attempt: number;
  readonly route: string | null;
  /** What an operator should know of a connection that works, such as what it had to adapt to. */
  readonly remark: string | null;
  /** How far the platform's clock is ahead of that of its owner's host, ms; `null`: unknown. */
  readonly platformAheadMs: number | null;
  readonly counters: {
    readonly events: number;
    readonly duplicates: number;
    readonly resumed: number;
    readonly identified: number;
    readonly gaps: number;
    readonly takeovers: number;
    readonly malformed: number;
    readonly staleWrites: number;
  };
}

export interface WorkerStatus {
  readonly id: string;
  readonly roles: readonly string[];
  readonly connections: number;
  readonly capacity: number;
  readonly eventLoopLagMs: number;
  /** Why its configuration as it is now was refused, the one before going on; `null`: it was not. */
  readonly configRefused: string | null;
  /** Keys of its configuration whose new values wait for its restart. */
  readonly restartNeeded: readonly string[];
  /** Why it cannot share connections with other workers as it should; `null`: it can. */
  readonly notSharing: string | null;
}

/** What holds the connections. */
export interface HoldingDocument {
  /** ISO 8601, by Redis's clock. */
  readonly at: string;
  readonly scheduler: { readonly lastSweepAgeMs: number | null; readonly worker: string | null };
  readonly workers: readonly WorkerStatus[];
  readonly connections: readonly ConnectionStatus[];
}

/** A connection with what becomes of its messages. */
export interface ConnectionInChain extends ConnectionStatus {
  readonly chain: ConnectionChain;
}

export interface StatusDocument extends HoldingDocument {
  readonly connections: readonly ConnectionInChain[];
  readonly agents: readonly AgentStatus[];
  /** Whether people are answered, link by link. */
  readonly chain: ChainStatus;
}

/** True when nothing needs attention: every connection is live or paused on purpose, and people are answered. */
export function allWell({ connections, chain }: StatusDocument): boolean {
  return chain.state !== 'failing' && connections.every(({ state }) => state === 'live' || state === 'paused');
}
