/**
 * From the adapter's hands into Redis: group commit without a timer. What was pushed is sent at once when nothing is
 * under way, else whatever has gathered by then, a few batches at once (batch-slots.ts).
 *
 * Nothing leaves memory before Redis has answered for it. After an unknown outcome (timeout, connection lost) or a
 * refusal, everything unacknowledged is sent again, oldest first, in as many batches as it takes; the script adds only
 * what it does not have. Until that succeeds the pump is full, and the adapter stops reading.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { InboundSink } from '../adapters/adapter.ts';
import { withDeadline } from '../async/abort.ts';
import { explain, FencedError } from '../errors.ts';
import type { AuditVerdict, ConnectionId, Cursor, FencingToken, InboundEvent } from '../model.ts';
import { settleAudit } from '../state/audits.ts';
import {
  type Activation,
  encodeCursor,
  encodeEvent,
  type IngestAnswer,
  type ItemAnswer,
  ingest,
} from '../state/ingest.ts';
import { LANE_BYTES, LANE_MESSAGES, LANES_BYTES } from '../state/kept.ts';
import type { Keys } from '../state/keys.ts';
import { addLaneJobs, type LaneQueue } from '../state/lane-jobs.ts';
import type { RedisClient } from '../state/redis.ts';
import { ALL_SAFEGUARDS, type Safeguards } from '../state/safeguards.ts';
import { BatchSlots } from './batch-slots.ts';
import { type Batch, Unacknowledged } from './unacknowledged.ts';

export interface InboundPumpOptions {
  readonly connection: ConnectionId;
  readonly token: FencingToken;
  /** The cursor that came with the lease; `null`: none, or it could not be read. */
  readonly cursor: Cursor | null;
  /** A client of profile `fenced`. */
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly turns: LaneQueue;
  readonly log: Logger;
  /** How long event ids are remembered, ms: the adapter's `dedupeWindowMs`. */
  readonly dedupeWindowMs: number;
  /** Called synchronously before each send; throws FencedError when the lease may have run out. */
  assertHeld(): void;
  /** Called once, when nothing more can be stored under this token. */
  onFenced(error: FencedError): void;
  /** What comes can or cannot be stored from now on; `null`: it can. Must not throw. */
  onTrouble?(trouble: InboundTrouble | null): void;
  /** So many events were stored (or known already) `lagMs` after they were pushed; must not throw. */
  onStored?(lagMs: number, events: number): void;
  /** How far Redis's clock is ahead of ours, ms: what is stored is judged by that clock. @defaultValue 0 */
  redisAheadMs?(): number;
  /** Redis as a whole is short of memory. @defaultValue never */
  instanceFull?(): boolean;
  /** Memory is getting short: records kept aside are cut. @defaultValue never */
  short?(): boolean;
  /** Shared by the pumps of a process. @defaultValue its own */
  readonly slots?: BatchSlots;
  /** @defaultValue all on */
  readonly safeguards?: Safeguards;
  readonly limits?: Partial<InboundLimits>;
}

export interface InboundLimits {
  /** Events unacknowledged in memory before the pump is full. @defaultValue 1000 */
  readonly maxEvents: number;
  /** Their bytes. @defaultValue 8 MiB */
  readonly maxBytes: number;
  /** Bytes waiting in the connection's lanes in Redis before messages are refused. @defaultValue 64 MiB */
  readonly maxPendingBytes: number;
  /** Of one conversation: more are refused, with a record, and others go on. @defaultValue 1000 */
  readonly maxLaneMessages: number;
  /** The same in bytes. @defaultValue 4 MiB */
  readonly maxLaneBytes: number;
}

const DEFAULT_LIMITS: InboundLimits = {
  maxEvents: 1_000,
  maxBytes: 8 << 20,
  maxPendingBytes: LANES_BYTES,
  maxLaneMessages: LANE_MESSAGES,
  maxLaneBytes: LANE_BYTES,
};
/** Between tries while Redis is away or full. */
const RETRY_MS = 100;
/** While nothing gets through, it is said again this often, ms. */
const REMIND_MS = 30_000;
const LAST_JOBS_MS = 500;

