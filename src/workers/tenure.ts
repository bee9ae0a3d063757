/** What a tenure is made of: the parts its worker brings, the connection that is wanted, and the lease that was granted. */
import type { Logger } from 'pino';
import type { Adapter, Budget, InboundSink, Secrets } from '../adapters/adapter.ts';
import type { BackoffPolicy } from '../async/backoff.ts';
import type { Clock } from '../async/clock.ts';
import type { FencedError } from '../errors.ts';
import type { OwnedTransport } from '../http/transport.ts';
import type { ConnectionId, Cursor, FencingToken, WorkerId } from '../model.ts';
import type { DesiredConnection } from '../state/desired.ts';
import type { Keys } from '../state/keys.ts';
import type { Claim } from '../state/leases.ts';
import type { Measurements } from '../state/measurements.ts';
import type { RedisClient } from '../state/redis.ts';
import type { AttemptPace } from './attempt-pace.ts';
import type { Credentials } from './credentials.ts';
import type { JobView } from './job-view.ts';
import type { Instant } from './lease-clock.ts';
import type { LeaseKeeper } from './lease-keeper.ts';
import type { Turnstile } from './turnstile.ts';

export interface HoldTimings {
  readonly leaseMs: number;
  readonly drainMs: number;
  readonly dialTimeoutMs: number;
  readonly healthyAfterMs: number;
  readonly probeEveryMs: number;
  /** Attempts unanswered for so long make another host worth a try, ms. */
  readonly hostDoubtMs: number;
  readonly backoff: BackoffPolicy;
}

export interface HoldDeps {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly worker: WorkerId;
  readonly incarnation: string;
  readonly keeper: LeaseKeeper;
  readonly adapters: ReadonlyMap<string, Adapter>;
  credentialsOf(connection: DesiredConnection): Credentials | Promise<Credentials>;
  /** A transport for one tenure, by the route that the connection's secrets and the environment name. */
  openTransport(secrets: Secrets): OwnedTransport;
  budgetFor(platform: string, account: string): Budget;
  openPump(request: PumpRequest): { readonly sink: InboundSink; close(): Promise<void> };
  /** Of the process: while reading is dangerous, one event is read at a time. */
  readonly turnstile: Turnstile;
  /** Of the process, so that hundreds of connections do not dial all at once. */
  readonly pace: AttemptPace;
  /** @defaultValue nothing is measured */
  readonly measurements?: Pick<Measurements, 'took' | 'reconnected'>;
  readonly timings: HoldTimings;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What the pump of one tenure needs to know. */
export interface PumpRequest {
  readonly connectionId: ConnectionId;
  readonly platform: string;
  readonly token: FencingToken;
  readonly cursor: Cursor | null;
  readonly dedupeWindowMs: number;
  assertHeld(): void;
  onFenced(error: FencedError): void;
  /** What comes can or cannot be stored from now on, and why not; `null`: it can. */
  onTrouble(trouble: { readonly reason: string } | null): void;
  readonly log: Logger;
}

/** A connection that should run, with what this worker needs to hold it. */
export interface Wanted {
  readonly desired: DesiredConnection;
  readonly adapter: Adapter;
  readonly secrets: Secrets;
}

export interface Tenure extends Wanted {
  readonly claim: Extract<Claim, { kind: 'granted' }>;
  readonly claimedAt: Instant;
  readonly view: JobView;
  readonly drain: AbortSignal;
}
