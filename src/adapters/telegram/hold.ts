/**
 * The connection as it outlives its polls: pass the gate → who are we, is a webhook set → poll until something fails →
 * judge its end → again. "Should run" is no variable here: only the core's signals end this loop, and a fatal verdict.
 *
 * @see NousResearch/hermes-agent #25221, openclaw/openclaw #26447: a loop that ended by itself was taken for a clean stop
 */
import { explain, FatalError, TransientError } from '../../errors.ts';
import type { AttemptCause, HoldContext } from '../adapter.ts';
import { noteSurvival } from '../idle-cut.ts';
import { untilDrained } from '../until-drained.ts';
import type { Answer, TelegramApi } from './api.ts';
import { CallbackAnswers } from './callback-answers.ts';
import { freshPool } from './fresh-pool.ts';
import { Inbox } from './inbox.ts';
import type { TelegramOptions } from './options.ts';
import { OwnName } from './own-name.ts';
import { Poller, type RunPlan } from './poller.ts';
import { me, NEW_BOT_LIMITS, webhookInfo } from './protocol.ts';
import { judge, NO_SETBACKS, type RunEnd, reconnectCause, type Setbacks } from './verdict.ts';

export interface HoldDeps {
  readonly options: TelegramOptions;
  readonly api: TelegramApi;
}

/** Bound of a call that is answered at once, beside the time of a dial, ms. */
const CALL_MS = 5_000;

/**
 * Implements `Adapter.hold`. A drain cuts the parked poll and confirms nothing: the next holder asks for what follows the
 * stored offset.
 */
export function hold(context: HoldContext, deps: HoldDeps): Promise<void> {
  return untilDrained(context, (stop) => new HeldBot(context, deps, stop).run());
}

class HeldBot {
  readonly #context: HoldContext;
  readonly #deps: HoldDeps;
  /** Aborts on drain, too. */
  readonly #stop: AbortSignal;
  readonly #inbox: Inbox;
  readonly #callbacks: CallbackAnswers;
  #setbacks: Setbacks = NO_SETBACKS;
  #opening: RunPlan['opening'] = 'quick';
  #pollMs: number;
  /** Who we are; `null`: to be asked. */
  #self: OwnName | null = null;
  #permitted: boolean;
  #dropPending: boolean;

  constructor(context: HoldContext, deps: HoldDeps, stop: AbortSignal) {
    const { sink, cursor, clock, log } = context;
    const { options, api } = deps;
    this.#context = context;
    this.#deps = deps;
    this.#stop = stop;
    this.#inbox = new Inbox({ sink, cursor, options, clock, log });
    this.#callbacks = new CallbackAnswers({ api, log, signal: stop, assertHeld: () => context.assertHeld() });
    this.#pollMs = options.pollMs;
    this.#permitted = this.#inbox.isWarm;
    this.#dropPending = options.dropPending && this.#inbox.isNew;
  }