/** Why nothing gets through at the moment. */
export interface InboundTrouble {
  readonly reason: string;
  /** Wall clock, ms since the epoch. */
  readonly since: number;
}

interface Waiter {
  readonly position: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export function createInboundPump(options: InboundPumpOptions): InboundPump {
  return new InboundPump(options);
}

export class InboundPump implements InboundSink {
  readonly #options: InboundPumpOptions;
  readonly #limits: InboundLimits;
  readonly #writer: string;
  readonly #slots: BatchSlots;
  readonly #pending = new Unacknowledged();
  /** Since when what ends at a position waits, monotonic ms; oldest first. */
  #pushes: { readonly end: number; readonly at: number; readonly events: number }[] = [];
  /** Batches without an answer so far. */
  #inFlight = 0;
  #scheduled = false;
  #retry: NodeJS.Timeout | undefined;
  #trouble: InboundTrouble | null = null;
  #remindedAt = 0;
  /** Messages refused for their conversation's sake since that was last said. */
  #busy = 0;
  #busySaidAt = 0;
  #stopped: Error | undefined;
  #storedCursor: Cursor | null;
  #full = false;
  #onFullChange: (full: boolean) => void = () => {};
  #waiters: Waiter[] = [];
  readonly #wakes = new Set<Promise<void>>();

  constructor(options: InboundPumpOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#slots = options.slots ?? new BatchSlots();
    this.#writer = `${options.token}-${randomUUID()}`;
    this.#storedCursor = options.cursor;
  }

  get full(): boolean {
    return this.#full;
  }

  get storedCursor(): Cursor | null {
    return this.#storedCursor;
  }

  /** `null` while all is well. */
  get trouble(): InboundTrouble | null {
    return this.#trouble;
  }

  /** Events and cursors not yet known to be stored. */
  get pendingItems(): number {
    return this.#pending.length;
  }

  onFullChange(listener: (full: boolean) => void): void {
    this.#onFullChange = listener;
  }

