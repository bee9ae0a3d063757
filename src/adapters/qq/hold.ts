/**
 * The connection as it outlives its sockets: pass the gate → token and URL → hold one socket → judge its end → again.
 * "Should run" is no variable here: only the core's signals end this loop, and a fatal verdict.
 *
 * @see NousResearch/hermes-agent #15490: one flag meant both "transport is up" and "should run"
 */

import { explain, FatalError, TransientError } from '../../errors.ts';
import type { AttemptCause, BudgetLimit, HoldContext } from '../adapter.ts';
import { type IdleCuts, NO_CUTS, noteCut, noteSurvival, STEADY_CUTS } from '../idle-cut.ts';
import { untilDrained } from '../until-drained.ts';
import { DEFAULT_IDENTIFY_LIMITS, type Gateway, type QqApi } from './api.ts';
import { TOKEN_DEADLINE_MS, type TokenProvider } from './auth.ts';
import { holdSocket, type SocketReport } from './connection.ts';
import { whyNotDial } from './gateway-address.ts';
import { Inbox } from './inbox.ts';
import type { QqOptions } from './options.ts';
import { auditIntent } from './protocol.ts';
import type { Opening } from './state.ts';
import { apiCause, judge, MAX_REFUSED_TOKENS, NO_SETBACKS, reconnectCause, type Setbacks } from './verdict.ts';

export interface HoldDeps {
  readonly options: QqOptions;
  readonly tokens: TokenProvider;
  readonly api: QqApi;
}

/** Close codes that are about intents. @see `CLOSE_RULES` */
const INTENTS_REFUSED: ReadonlySet<number> = new Set([4013, 4014]);

/** A cached gateway URL is doubted after each so many failed dials. */
const REDISCOVER_AFTER_DIALS = 3;
/** How long the identify limits of a discovery are believed, ms; asking is itself limited. */
const DISCOVERY_FRESH_MS = 600_000;
/** Pings come more often than idle sockets are cut, by this factor, and never more often than this, ms. */
const STAY_BELOW = 0.6;
const LEAST_PING_MS = 500;
const PING_LATENESS = 1.2;

/**
 * Implements `Adapter.hold`. A drain cuts the socket without a close frame, so that the platform keeps the session for
 * whoever resumes from the cursor.
 */
export function hold(context: HoldContext, deps: HoldDeps): Promise<void> {
  return untilDrained(context, (stop) => new HeldConnection(context, deps, stop).run());
}

class HeldConnection {
  readonly #context: HoldContext;
  readonly #deps: HoldDeps;
  /** Aborts on drain, too: for every wait outside a socket. */
  readonly #stop: AbortSignal;
  readonly #inbox: Inbox;
  #setbacks: Setbacks = NO_SETBACKS;
  #cuts: IdleCuts = NO_CUTS;
  #pingEveryMs: number;
  /** Asked for beside the configured intents. */
  #extraIntents: number;
  /** Where the last session was opened, as it was stored; `null`: nowhere that may be dialed. */
  readonly #storedUrl: string | null;
  #discovered: { readonly url: string; readonly limits: readonly BudgetLimit[]; readonly at: number } | null = null;

  constructor(context: HoldContext, deps: HoldDeps, stop: AbortSignal) {
    const { sink, cursor, clock, platformClock, log } = context;
    this.#context = context;
    this.#deps = deps;
    this.#stop = stop;
    const { appId, intents, groups, pingEveryMs } = deps.options;
    this.#pingEveryMs = pingEveryMs;
    this.#extraIntents = auditIntent(intents);
    this.#inbox = new Inbox({ sink, cursor, clock, platformClock, log, groups, scope: { appId, intents } });
    this.#storedUrl = this.#trusted(this.#inbox.gatewayUrl);
  }

  /** @returns when drained */
  async run(): Promise<void> {
    let cause: AttemptCause | null = null;
    while (!this.#stop.aborted) {
      await this.#context.gate.pass(cause, { signal: this.#stop });
      cause = await this.#attempt();
      if (cause !== null) this.#context.health.lost(cause.reason);
    }
  }

