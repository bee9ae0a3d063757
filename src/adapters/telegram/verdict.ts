/**
 * What follows the end of a run of polls: how long to wait at least and what to say, or that only a person can help.
 * Pure; the refusal table of `protocol.ts` put to work.
 */
import type { ErrorCode } from '../../errors.ts';
import type { ReconnectCause } from '../../model.ts';
import { type IdleCuts, NO_CUTS, noteCut, STEADY_CUTS } from '../idle-cut.ts';
import { type Garbled, inWords, type Refusal, type Unanswered } from './api.ts';
import { LEAST_REPEATED_POLL_MS, TIMEOUT_UNIT_MS } from './protocol.ts';

/** Why a run of polls is over. */
export type RunEnd =
  /** A call of it was refused or got no usable answer. `parkedMs`: how long it had been waiting. */
  | { readonly cause: 'call'; readonly trouble: Refusal | Garbled | Unanswered; readonly parkedMs: number }
  /** What was received cannot be stored, so nothing more is asked for: asking would confirm it. */
  | { readonly cause: 'storage' }
  /** getWebhookInfo found one. `host`: of its URL, whose path may hold secrets. */
  | { readonly cause: 'webhook'; readonly host: string }
  /** The shared budget of new bots per address is used up, or nobody could tell. */
  | { readonly cause: 'budget'; readonly reason: string; readonly retryAfterMs: number };

/** What went wrong lately within this hold; a successor may begin without it. */
export interface Setbacks {
  /** When polls met a rival, monotonic ms; those of {@link CONFLICT_WINDOW_MS}. */
  readonly conflicts: readonly number[];
  /** They were too many for a takeover, and nobody has polled undisturbed since. */
  readonly rival: boolean;
  /** How often in a row the token was refused. */
  readonly refusedTokens: number;
  readonly cuts: IdleCuts;
}

export const NO_SETBACKS: Setbacks = { conflicts: [], rival: false, refusedTokens: 0, cuts: NO_CUTS };

/** Three conflicts within this are no takeover, ms: a takeover of ours causes one at most. */
const CONFLICT_WINDOW_MS = 60_000;
const CONFLICTS_OF_A_RIVAL = 3;
/** After a single conflict, ms; up to one and a half of it. */
const CONFLICT_PAUSE_MS = 1_000;
/** One refusal may be a slip of the platform's edge; the second one in a row is not. */
const REFUSALS_THAT_COUNT = 2;
/** Polls stay below the age at which idle ones are cut, by this factor. */
const STAY_BELOW = 0.8;

export type Verdict =
  | {
      readonly kind: 'again';
      readonly reason: string;
      readonly minDelayMs: number;
      readonly setbacks: Setbacks;
      /**
       * - `quick`: the first poll does not wait, so that life is proven at once
       * - `undisturbed`: a rival may be there: only a stretch without conflict proves anything
       * - `start`: who we are and whether a webhook is set is asked again, too
       */
      readonly next: 'quick' | 'undisturbed' | 'start';
      /** A shorter wait for the polls that follow, ms, and what to tell people of it; `null`: as before. */
      readonly shorter: { readonly pollMs: number; readonly remark: string } | null;
    }
  | { readonly kind: 'give-up'; readonly code: ErrorCode; readonly message: string };

export interface Circumstances {
  readonly setbacks: Setbacks;
  /** Monotonic, ms. */
  readonly now: number;
  /** How long polls were to wait, ms. */
  readonly pollMs: number;
  /** See the options. */
  readonly conflictRetryMs: number;
  readonly deleteWebhook: boolean;
  /** In [0, 1). */
  readonly random: number;
}

export function judge(end: RunEnd, given: Circumstances): Verdict {
  switch (end.cause) {
    case 'call':
      return end.trouble.kind === 'refused' ? judgeRefusal(end.trouble, given) : judgeSilence(end, given);
    case 'storage':
      return again(given, 'storage is full or away: not polling until it drains');
    case 'webhook':
      return webhookSet(given, `a webhook is set (${end.host})`);
    case 'budget':
      return { ...again(given, end.reason), next: 'start', minDelayMs: end.retryAfterMs };
    default:
      return end satisfies never;
  }
}

/** In one word why the end of a run asks for another. */
export function reconnectCause(end: RunEnd): ReconnectCause {
  switch (end.cause) {
    case 'storage':
      return 'storage';
    case 'webhook':
      return 'rival';
    case 'budget':
      return 'limit';
    case 'call':
      return callCause(end.trouble);
    default:
      return end satisfies never;
  }
}

