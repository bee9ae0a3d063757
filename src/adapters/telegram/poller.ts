/**
 * One run of polls, from the first call to the first failure. The order within is what nothing is lost by: poll → store
 * the batch with the offset that follows it → only then poll again, because the next call confirms, and the platform
 * deletes what is confirmed.
 *
 * Life is a completed getUpdates and nothing else: not a call that was started, not a send that went well.
 *
 * @see NousResearch/hermes-agent #47366, openclaw/openclaw #44595, #78422
 */
import { childController, settledWithin, sleep } from '../../async/abort.ts';
import { watchForGaps } from '../../async/clock-gap.ts';
import type { HoldContext } from '../adapter.ts';
import type { Answer, TelegramApi, Unanswered, Unread } from './api.ts';
import { onlyUpdateIn, type ReceivedUpdate, updatesOf } from './batch.ts';
import type { CallbackAnswers } from './callback-answers.ts';
import { freshPool } from './fresh-pool.ts';
import type { Inbox, Taken } from './inbox.ts';
import type { OwnName } from './own-name.ts';
import { ALLOWED_UPDATES, type Me, POLL_LIMIT, TIMEOUT_UNIT_MS } from './protocol.ts';
import type { RunEnd } from './verdict.ts';

export interface PollerDeps {
  readonly context: HoldContext;
  readonly api: TelegramApi;
  readonly inbox: Inbox;
  readonly callbacks: CallbackAnswers;
  /** Aborts on drain, too. */
  readonly stop: AbortSignal;
  /** A poll was answered after waiting so long, ms. */
  onAnswer(parkedMs: number): void;
  /** We are listening, as far as anybody can tell. */
  onProven(): void;
}

export interface RunPlan {
  readonly self: OwnName;
  /** How long polls wait, ms. */
  readonly pollMs: number;
  /** How the first poll proves that we are listening; see `Verdict`. */
  readonly opening: 'quick' | 'undisturbed';
}

/**
 * How much longer than asked an answer may take, beside the time of a dial, ms: the platform holds back quick repetitions
 * and conflicts for up to 3 s.
 */
const HOLD_BACK_MS = 3_000;
/** Two live pollers meet every 3 to 7 s; who is left alone for this long has no rival, ms. */
const UNDISTURBED_MS = 8_000;
/** First poll where a rival may be, ms. */
const PROBE_MS = 10_000;
/** Confirms nothing, and is not the absent offset of a quick poll. Ids begin above 2,000,000 (tdlib/td, `TQueue.cpp`). */
const BELOW_ALL_IDS = 1;
/** How long storing may take before status says that nothing is polled, ms. */
const STORE_PATIENCE_MS = 3_000;
/** A long poll that comes back empty this soon did not wait, ms. */
const TOO_SOON_MS = 100;
/** Least time between two such polls, ms: a server without long polling would be asked thousands of times a second. */
const LEAST_SPACING_MS = 250;

type Trouble = Exclude<Answer, { kind: 'ok' }>;

class ClockGap extends Error {
  override readonly name = 'ClockGap';
}

export class Poller {
  readonly #deps: PollerDeps;
  readonly #plan: RunPlan;
  readonly #answerMs: number;
  readonly #startedAt: number;
  #proven = false;
  /** Ends the call that waits. */
  #call: AbortController | null = null;
  /** Noticed, and not yet acted upon. */
  #gap: ClockGap | null = null;

  constructor(deps: PollerDeps, plan: RunPlan) {
    this.#deps = deps;
    this.#plan = plan;
    this.#answerMs = deps.context.dialTimeoutMs + HOLD_BACK_MS;
    this.#startedAt = deps.context.clock.monotonic();
  }

