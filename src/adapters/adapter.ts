/**
 * The contract between the core and one platform's code.
 *
 * The core owns leases and fencing, persistence, dedupe, the outbox, budgets, backoff and supervision. The adapter owns
 * the wire: handshake, keepalive, classification of errors, normalising what comes in, building what goes out. It knows
 * neither Redis nor BullMQ, and keeps nothing in memory that a successor on another host would need.
 */
import type { Logger } from 'pino';
import type { Clock } from '../async/clock.ts';
import type { Transport } from '../http/transport.ts';
import type {
  ConnectionId,
  Cursor,
  InboundEvent,
  JsonValue,
  OutboundPart,
  ReconnectCause,
  ReplyHandle,
  SendOutcome,
} from '../model.ts';
import type { PlatformClock } from './platform-clock.ts';

/** One platform. One instance per process; per-process caches (access tokens) may live in it. */
export interface Adapter {
  readonly platform: string;
  readonly capabilities: Capabilities;

  /**
   * Names the account behind `options` (such as the app id): budgets are shared by everyone who uses it. Pure.
   */
  accountOf(options: JsonValue): string;

  /**
   * Whether a conversation of this name can be a chat of the platform, so that a message to nowhere is refused at once.
   * Pure. Left out: any may be one, and the sender decides.
   */
  names?(conversation: string): boolean;

  /**
   * Holds the connection until told to stop: dials, authenticates, pumps, reconnects. Transport trouble is handled
   * inside, each new attempt behind `context.gate`; it never ends the hold.
   *
   * - `context.drain` aborts: stop taking, flush the sink, close so that the platform keeps the session, then resolve.
   * - `context.signal` aborts: cut the sockets at once and reject with the signal's reason.
   *
   * @returns only after `context.drain` aborted; any other return is a bug and is treated as one
   * @throws FatalError when only a person can help; the connection is parked
   */
  hold(context: HoldContext): Promise<void>;

  /** A sender for one connection; needs no socket and no lease. Called once per process and connection. */
  createSender(context: SenderContext): Sender;

  /**
   * Fetches ahead what a takeover would otherwise wait for, such as an access token, and keeps it in this process.
   * Called about once a minute by every worker that may come to hold the connection, so it must cost nothing while
   * there is nothing to fetch. Left out where a dial needs no such thing.
   *
   * @throws FatalError when the platform refuses the credentials: it is not called again
   * @throws TransientError when it may work the next time
   */
  warm?(context: SenderContext, options: { signal: AbortSignal }): Promise<void>;

  /**
   * Looks, for `holdfast doctor`, at what can be wrong between this host and the platform: credentials, discovery, limits,
   * rivals. It may run beside a holder, also one of another host, and must not disturb it: it opens no session, and does
   * nothing that the platform takes for a second connection while `context.held`. Bounded by `signal`.
   *
   * @returns at least one finding. Never throws for what platform or network do: that is a finding
   */
  diagnose?(context: DiagnoseContext, options: { signal: AbortSignal }): Promise<readonly Diagnosis[]>;
}

export interface DiagnoseContext extends SenderContext {
  /** Some worker holds the connection, or is about to. */
  readonly held: boolean;
}

export interface Diagnosis {
  /** What was looked at, in one word that stays, such as `token`. */
  readonly check: string;
  /** `skipped`: it was not looked at; the message says why. */
  readonly status: 'ok' | 'warn' | 'fail' | 'skipped';
  /** What was found and what it means. No secrets. */
  readonly message: string;
  /** What to do; `null` where nothing is to be done. */
  readonly fix: string | null;
}

/**
 * What one platform can and cannot do. The core reads `dedupeWindowMs` and `sendIdempotency`; people read the whole of it
 * in docs/what-can-be-lost.md, which is generated; the conformance suite decides by it what to expect.
 */