  /** @returns why another attempt is needed; `null` when drained */
  async #attempt(): Promise<AttemptCause | null> {
    if (this.#context.sink.full) {
      return { reason: 'storage is full or away: not connecting until it drains', kind: 'storage' };
    }
    const opening = this.#inbox.opening();
    let accessToken: string;
    let url: string;
    try {
      this.#sayDiscovering();
      accessToken = await this.#deps.tokens.get({ signal: this.#stop });
      url = await this.#gatewayUrl(opening);
    } catch (error) {
      if (error instanceof TransientError) return this.#afterTransient(error);
      throw error;
    }
    const identifyLimits = this.#discovered?.limits ?? DEFAULT_IDENTIFY_LIMITS;
    const { options } = this.#deps;
    const intents = options.intents | this.#extraIntents;
    const plan = { url, accessToken, opening, intents, identifyLimits, pingEveryMs: this.#pingEveryMs };
    const report = await holdSocket(
      { context: this.#context, options, inbox: this.#inbox, acknowledge: (id) => this.#acknowledge(id) },
      plan,
    );
    return this.#afterSocket(report, opening, accessToken);
  }

  #afterTransient(error: TransientError): AttemptCause {
    if (error.code === 'CREDENTIAL_REFUSED') {
      const refusedTokens = this.#setbacks.refusedTokens + 1;
      this.#setbacks = { ...this.#setbacks, refusedTokens };
      if (refusedTokens >= MAX_REFUSED_TOKENS)
        throw new FatalError('CREDENTIAL_REFUSED', error.message, { cause: error });
    }
    return { reason: explain(error), kind: apiCause(error), minDelayMs: error.retryAfterMs ?? 0 };
  }