  /** After the pump has stopped this does nothing: what is not stored stays with the platform. */
  push(events: readonly InboundEvent[], cursor: Cursor | null): void {
    if (this.#stopped !== undefined) return;
    const last = events.length - 1;
    const items = events.map((event, index) =>
      encodeEvent(
        this.#options.connection,
        this.#byRedis(event),
        index === last ? cursor : null,
        this.#options.short?.() ?? false,
      ),
    );
    if (items.length === 0 && cursor !== null) items.push(encodeCursor(cursor));
    this.#pending.push(items);
    this.#pushes.push({ end: this.#pending.end, at: performance.now(), events: events.length });
    this.#updateFull();
    this.#schedule();
  }

  /** What is stored is judged by Redis's clock, on whatever host. */
  #byRedis(event: InboundEvent): InboundEvent {
    const { reply } = event;
    if (reply === null || reply.deadlineAt === null) return event;
    const deadlineAt = Math.round(reply.deadlineAt + (this.#options.redisAheadMs?.() ?? 0));
    return { ...event, reply: { ...reply, deadlineAt } };
  }

  async flush({ signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted();
    if (this.#pending.length === 0) return;
    if (this.#stopped !== undefined) throw this.#stopped;
    const position = this.#pending.end;
    let onAbort: (() => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const waiter = { position, resolve, reject };
        onAbort = () => {
          this.#waiters = this.#waiters.filter((other) => other !== waiter);
          reject(signal.reason);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        this.#waiters.push(waiter);
      });
    } finally {
      if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
    }
  }

  /** Stores nothing more. Calling again is safe; `flush` rejects from here on when something was left. */
  stop(reason: Error): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = reason;
    clearTimeout(this.#retry);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(reason);
  }

  /** Waits, for half a second at most, for turn jobs that are being added; the sweep adds what is left. */
  async jobsAdded(): Promise<void> {
    const never = new AbortController().signal;
    await withDeadline('turn jobs', LAST_JOBS_MS, never, () => Promise.all(this.#wakes)).catch(() => undefined);
  }

  /** Gathers what is pushed in the same turn of the event loop, such as the frames of one read. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#sendMore();
    });
  }

  #sendMore(): void {
    while (this.#trouble === null && this.#sendOne());
  }

  /** @returns false when there was nothing to send, or nothing may be sent at the moment or any more */
  #sendOne(): boolean {
    if (this.#stopped !== undefined || !this.#slots.take(this.#inFlight)) return false;
    const batch = this.#pending.take();
    if (batch === null || !this.#isHeld()) {
      this.#slots.giveBack(this.#inFlight);
      return false;
    }
    this.#inFlight += 1;
    // Both outcomes are handled inside; nothing is left to reject.
    void this.#store(batch);
    return true;
  }

  /** Where not, the pump is fenced. */
  #isHeld(): boolean {
    try {
      this.#options.assertHeld();
      return true;
    } catch (error) {
      this.#fence(error instanceof FencedError ? error : new FencedError(explain(error), { cause: error }));
      return false;
    }
  }

  async #store({ from, items }: Batch): Promise<void> {
    const { connection, token, cursor, redis, keys, dedupeWindowMs, safeguards } = this.#options;
    let outcome: { readonly answer: IngestAnswer } | { readonly error: unknown };
    try {
      // Before they are stored: whoever dies in between hears of the verdict again.
      for (const { audit } of items) if (audit !== undefined) await this.#settleAudit(audit);
      const answer = await ingest(redis, keys, {
        connection,
        token,
        writer: this.#writer,
        from,
        startCursor: cursor,
        items,
        // Cursors are long beside messages. Only where a batch may have to be cut does each of its items need one.
        cursors: this.#trouble === null ? 'last' : 'each',
        dedupeWindowMs,
        maxPendingBytes: this.#limits.maxPendingBytes,
        maxLaneMessages: this.#limits.maxLaneMessages,
        maxLaneBytes: this.#limits.maxLaneBytes,
        instanceFull: this.#options.instanceFull?.() ?? false,
        safeguards: safeguards ?? ALL_SAFEGUARDS,
      });
      outcome = { answer };
    } catch (error) {
      outcome = { error };
    }
    this.#inFlight -= 1;
    this.#slots.giveBack(this.#inFlight);
    if ('answer' in outcome) this.#onAnswer(from, outcome.answer);
    else this.#setTrouble(`Redis did not store inbound: ${explain(outcome.error)}`);
    this.#next();
  }

  async #settleAudit(audit: AuditVerdict): Promise<void> {
    const { redis, keys, connection, log } = this.#options;
    if ((await settleAudit(redis, keys, connection, audit)) !== 'rejected') return;
    const facts = { event: 'dead-letter', outcome: 'rejected', code: 'AUDIT', audit: audit.id };
    log.warn(facts, "the platform's audit refused a part: it became a dead letter");
  }

  #onAnswer(from: number, answer: IngestAnswer): void {
    switch (answer.kind) {
      case 'fenced':
        this.#fence(new FencedError('a newer fencing token holds the connection'));
        return;
      case 'gap':
        // Behind a batch that is in trouble this is what should happen. The oldest one has nothing before it that
        // could still come: Redis has lost what it had acknowledged, and only the stored cursor helps now.
        if (from > this.#pending.position) this.#setTrouble('a batch before this one is not stored');
        else this.#fence(new FencedError('Redis no longer has what it had stored; starting again from its cursor'));
        return;
      case 'full':
        this.#sayBusy(answer.items);
        this.#acknowledge(answer.next);
        this.#wake(answer.activations);
        this.#setTrouble('messages are refused: too many bytes wait for the agent, or Redis is short of memory');
        return;
      case 'stored':
      case 'already':
        this.#sayBusy(answer.items);
        this.#acknowledge(answer.next);
        this.#wake(answer.activations);
        this.#clearTrouble();
        return;
      default:
        answer satisfies never;
    }
  }

  /** Not silently, and not once per message of a flood. */
  #sayBusy(items: readonly ItemAnswer[]): void {
    this.#busy += items.filter((item) => item === 'busy').length;
    const now = Date.now();
    if (this.#busy === 0 || now - this.#busySaidAt < REMIND_MS) return;
    const facts = { event: 'inbound.busy', refused: this.#busy };
    this.#options.log.warn(
      facts,
      'a conversation, or one person in a group, has too many messages waiting: more are refused, others are stored',
    );
    this.#busySaidAt = now;
    this.#busy = 0;
  }

  #acknowledge(next: number): void {
    const newest = this.#pending.acknowledge(next).findLast(({ cursor }) => cursor !== null);
    if (newest !== undefined) this.#storedCursor = newest.cursor;
    const { position } = this.#pending;
    this.#measure(position);
    const reached = this.#waiters.filter((waiter) => waiter.position <= position);
    this.#waiters = this.#waiters.filter((waiter) => waiter.position > position);
    for (const waiter of reached) waiter.resolve();
    this.#updateFull();
  }

  /** A push counts when all of it is stored. */
  #measure(position: number): void {
    const now = performance.now();
    let count = 0;
    for (const { end, at, events } of this.#pushes) {
      if (end > position) break;
      this.#options.onStored?.(now - at, events);
      count += 1;
    }
    this.#pushes.splice(0, count);
  }

  /** After each answer: go on, or, once nothing is in flight any more, plan the next try. */
  #next(): void {
    if (this.#stopped !== undefined) return;
    if (this.#inFlight === 0) this.#pending.rewind();
    if (this.#trouble === null) this.#sendMore();
    else if (this.#inFlight === 0) this.#retry = setTimeout(() => this.#tryAgain(), RETRY_MS);
  }

  /** One batch, to see; the others follow when it went through. */
  #tryAgain(): void {
    if (this.#pending.length === 0) this.#clearTrouble();
    else this.#sendOne();
    this.#remind();
  }

  /** Being stuck must not be silent. */
  #remind(): void {
    const { log } = this.#options;
    const now = Date.now();
    if (this.#trouble === null || now - this.#remindedAt < REMIND_MS) return;
    this.#remindedAt = now;
    const { reason, since } = this.#trouble;
    log.error({ event: 'inbound.still-stuck', pending: this.#pending.length, stuckMs: now - since }, reason);
  }

  #setTrouble(reason: string): void {
    if (this.#trouble !== null) return;
    this.#trouble = { reason, since: Date.now() };
    this.#remindedAt = this.#trouble.since;
    this.#options.log.warn({ event: 'inbound.stuck', pending: this.#pending.length }, reason);
    this.#options.onTrouble?.(this.#trouble);
    this.#updateFull();
  }

  #clearTrouble(): void {
    if (this.#trouble === null) return;
    const stuckMs = Date.now() - this.#trouble.since;
    this.#trouble = null;
    this.#options.log.info({ event: 'inbound.flowing', stuckMs }, 'inbound is stored again');
    this.#options.onTrouble?.(null);
    this.#updateFull();
  }

  #wake(activations: readonly Activation[]): void {
    if (activations.length === 0) return;
    const { connection, turns, log } = this.#options;
    const wake = addLaneJobs(turns, 'lane', connection, activations)
      .catch((error: unknown) => {
        log.warn(
          { event: 'inbound.wake-failed', err: error, lanes: activations.length },
          'the sweep will wake these lanes',
        );
      })
      .finally(() => this.#wakes.delete(wake));
    this.#wakes.add(wake);
  }

  #fence(error: FencedError): void {
    if (this.#stopped !== undefined) return;
    this.stop(error);
    this.#options.onFenced(error);
  }

  #updateFull(): void {
    const { maxEvents, maxBytes } = this.#limits;
    const share = Math.max(this.#pending.length / maxEvents, this.#pending.bytes / maxBytes);
    // Half empty before reading goes on: at the edge it would stop and go with every event.
    const full = this.#trouble !== null || share >= (this.#full ? 0.5 : 1);
    if (full === this.#full) return;
    this.#full = full;
    this.#onFullChange(full);
  }
}