  /** @throws the stop signal's reason */
  async run(): Promise<never> {
    const { gate, health, transport } = this.#context;
    health.route(transport.routeOf(this.#deps.options.apiBaseUrl));
    for (let cause: AttemptCause | null = null; ; ) {
      await gate.pass(cause, { signal: this.#stop });
      const end = await this.#attempt();
      cause = this.#after(end);
      health.lost(cause.reason);
      // What failed once may have left a socket that looks alive; the next attempt must not be dialed through it.
      if (end.cause === 'call') await freshPool(transport.http);
    }
  }

  async #attempt(): Promise<RunEnd> {
    const started = await this.#start();
    if ('cause' in started) return started;
    const poller = new Poller(
      {
        context: this.#context,
        api: this.#deps.api,
        inbox: this.#inbox,
        callbacks: this.#callbacks,
        stop: this.#stop,
        onAnswer: (parkedMs) => {
          const cuts = noteSurvival(this.#setbacks.cuts, parkedMs);
          this.#setbacks = { ...this.#setbacks, refusedTokens: 0, cuts };
        },
        onProven: () => {
          this.#setbacks = { ...this.#setbacks, rival: false };
        },
      },
      { self: started, pollMs: this.#pollMs, opening: this.#opening },
    );
    return await poller.run();
  }

  #after(end: RunEnd): AttemptCause {
    const { clock, health, log } = this.#context;
    const verdict = judge(end, {
      ...this.#deps.options,
      setbacks: this.#setbacks,
      now: clock.monotonic(),
      pollMs: this.#pollMs,
      random: Math.random(),
    });
    if (verdict.kind === 'give-up') throw new FatalError(verdict.code, verdict.message);
    this.#setbacks = verdict.setbacks;
    if (verdict.shorter !== null) {
      this.#pollMs = verdict.shorter.pollMs;
      health.remark(verdict.shorter.remark);
      log.warn({ event: 'idle-cuts', pollMs: verdict.shorter.pollMs, reason: verdict.reason }, verdict.shorter.remark);
    }
    if (verdict.next === 'start') this.#self = null;
    else this.#opening = verdict.next;
    return { reason: verdict.reason, kind: reconnectCause(end), minDelayMs: verdict.minDelayMs };
  }

  /** What is asked once, not before each run: who we are, and whether polling is possible at all. */
  async #start(): Promise<OwnName | RunEnd> {
    if (this.#self !== null) return this.#self;
    const refused = await this.#permit();
    if (refused !== null) return refused;
    const named = await this.#call('getMe');
    if (named.kind !== 'ok') return failed(named);
    const self = me.safeParse(named.result);
    if (!self.success) return failed({ kind: 'garbled', method: 'getMe', status: 200, text: named.text });
    const blocked = await this.#clearWebhook();
    if (blocked !== null) return blocked;
    const { api } = this.#deps;
    const { clock, log, dialTimeoutMs } = this.#context;
    const deadlineMs = dialTimeoutMs + CALL_MS;
    const ask = () => {
      this.#context.assertHeld();
      return api.call('getMe', {}, { signal: this.#stop, deadlineMs });
    };
    this.#self = new OwnName(self.data, { ask, clock, log });
    return this.#self;
  }

  /** The platform counts bots that are new to it by the address they come from; one that polled lately is not new. */
  async #permit(): Promise<RunEnd | null> {
    if (this.#permitted) return null;
    try {
      const { budget } = this.#context;
      const permit = await budget.take('new-bot', NEW_BOT_LIMITS, { signal: this.#stop, scope: 'host' });
      this.#permitted = permit.granted;
      if (permit.granted) return null;
      const reason = `this host may not bring more new bots to the platform for now: ${permit.reason}`;
      return { cause: 'budget', reason, retryAfterMs: permit.retryAfterMs };
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      return { cause: 'budget', reason: `no permit for a new bot: ${explain(error)}`, retryAfterMs: 0 };
    }
  }

  /** Polling and a webhook exclude each other; which of the two is a mistake only the operator knows. */
  async #clearWebhook(): Promise<RunEnd | null> {
    const { options } = this.#deps;
    const found = await this.#call('getWebhookInfo');
    if (found.kind !== 'ok') return failed(found);
    const { url } = webhookInfo.catch({ url: '', pending_update_count: 0 }).parse(found.result);
    if (url !== '' && !options.deleteWebhook) return { cause: 'webhook', host: hostOf(url) };
    if (url === '' && !this.#dropPending) return null;
    if (this.#dropPending) {
      this.#inbox.dropping();
      await this.#context.sink.flush({ signal: this.#stop });
    }
    const deleted = await this.#call('deleteWebhook', { drop_pending_updates: this.#dropPending });
    if (deleted.kind !== 'ok') return failed(deleted);
    this.#dropPending = false;
    this.#context.log.warn(
      { event: 'webhook-deleted', host: url === '' ? null : hostOf(url) },
      'deleteWebhook was called',
    );
    return null;
  }

  async #call(method: string, params: object = {}): Promise<Answer> {
    const context = this.#context;
    const deadlineMs = context.dialTimeoutMs + CALL_MS;
    context.health.connecting('authenticating', context.clock.now() + deadlineMs);
    context.assertHeld();
    return await this.#deps.api.call(method, params, { signal: this.#stop, deadlineMs });
  }
}

function failed(trouble: Exclude<Answer, { kind: 'ok' }>): RunEnd {
  return { cause: 'call', trouble, parkedMs: 0 };
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'an unreadable URL';
}