  #afterSocket(report: SocketReport, opening: Opening, accessToken: string): AttemptCause | null {
    const { ending, livedMs, greeted, events } = report;
    if (ending.cause === 'drained') return null;
    this.#learnFromCuts(report);
    const proven = livedMs !== null || events > 0;
    const withoutExtra = opening === 'identify' && !proven ? this.#afterRefusedIdentify(ending) : null;
    if (withoutExtra !== null) return withoutExtra;
    const verdict = judge({
      ending,
      setbacks: {
        ...this.#setbacks,
        ...(greeted ? { failedDials: 0 } : {}),
        ...(proven ? { refusedIdentifies: 0, refusedTokens: 0 } : {}),
      },
      now: this.#context.clock.monotonic(),
      livedMs,
      hollow: opening === 'resume' && events === 0,
    });
    if (verdict.kind === 'give-up') throw new FatalError(verdict.code, verdict.message);
    this.#setbacks = verdict.setbacks;
    if (ending.cause === 'refresh')
      this.#inbox.replaceSession('planned fresh Identify of an old session at a quiet moment');
    else this.#inbox.keepSession();
    // A refused Identify says nothing about a session that it was to replace.
    const wasOurs = opening === 'resume' || livedMs !== null;
    if (verdict.dropSession !== null && wasOurs) this.#inbox.drop(verdict.dropSession);
    if (verdict.freshToken) this.#deps.tokens.invalidate(accessToken);
    return { reason: verdict.reason, kind: reconnectCause(ending), minDelayMs: verdict.minDelayMs };
  }

  /**
   * Not every bot may have the intent that is asked for beside the configured ones. Where the refusal names intents, it is
   * left out from now on; where it may mean anything, Identify is tried with and without it in turn.
   *
   * @returns why another attempt follows at once; `null`: the refusal is judged as any other
   */
  #afterRefusedIdentify(ending: Exclude<SocketReport['ending'], { cause: 'drained' }>): AttemptCause | null {
    const { health, log } = this.#context;
    const extra = auditIntent(this.#deps.options.intents);
    if (extra === 0 || !isRefusal(ending)) return null;
    const namesIntents = ending.cause === 'closed' && INTENTS_REFUSED.has(ending.code);
    const hadExtra = this.#extraIntents !== 0;
    this.#extraIntents = hadExtra ? 0 : namesIntents ? 0 : extra;
    if (!hadExtra || !namesIntents) return null;
    const remark = 'the bot may not have the intent MESSAGE_AUDIT: what an audit refuses after all is not told';
    health.remark(remark);
    log.warn({ event: 'intent-refused', intent: 'MESSAGE_AUDIT', code: ending.code }, remark);
    return {
      reason: `Identify with the intent MESSAGE_AUDIT was refused (${ending.code}): once more without`,
      kind: 'session',
    };
  }

  /** Cut again and again after the same time without traffic: there shall be traffic before that. */
  #learnFromCuts({ cutAfterMs, outlivedMs }: SocketReport): void {
    this.#cuts = noteSurvival(this.#cuts, outlivedMs);
    if (cutAfterMs === null) return;
    // A ping goes out every so often, give or take a late timer: what was silent for longer was not merely idle.
    const { cuts, steadyMs } = noteCut(this.#cuts, cutAfterMs, this.#pingEveryMs * PING_LATENESS);
    this.#cuts = cuts;
    if (steadyMs === null) return;
    this.#pingEveryMs = Math.max(LEAST_PING_MS, Math.round(Math.min(steadyMs, this.#pingEveryMs) * STAY_BELOW));
    const inSeconds = (ms: number) => `${Math.round(ms / 100) / 10} s`;
    const remark = `idle sockets were cut ${STEADY_CUTS} times after about ${inSeconds(steadyMs)} (an idle timeout on the way): pinging every ${inSeconds(this.#pingEveryMs)} since`;
    const { health, log } = this.#context;
    health.remark(remark);
    log.warn({ event: 'idle-cuts', pingEveryMs: this.#pingEveryMs }, remark);
  }

  /** From the cache while that works: discovery is a second thing that can fail, and allows two calls a minute or so. */
  async #gatewayUrl(opening: Opening): Promise<string> {
    const cached = this.#discovered?.url ?? this.#storedUrl;
    if (cached !== null && !this.#wantsDiscovery(opening)) return cached;
    const found = await this.#discover().catch((error: unknown) => {
      if (cached === null || !mayPass(error)) throw error;
      // An old URL is better than none.
      const reason = explain(error);
      this.#context.log.warn({ event: 'discovery-failed', reason }, 'gateway discovery failed: dialing the known URL');
      return { url: cached, exhaustedForMs: null };
    });
    if (opening === 'identify' && found.exhaustedForMs !== null) {
      throw new TransientError(
        'RATE_LIMITED',
        'the platform allows no more sessions for now (identify limit of 24 h)',
        {
          retryAfterMs: found.exhaustedForMs,
        },
      );
    }
    return found.url;
  }

  /** Whoever can write to the store must not be able to have the token sent to a place of theirs. */
  #trusted(url: string | null): string | null {
    const reason = url === null ? null : whyNotDial(url, this.#deps.options);
    if (reason === null) return url;
    this.#context.log.warn(
      { event: 'gateway-refused', reason },
      'the stored gateway is not dialed: asking the platform for it anew',
    );
    return null;
  }

  async #discover(): Promise<Gateway> {
    const { clock, dialTimeoutMs } = this.#context;
    const found = await this.#deps.api.gateway({ signal: this.#stop, deadlineMs: dialTimeoutMs });
    this.#discovered = { url: found.url, limits: found.identifyLimits, at: clock.monotonic() };
    return found;
  }

  #wantsDiscovery(opening: Opening): boolean {
    const { failedDials } = this.#setbacks;
    if (failedDials > 0) return failedDials % REDISCOVER_AFTER_DIALS === 0;
    const limitsKnown =
      this.#discovered !== null && this.#context.clock.monotonic() - this.#discovered.at < DISCOVERY_FRESH_MS;
    return opening === 'identify' && !limitsKnown;
  }

  /** At the edge, once: the user's client waits a few seconds only, so a failure is told and not repeated. */
  #acknowledge(interactionId: string): void {
    const { log, dialTimeoutMs } = this.#context;
    const failed = (reason: string) =>
      log.warn({ event: 'interaction-unacknowledged', interactionId, reason }, 'an interaction was not acknowledged');
    this.#deps.api
      .acknowledgeInteraction(interactionId, { signal: this.#stop, deadlineMs: dialTimeoutMs })
      .then(({ status, message }) => {
        if (status >= 300) failed(`HTTP ${status} ${message}`);
      })
      .catch((error: unknown) => failed(explain(error)));
  }

  #sayDiscovering(): void {
    const { health, clock, dialTimeoutMs } = this.#context;
    health.connecting('discovering', clock.now() + TOKEN_DEADLINE_MS + dialTimeoutMs);
  }
}

/** Discovery failed in a way that leaves the known URL as good as it was. */
function mayPass(error: unknown): boolean {
  return error instanceof TransientError || (error instanceof FatalError && error.code === 'ADDRESS_REFUSED');
}

/** The platform said no to an Identify, and the intents may be why (4903: tencent-connect/openclaw-qqbot #18). */
function isRefusal(ending: Exclude<SocketReport['ending'], { cause: 'drained' }>): boolean {
  if (ending.cause === 'invalid-session') return ending.during === 'identify';
  if (ending.cause !== 'closed' || ending.during !== 'identify') return false;
  return ending.opNine !== null || ending.code === 4903 || INTENTS_REFUSED.has(ending.code);
}