export interface Capabilities {
  /** How events come: an answer that is waited for, or a socket that stands open. */
  readonly family: 'long-poll' | 'websocket';
  /** Who may hold connections of one account at once. */
  readonly sharing: 'exclusive' | 'exclusive-per-slot' | 'shared' | 'broadcast';
  readonly cursor: 'none' | 'offset' | 'session';
  /** What an outage costs. */
  readonly replay: 'replayable' | 'redelivered-if-unacked' | 'lost';
  /** How long the platform keeps what we missed, ms; `null`: undocumented. */
  readonly replayWindowMs: number | null;
  /** When the platform loses events although we ask for them, in words; each time a gap record says so. */
  readonly gaps: readonly string[];
  /** When events never come and nothing tells, in words. */
  readonly silentLosses: readonly string[];
  readonly acknowledgement: 'cumulative-next-call' | 'implicit-session' | 'per-event' | 'none';
  readonly ordering: 'total' | 'per-conversation' | 'none';
  /** What the adapter does while the sink is full. */
  readonly pause: 'pause-poll' | 'pause-socket' | 'withhold-ack';
  /** How long event ids are remembered for dedupe, ms. Longer than any replay. */
  readonly dedupeWindowMs: number;
  /** What reaches the agent beside text. Edits are kept aside. */
  readonly receives: readonly ('attachments' | 'buttons' | 'edits' | 'topics')[];
  /** What an answer can be beside plain text. */
  readonly sends: readonly ('markup' | 'quotes' | 'topics' | 'typing')[];
  /** The platform's own protection against a repeated send. */
  readonly sendIdempotency: 'key-on-replies' | 'key' | 'none';
  readonly sendNeedsConnection: boolean;
  /** Until when, and how often, a message can be answered as such; empty: without a limit. */
  readonly replyLimits: readonly ReplyLimit[];
  /** Longest text of one send, in UTF-16 units. */
  readonly maxTextLength: number;
}

export interface ReplyLimit {
  /** Which chats, in words. */
  readonly where: string;
  readonly windowMs: number;
  /** Replies per message; `null`: not limited. */
  readonly quota: number | null;
}

export interface HoldContext {
  readonly connectionId: ConnectionId;
  /** The connection's options as validated from the configuration; no secrets. */
  readonly options: JsonValue;
  readonly secrets: Secrets;
  /** What the last holder stored; `null` on the very first hold. An unreadable cursor is treated as `null` plus a gap. */
  readonly cursor: Cursor | null;
  readonly sink: InboundSink;
  readonly health: HealthReporter;
  readonly gate: AttemptGate;
  readonly budget: Budget;
  /** The only way to the platform: it follows the connection's proxy settings, and ends with the tenure. */
  readonly transport: Transport;
  /** While it is active, events are read through it, one by one. */
  readonly reading: CarefulReading;
  readonly clock: Clock;
  /** What time it is at the platform; the core tells it of HTTP answers, the adapter of events. */
  readonly platformClock: PlatformClock;
  readonly log: Logger;
  /** Throws FencedError when the lease may have run out; called before anything is sent for the connection. */
  assertHeld(): void;
  /** Bound of one dial: DNS, TCP, TLS and upgrade together, ms. */
  readonly dialTimeoutMs: number;
  readonly drain: AbortSignal;
  readonly signal: AbortSignal;
}

