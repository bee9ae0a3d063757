/**
 * What becomes of a part, before and after a send. Pure: the platform's answer is already classified by the adapter,
 * and the worker carries out what is decided here.
 *
 * Two rules carry the promise "never twice": a part that may have been delivered is repeated only under an idempotency
 * key, and it never goes out as a message of its own (which has no key): it ends as an explicit `unknown`.
 */
import { type BackoffPolicy, backoffDelay } from '../async/backoff.ts';
import type { OutboundPart, SendOutcome } from '../model.ts';
import type { NewDeadLetter } from '../state/dead-letters.ts';
import type { Head, Settlement, UnsentPart } from '../state/outbox.ts';
import { splitSmaller } from './split-smaller.ts';

export interface DeliveryPolicy {
  /** What becomes of a reply whose window is over. */
  readonly lateReply: 'active' | 'drop';
  /** How long a part without a reply window is tried, ms since it became the head. */
  readonly giveUpAfterMs: number;
  readonly backoff: BackoffPolicy;
}

/** A part that can be read, with what is known about it. */
export interface Candidate {
  readonly part: OutboundPart;
  readonly head: Pick<Head, 'attempts' | 'since' | 'interrupted' | 'doubt' | 'isCut'>;
  /** The platform refuses a second copy under the same key. */
  readonly repeatable: boolean;
  /** Redis ms. */
  readonly now: number;
  readonly policy: DeliveryPolicy;
}

export type Verdict = {
  readonly settlement: Settlement;
  /** How long the conversation waits now, ms; 0: go on at once. */
  readonly waitMs: number;
  /** Stops this bucket for `waitMs`. */
  readonly pauseBucket: string | null;
};

/** When the part is given up, Redis ms. */
export function giveUpAt({ part, head, policy }: Pick<Candidate, 'part' | 'head' | 'policy'>): number {
  const window = part.mode === 'passive' ? part.reply.deadlineAt : null;
  return window ?? head.since + policy.giveUpAfterMs;
}

/** @returns `null` when the part may be sent now */
export function judgeBefore(candidate: Candidate): Verdict | null {
  const { part, head, repeatable } = candidate;
  if (head.interrupted && !repeatable) {
    return dead(part, 'unknown', 'INTERRUPTED', 'the sending process ended before the platform answered');
  }
  return head.attempts === 0 || head.interrupted ? null : judgeTime(candidate);
}

/**
 * Our clock alone never gives up a part that was not tried: it may be wrong, or have been set meanwhile, and whether a reply
 * comes too late is for the platform to say.
 *
 * @returns `null` while there is time
 */
export function judgeTime(candidate: Candidate): Verdict | null {
  const { part, now } = candidate;
  if (now < giveUpAt(candidate)) return null;
  const passive = part.mode === 'passive' && part.reply.deadlineAt !== null;
  return passive
    ? tooLate(candidate, 'WINDOW_OVER', 'the reply window closed before it could be sent')
    : gaveUp(candidate, 'GAVE_UP', `not delivered within ${candidate.policy.giveUpAfterMs} ms`);
}

/** For a part that was stored whole. @param texts - as the platform's limit divides it, at least one */
export function divide(part: OutboundPart, texts: readonly string[]): Verdict {
  const { ordinal: _, ...rest } = part;
  const parts = texts.map((text, index) => ({ ...rest, id: `${part.id}/${index + 1}`, text }));
  return settle({ kind: 'replace', parts, allot: true });
}

