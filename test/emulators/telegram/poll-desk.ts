/**
 * getUpdates of one bot: who waits, who is turned away, what is confirmed when. Steps and numbers follow the official
 * server (tdlib/telegram-bot-api, Client.cpp: process_get_updates_query, do_get_updates, abort_long_poll,
 * fail_query_conflict; read 2026-11-22).
 */
import { ApiRefusal, failure, type JsonAnswer, success } from './answers.ts';
import type { CallArguments } from './arguments.ts';
import type { Journal } from './journal.ts';
import type { TelegramSettings } from './options.ts';
import type { StoredUpdate, UpdateQueue } from './update-queue.ts';
import type { AllowedUpdates } from './update-types.ts';

const longestPollS = 50;
/** New updates are collected that long before a parked call is answered. */
const wakeAfterMs = 2;
const spin = { withinMs: 3000, timeoutS: 3, limitOneWithinMs: 500 };
/** Bytes that the platform reckons for an update beside its payload. */
const updateOverhead = 50;

export const conflictText = {
  otherPoll: 'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
  setWebhook: 'Conflict: terminated by setWebhook request',
  webhookActive:
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
} as const;

/** A call that waits for an update. */
interface Parked {
  readonly call: number;
  readonly offset: number;
  readonly limit: number;
  readonly settle: (answer: JsonAnswer) => void;
  readonly deadline: NodeJS.Timeout;
  wake: NodeJS.Timeout | null;
}

/** What faults make of a batch on its way out; see {@link BatchFault}. */
export type BatchFault = { readonly name: 'duplicate' } | { readonly name: 'reverse' };

export interface PollDeskParts {
  readonly botId: number;
  readonly queue: UpdateQueue;
  readonly allowed: AllowedUpdates;
  readonly journal: Journal;
  readonly settings: TelegramSettings;
  readonly takeBatchFault: () => BatchFault | undefined;
}

export class PollDesk {
  readonly #parts: PollDeskParts;
  #parked: Parked | null = null;
  #previous = { offset: Number.NaN, startedAt: Number.NEGATIVE_INFINITY };
  #nextConflictAt = 0;
  readonly #heldBack = new Set<NodeJS.Timeout>();

  constructor(parts: PollDeskParts) {
    this.#parts = parts;
  }

  get isParked(): boolean {
    return this.#parked !== null;
  }

  /** @param call its number in the journal */
  getUpdates(call: number, args: CallArguments, isWebhookActive: boolean): Promise<JsonAnswer> {
    if (isWebhookActive) return new Promise((settle) => this.#conflict(conflictText.webhookActive, settle));
    const offset = args.integer('offset', 0);
    let limit = args.integer('limit', 100, 1, 100);
    let timeoutS = args.integer('timeout', 0, 0, longestPollS);
    this.#parts.allowed.update(args.raw('allowed_updates'));
    // Anti-spin: the same offset again is made to wait, and to take little.
    const now = performance.now();
    const sinceMs = offset === this.#previous.offset ? now - this.#previous.startedAt : Number.POSITIVE_INFINITY;
    if (sinceMs < spin.withinMs) timeoutS = Math.max(timeoutS, spin.timeoutS);
    if (sinceMs < spin.limitOneWithinMs) limit = 1;
    this.#previous = { offset, startedAt: now };
    return new Promise((settle) => this.#answerOrPark({ call, offset, limit, settle }, timeoutS * 1000));
  }

  /** A new update is there: a parked call is answered in a moment. */
  wake(): void {
    const parked = this.#parked;
    if (parked === null || parked.wake !== null) return;
    parked.wake = setTimeout(() => this.#release(parked), wakeAfterMs);
  }

  /** The bot's instance closes, or its token ends: the parked call gets what is there, that is `[]`. */
  finish(): void {
    if (this.#parked !== null) this.#release(this.#parked);
  }

  /** A parked call is turned away with that conflict. */
  terminate(text: string): void {
    const parked = this.#unpark();
    if (parked !== null) this.#conflict(text, parked.settle);
  }

  /** The emulator ends: timers must not keep the process. Who waits gets no answer. */
  close(): void {
    this.#unpark();
    for (const timer of this.#heldBack) clearTimeout(timer);
  }

  #answerOrPark(poll: Pick<Parked, 'call' | 'offset' | 'limit' | 'settle'>, timeoutMs: number): void {
    const { queue, journal, botId } = this.#parts;
    const { updates, confirmed } = queue.read(poll.offset, poll.limit);
    if (confirmed.length > 0) journal.append({ kind: 'confirmed', call: poll.call, botId, updateIds: confirmed });
    if (updates.length > 0 || timeoutMs === 0) {
      poll.settle(this.#batch(poll.call, updates));
      return;
    }
    this.terminate(conflictText.otherPoll);
    // A negative offset has done its work; the parked call waits at the head.
    const offset = poll.offset > 0 ? poll.offset : (queue.head ?? 0);
    const parked: Parked = {
      ...poll,
      offset,
      deadline: setTimeout(() => this.#release(parked), timeoutMs),
      wake: null,
    };
    this.#parked = parked;
    journal.append({ kind: 'parked', call: poll.call, botId, timeoutMs });
  }

  #release(parked: Parked): void {
    if (this.#parked !== parked) return;
    this.#unpark();
    this.#answerOrPark(parked, 0);
  }

  #unpark(): Parked | null {
    const parked = this.#parked;
    this.#parked = null;
    if (parked === null) return null;
    clearTimeout(parked.deadline);
    if (parked.wake !== null) clearTimeout(parked.wake);
    return parked;
  }

  /** The first conflict is told at once, further ones after a while. */
  #conflict(text: string, settle: (answer: JsonAnswer) => void): void {
    const holdMs = this.#parts.settings.conflictHoldMs;
    const answer = failure(new ApiRefusal(409, text));
    const now = performance.now();
    if (now >= this.#nextConflictAt) {
      this.#nextConflictAt = now + holdMs;
      settle(answer);
      return;
    }
    const timer = setTimeout(() => {
      this.#heldBack.delete(timer);
      settle(answer);
    }, holdMs);
    this.#heldBack.add(timer);
  }

  #batch(call: number, updates: readonly StoredUpdate[]): JsonAnswer {
    let left = this.#parts.settings.batchBytes;
    const fitting: StoredUpdate[] = [];
    for (const update of updates) {
      left -= updateOverhead + Buffer.byteLength(update.json);
      if (left <= 0) break;
      fitting.push(update);
    }
    const batch = fitting.length === 0 ? fitting : this.#disturb(fitting);
    if (batch.length > 0) {
      const updateIds = batch.map(({ id }) => id);
      this.#parts.journal.append({ kind: 'handed-out', call, botId: this.#parts.botId, updateIds });
    }
    return success(`[${batch.map(({ json }) => json).join(',')}]`);
  }

  #disturb(updates: readonly StoredUpdate[]): readonly StoredUpdate[] {
    const fault = this.#parts.takeBatchFault();
    switch (fault?.name) {
      case undefined:
        return updates;
      case 'duplicate':
        return updates.flatMap((update) => [update, update]);
      case 'reverse':
        return updates.toReversed();
      default:
        return fault satisfies never;
    }
  }
}