function callCause(trouble: Refusal | Garbled | Unanswered): ReconnectCause {
  switch (trouble.kind) {
    case 'garbled':
      return 'refused';
    case 'unanswered':
      if (trouble.failure.code === 'DEADLINE') return 'silent';
      return trouble.failure.maybeSent ? 'closed' : 'dial';
    case 'refused':
      if (trouble.class === 'rival' || trouble.class === 'webhook') return 'rival';
      return trouble.class === 'flood' ? 'limit' : 'refused';
    default:
      return trouble satisfies never;
  }
}

function judgeRefusal(refusal: Refusal, given: Circumstances): Verdict {
  const said = inWords(refusal);
  switch (refusal.class) {
    case 'credential': {
      const refusedTokens = given.setbacks.refusedTokens + 1;
      if (refusedTokens >= REFUSALS_THAT_COUNT) {
        const message = `the platform refuses the token (${said}): put in the one that @BotFather shows`;
        return { kind: 'give-up', code: 'CREDENTIAL_REFUSED', message };
      }
      const setbacks = { ...given.setbacks, refusedTokens };
      return { ...again(given, `the token was refused once: ${said}`), setbacks, next: 'start' };
    }
    case 'misdirected':
      return {
        kind: 'give-up',
        code: 'PLATFORM_REFUSED',
        message: `this Bot API server does not serve this bot (${said}): correct apiBaseUrl, or the server's filter`,
      };
    case 'rival':
      return rivalMet(given, said);
    case 'webhook':
      return webhookSet(given, said);
    case 'flood':
      return { ...again(given, said), minDelayMs: refusal.retryAfterMs ?? 0 };
    case 'server':
    case 'gateway':
    case 'markup':
    case 'too-long':
    case 'blank':
    case 'moved':
    case 'target-gone':
    case 'place-gone':
    case 'late-answer':
    case 'refused':
      return again(given, said);
    default:
      return refusal.class satisfies never;
  }
}

/** The loser of two pollers is the one that was waiting, so both lose in turn, and both still receive and confirm. */
function rivalMet(given: Circumstances, said: string): Verdict {
  const { setbacks, now, conflictRetryMs, random } = given;
  const conflicts = [...setbacks.conflicts.filter((at) => now - at < CONFLICT_WINDOW_MS), now];
  const rival = setbacks.rival || conflicts.length >= CONFLICTS_OF_A_RIVAL;
  const pauseMs = rival ? conflictRetryMs * (1 + random) : CONFLICT_PAUSE_MS * (1 + random / 2);
  const reason = rival
    ? `conflict: another getUpdates poller (rival) uses this token (409), again and again; stop it, or revoke the token: ${said}`
    : `conflict: another getUpdates poller (rival) uses this token (409): ${said}`;
  return {
    ...again(given, reason),
    setbacks: { ...setbacks, conflicts, rival, refusedTokens: 0, cuts: NO_CUTS },
    minDelayMs: Math.round(pauseMs),
    next: rival ? 'undisturbed' : 'quick',
  };
}

function webhookSet(given: Circumstances, what: string): Verdict {
  return {
    ...again(given, `conflict: ${what}; remove the webhook or set deleteWebhook: true`),
    // Whoever may remove it need not wait for somebody to do so.
    minDelayMs: given.deleteWebhook ? 0 : Math.round(given.conflictRetryMs * (1 + given.random)),
    next: 'start',
  };
}

function judgeSilence(end: Extract<RunEnd, { cause: 'call' }>, given: Circumstances): Verdict {
  const said = inWords(end.trouble);
  const { cuts, steadyMs } = noteCut(given.setbacks.cuts, end.parkedMs, given.pollMs);
  const verdict = { ...again(given, said), setbacks: { ...given.setbacks, cuts, refusedTokens: 0 } };
  if (steadyMs === null) return verdict;
  const shorter = Math.floor((steadyMs * STAY_BELOW) / TIMEOUT_UNIT_MS) * TIMEOUT_UNIT_MS;
  const pollMs = Math.max(LEAST_REPEATED_POLL_MS, shorter);
  // As short as it can be already: the cuts go on, and each is absorbed.
  if (pollMs >= given.pollMs) return verdict;
  const after = `${Math.round(steadyMs / 100) / 10} s`;
  const remark = `idle long polls were cut ${STEADY_CUTS} times after about ${after} (an idle timeout on the way): polling for ${pollMs / 1000} s since`;
  return { ...verdict, reason: `${remark}; last: ${said}`, shorter: { pollMs, remark } };
}

function again({ setbacks }: Circumstances, reason: string): Extract<Verdict, { kind: 'again' }> {
  return {
    kind: 'again',
    reason,
    minDelayMs: 0,
    setbacks: { ...setbacks, refusedTokens: 0 },
    next: 'quick',
    shorter: null,
  };
}