export interface SenderContext {
  readonly connectionId: ConnectionId;
  readonly options: JsonValue;
  readonly secrets: Secrets;
  /** The only way to the platform: it follows the connection's proxy settings, and lives as long as the sender. */
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Secret values by name, such as `clientSecret`. Never logged, never stored. */
export type Secrets = Readonly<Record<string, string>>;

/** Where inbound goes. Order of calls is order of storage. */
export interface InboundSink {
  /**
   * Takes events with the cursor that covers them; both are stored in one atomic, fenced step. Returns at once.
   *
   * @param cursor - the position after `events`; `null` leaves the stored cursor as it is
   */
  push(events: readonly InboundEvent[], cursor: Cursor | null): void;
  /** True while the adapter should stop reading: what is pending reached its bound, or Redis is full or away. */
  readonly full: boolean;
  /** Calls `listener` on each change of {@link full}. Replaces an earlier listener. */
  onFullChange(listener: (full: boolean) => void): void;
  /** The newest cursor known to be stored; platforms that take acknowledgements get this one, not the received one. */
  readonly storedCursor: Cursor | null;
  /** Waits until all that was pushed is stored. @throws when it can't be: fenced, or `signal` aborted */
  flush(options: { signal: AbortSignal }): Promise<void>;
}

/**
 * For events that kill whoever reads them. The holder before died and had stored nothing: until {@link active} is false,
 * the adapter reads each event through {@link one} and has no more than one in hand. As a rule it is never active.
 */
export interface CarefulReading {
  readonly active: boolean;
  /**
   * Stores what was pushed before, notes the position, then calls `read` or, where earlier holders died of this event,
   * `passOver`; resolves when what they pushed is stored.
   *
   * @throws FencedError, or the signal's reason: the event was not read
   */
  one(event: EventToRead): Promise<void>;
}

export interface EventToRead {
  /** Names the event's place within the connection: the same each time the platform hands it out. */
  readonly position: string;
  /** As it came. It must have been looked at in no way that could be the deadly one: see adapters/json-scan.ts. */
  readonly raw: string;
  /** Reads it and pushes what it is, with the cursor after it. Synchronous: when it returns, it did no harm. */
  read(): void;
  /** Pushes a record of kind `malformed` with the reason, and the cursor after the event, without looking into it. */
  passOver(why: string): void;
}

export type ConnectingPhase = 'discovering' | 'dialing' | 'authenticating' | 'replaying';

/** Evidence, written to Redis as the connection's heartbeat. */
export interface HealthReporter {
  /** An attempt is at work; `deadlineAt` (wall ms) is when this phase is given up. */
  connecting(phase: ConnectingPhase, deadlineAt: number): void;
  /**
   * The platform's own proof came (READY, RESUMED, first completed poll). Call it after the push that carries the
   * session: people are told once that is stored.
   */
  live(how: 'identified' | 'resumed'): void;
  /** The socket or poll is gone or judged dead; `reason` in words a search finds. */
  lost(reason: string): void;
  /** A protocol round trip completed: ACK, pong, answered poll. */
  roundTrip(): void;
  /** Any frame came. */
  frame(): void;
  /** What somebody who looks at a working connection should know, such as what it had to adapt to; `null`: nothing. */
  remark(text: string | null): void;
  /** How the bytes travel: `direct`, `http proxy HOST:PORT`. Never a password. */
  route(route: string): void;
  /** Longest silence (ms) between round trips that a working connection of this platform can show. */
  maxSilence(ms: number): void;
}

/**
 * The one place where re-dials wait: full jitter, capped, without an attempt limit. Delays are counted from the start
 * of the attempt before, so that a dial that hung for its whole deadline is not punished twice.
 */
export interface AttemptGate {
  /**
   * Waits until the next attempt may start, and says so in the heartbeat (`waiting`, with instant and reason).
   * The first call of a hold passes at once.
   *
   * @returns the attempt's number: 0 for the first of a hold, then counted since the connection was last healthy
   * @throws the signal's reason
   */
  pass(cause: AttemptCause | null, options: { signal: AbortSignal }): Promise<number>;
  /** READY or RESUMED came. The delay goes back to its start only when no `pass` follows within the healthy time. */
  proven(): void;
}

export interface AttemptCause {
  /** Why the last attempt or socket ended, in words. */
  readonly reason: string;
  /** The same in one of a few words, for counting. @defaultValue `other` */
  readonly kind?: ReconnectCause;
  /** The least wait, ms: the platform's own wish or rule (such as 60 s after "too frequent"). May exceed the cap. */
  readonly minDelayMs?: number;
}

/** Platform budgets (identifies), counted in Redis: per account for all hosts, or per host for all accounts. */
export interface Budget {
  /**
   * Takes one permit from every limit of `name`, or none.
   *
   * @param options - `scope`: who shares it; `host` is for what a platform counts by the address we come from.
   *   Default: `account`
   * @returns granted, or how long until it can be (ms) and which limit said no
   * @throws TransientError when Redis can't be asked: no permit then
   */
  take(
    name: string,
    limits: readonly BudgetLimit[],
    options: { signal: AbortSignal; scope?: 'account' | 'host' },
  ): Promise<{ granted: true } | { granted: false; retryAfterMs: number; reason: string }>;
}

export interface BudgetLimit {
  readonly count: number;
  readonly windowMs: number;
}

export interface Sender {
  /**
   * Cuts a reply into parts that the platform takes, at most `maxParts` when given; code fences stay whole.
   * What does not fit is in `overflow` (to be sent as messages of their own, or refused).
   */
  split(
    text: string,
    maxParts: number | null,
  ): { readonly parts: readonly string[]; readonly overflow: readonly string[] };

  /** Sends one part. Never throws for what the platform or network does: every such end is a {@link SendOutcome}. */
  send(part: OutboundPart, options: { signal: AbortSignal }): Promise<SendOutcome>;

  /** Buckets this part draws from, with their static starting limits. */
  buckets(part: OutboundPart): readonly { readonly key: string; readonly count: number; readonly windowMs: number }[];

  /**
   * Shows the people of the conversation that an answer is being written, for about 5 s. Called again and again while a
   * turn runs; whatever goes wrong is only worth a pause. Left out where the platform has nothing of the kind.
   *
   * @throws GatewayError when it was not shown
   */
  typing?(reply: ReplyHandle, options: { signal: AbortSignal }): Promise<void>;

  /**
   * True when the platform itself refuses a second copy of this part, so that it may be sent again after a crash in
   * mid-send. Left out: replies where `sendIdempotency` is `key-on-replies`, everything where it is `key`.
   */
  repeatable?(part: OutboundPart): boolean;
}