  /**
   * Polls until something fails.
   *
   * @throws the stop signal's reason; FencedError when the lease is found lost
   */
  async run(): Promise<RunEnd> {
    const { health, clock } = this.#deps.context;
    health.maxSilence(this.#plan.pollMs + this.#answerMs);
    // Over all polls of the run: a gap may end just when one of them does, and the next would use its dead socket.
    using _gaps = watchForGaps(this.#deps.context, (ms) => this.#missed(ms));
    let quick = this.#plan.opening === 'quick';
    for (;;) {
      if (!(await this.#stored())) return { cause: 'storage' };
      this.#deps.callbacks.stored();
      const waitMs = this.#proven ? this.#plan.pollMs : quick ? 0 : Math.min(PROBE_MS, this.#plan.pollMs);
      const startedAt = clock.monotonic();
      const answer = this.#gap ?? (await this.#poll(waitMs, quick));
      quick = answer instanceof ClockGap;
      if (answer instanceof ClockGap) {
        await this.#startOver(answer.message);
        continue;
      }
      const parkedMs = clock.monotonic() - startedAt;
      if (answer.kind !== 'unread') return { cause: 'call', trouble: answer, parkedMs };
      const read = await this.#read(answer, parkedMs);
      if ('kind' in read) return { cause: 'call', trouble: read, parkedMs };
      const idle = read.count === 0 ? parkedMs < TOO_SOON_MS : !read.progress;
      if (idle && waitMs >= TIMEOUT_UNIT_MS) {
        await sleep(Math.max(0, LEAST_SPACING_MS - parkedMs), { signal: this.#deps.stop });
      }
    }
  }

  /** Waits a moment for what was received to be stored. @returns false when it is not, or there is no room for more */
  async #stored(): Promise<boolean> {
    const { context, stop } = this.#deps;
    const stored = await settledWithin(context.sink.flush({ signal: stop }), STORE_PATIENCE_MS);
    return stored && !context.sink.full;
  }

  /**
   * A quick poll names no offset. It reads what is unconfirmed and confirms nothing, and is answered at once: one with
   * the offset of a poll that began less than 3 s ago, by whomever, is kept waiting for 3 s (tdlib/telegram-bot-api,
   * `Client::do_get_updates`). What comes twice by that is known by its id.
   *
   * @throws the stop signal's reason
   */
  async #poll(waitMs: number, quick: boolean): Promise<Unread | Unanswered | ClockGap> {
    const { api, context, inbox, stop } = this.#deps;
    const deadlineMs = waitMs + this.#answerMs;
    if (!this.#proven) context.health.connecting('replaying', context.clock.now() + deadlineMs);
    const params = {
      ...(quick ? {} : { offset: inbox.offset ?? BELOW_ALL_IDS }),
      limit: context.reading.active ? 1 : POLL_LIMIT,
      timeout: Math.floor(waitMs / TIMEOUT_UNIT_MS),
      // A list that is left out stays as the last poller has set it.
      ...(this.#proven ? {} : { allowed_updates: ALLOWED_UPDATES }),
    };
    using call = childController(stop);
    this.#call = call;
    context.assertHeld();
    try {
      return await api.ask('getUpdates', params, { signal: call.signal, deadlineMs });
    } catch (error) {
      if (error instanceof ClockGap) return error;
      throw error;
    } finally {
      this.#call = null;
    }
  }

  #missed(ms: number): void {
    this.#gap = new ClockGap(`${Math.round(ms / 1000)} s went by unseen`);
    this.#call?.abort(this.#gap);
  }

  /** After sleep or a freeze the peer has most likely forgotten us: a new socket at once, and nobody failed. */
  async #startOver(why: string): Promise<void> {
    const { health, transport, log } = this.#deps.context;
    const reason = `${why} (sleep, or a frozen process): polling anew`;
    log.info({ event: 'clock-gap', reason }, reason);
    health.lost(reason);
    this.#proven = false;
    this.#gap = null;
    await freshPool(transport.http);
  }

  /** @returns what is wrong with the answer, or what it brought */
  async #read(answer: Unread, parkedMs: number): Promise<Trouble | Taken> {
    const { context, inbox } = this.#deps;
    const only = context.reading.active ? onlyUpdateIn(answer.text) : null;
    if (only === null) return await this.#takeAll(answer, parkedMs);
    let read: Trouble | Taken = { count: 1, progress: true, callbackIds: [] };
    await context.reading.one({
      position: `update ${only.id}`,
      raw: only.raw,
      read: () => {
        read = this.#take(answer, parkedMs);
      },
      passOver: (why) => inbox.passOver(only.id, only.raw, why),
    });
    return read;
  }

  async #takeAll(answer: Unread, parkedMs: number): Promise<Trouble | Taken> {
    const batch = this.#batchIn(answer, parkedMs);
    return 'kind' in batch ? batch : this.#taken(batch, await this.#plan.self.asOf(batch));
  }

  #take(answer: Unread, parkedMs: number): Trouble | Taken {
    const batch = this.#batchIn(answer, parkedMs);
    return 'kind' in batch ? batch : this.#taken(batch, this.#plan.self.known);
  }

  #batchIn(answer: Unread, parkedMs: number): Trouble | readonly ReceivedUpdate[] {
    const { context, onAnswer } = this.#deps;
    const batch = updatesOf(answer.read());
    if ('kind' in batch) return batch;
    context.health.roundTrip();
    context.health.frame();
    onAnswer(parkedMs);
    this.#prove();
    return batch;
  }

  #taken(batch: readonly ReceivedUpdate[], self: Me): Taken {
    const { inbox, callbacks } = this.#deps;
    const taken = inbox.take(batch, self);
    callbacks.received(taken.callbackIds);
    return taken;
  }

  #prove(): void {
    if (this.#proven) return;
    const { clock, health, gate } = this.#deps.context;
    const isEnough = this.#plan.opening === 'quick' || clock.monotonic() - this.#startedAt >= UNDISTURBED_MS;
    if (!isEnough) return;
    this.#proven = true;
    gate.proven();
    this.#deps.onProven();
    health.live(this.#deps.inbox.proven());
  }
}