/** @param random - in [0, 1), for the backoff's jitter */
export function judgeAfter(candidate: Candidate, outcome: SendOutcome, random: number): Verdict {
  const { part, head, policy } = candidate;
  switch (outcome.kind) {
    case 'sent':
      return settle({ kind: 'done', counter: 'sent' });
    case 'duplicate':
      return settle({ kind: 'done', counter: 'duplicatesSent' });
    case 'pending-audit':
      return settle({ kind: 'done', counter: 'auditsPending' });
    case 'retry':
      return again(candidate, outcome, outcome.afterMs ?? backoffDelay(policy.backoff, head.attempts, random), null);
    case 'rate-limited': {
      const waitMs = outcome.afterMs ?? backoffDelay(policy.backoff, head.attempts + 1, 1);
      return again(candidate, outcome, waitMs, outcome.bucket);
    }
    case 'too-late':
      return tooLate(candidate, outcome.code, outcome.reason);
    case 'too-long':
      return tooLong(candidate, outcome.code, outcome.reason);
    case 'rejected':
      return dead(part, 'rejected', outcome.code, outcome.reason);
    case 'unknown':
      return dead(part, 'unknown', outcome.code, outcome.reason);
    default:
      return outcome satisfies never;
  }
}

/** For a part that this worker can't send at all (connection removed, no credentials here). */
export function judgeUnsendable(candidate: Candidate, reason: string): Verdict | null {
  if (candidate.now < giveUpAt(candidate)) return null;
  return gaveUp(candidate, 'NO_SENDER', reason);
}

/** What can't be read, or makes our own code fail, would block its conversation for ever. */
export function judgeDefect({ part, entry }: Pick<Head, 'part' | 'entry'>, reason: string): Verdict {
  if (part !== null) return dead(part, 'crashed', 'BUG', reason);
  const unreadable = { text: '', conversation: '', body: entry };
  return settle({ kind: 'dead', letter: { kind: 'send', outcome: 'crashed', code: 'BUG', reason, ...unreadable } });
}

function again(
  candidate: Candidate,
  outcome: { readonly code: string; readonly reason: string; readonly maybeDelivered?: boolean },
  wishMs: number,
  pauseBucket: string | null,
): Verdict {
  // The verdict at the deadline must not wait for a retry that would come after it.
  const leftMs = Math.max(0, giveUpAt(candidate) - candidate.now);
  const doubt = outcome.maybeDelivered === true;
  return {
    settlement: { kind: 'keep', doubt, code: outcome.code, reason: outcome.reason },
    waitMs: Math.max(1, Math.ceil(Math.min(wishMs, leftMs))),
    pauseBucket: pauseBucket,
  };
}

function tooLate(candidate: Candidate, code: string, reason: string): Verdict {
  const { part, head, policy } = candidate;
  if (part.mode === 'active' || policy.lateReply === 'drop' || head.doubt) return gaveUp(candidate, code, reason);
  const { ordinal: _, ...rest } = part;
  const active: UnsentPart = { ...rest, mode: 'active', ...(head.isCut ? { cutFrom: part.id } : {}) };
  return settle({ kind: 'replace', parts: [active], allot: false });
}

function gaveUp({ part, head }: Candidate, code: string, reason: string): Verdict {
  if (!head.doubt) return dead(part, 'too-late', code, reason);
  return dead(part, 'unknown', code, `${reason}; an earlier try may have been delivered`);
}

function tooLong({ part, head }: Candidate, code: string, reason: string): Verdict {
  const texts = head.isCut ? [] : splitSmaller(part.text);
  if (texts.length < 2) return dead(part, 'rejected', code, reason);
  const { ordinal: _, ...rest } = part;
  const parts = texts.map((text, index) => ({ ...rest, id: `${part.id}.${index + 1}`, text, cutFrom: part.id }));
  return settle({ kind: 'replace', parts, allot: true });
}

function dead(part: OutboundPart, outcome: NewDeadLetter['outcome'], code: string, reason: string): Verdict {
  const { text, conversation } = part;
  const body = { ...part, reply: { ...part.reply } };
  return settle({ kind: 'dead', letter: { kind: 'send', outcome, code, reason, text, conversation, body } });
}

function settle(settlement: Settlement): Verdict {
  return { settlement, waitMs: 0, pauseBucket: null };
}
