/**
 * What becomes of a part, before and after a send. Pure: the platform's answer is already classified by the adapter,
 * and the worker carries out what is decided here.
 *
 * Two rules carry the promise "never twice": a part that may have been delivered is repeated only under an idempotency
 * key, and it never goes out as a message of its own (which has no key): it ends as an explicit `unknown`.
 */
import { type BackoffPolicy, backoffDelay } from '../async/backoff.ts';
import type { OutboundPart, SendOutcome } from '../model.ts';
import type { Pause } from '../state/buckets.ts';
import type { NewDeadLetter } from '../state/dead-letters.ts';
import type { Head, Settlement, UnsentPart } from '../state/outbox.ts';
import { refusalNotice } from './refusal-notice.ts';
import { splitSmaller } from './split-smaller.ts';

/** The platform may tell us to wait for so long at most, ms; then it is asked again. */
const LONGEST_HOLD_MS = 24 * 3_600_000;

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
  readonly head: Pick<
    Head,
    'attempts' | 'since' | 'interrupted' | 'doubt' | 'isCut' | 'insteadOf' | 'isNotice' | 'toldUntil'
  >;
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
  /** What else stops. */
  readonly pause: Pause | null;
};

/** When the part is given up, Redis ms. */
export function giveUpAt({ part, head, policy }: Pick<Candidate, 'part' | 'head' | 'policy'>): number {
  const window = part.mode === 'passive' ? part.reply.deadlineAt : null;
  if (window !== null) return window;
  // Having waited as the platform told us is no failure to deliver.
  const held = Math.min(head.toldUntil, head.since + LONGEST_HOLD_MS);
  return Math.max(head.since, held) + policy.giveUpAfterMs;
}

/** @returns `null` when the part may be sent now */
export function judgeBefore(candidate: Candidate): Verdict | null {
  const { head, repeatable } = candidate;
  if (head.interrupted && !repeatable) {
    return dead(candidate, 'unknown', 'INTERRUPTED', 'the sending process ended before the platform answered');
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
  const { head, policy } = candidate;
  switch (outcome.kind) {
    case 'sent':
      return settle({ kind: 'done', counter: 'sent' });
    case 'duplicate':
      return settle({ kind: 'done', counter: 'duplicatesSent' });
    case 'blank':
      return settle({ kind: 'done', counter: 'blanks' });
    case 'pending-audit':
      return audited(candidate, outcome.auditId);
    case 'retry':
      return again(candidate, outcome, outcome.afterMs ?? backoffDelay(policy.backoff, head.attempts, random));
    case 'rate-limited':
      return outcome.afterMs === null
        ? limited(candidate, outcome, backoffDelay(policy.backoff, head.attempts + 1, 1), false)
        : limited(candidate, outcome, Math.min(outcome.afterMs, LONGEST_HOLD_MS), true);
    case 'too-late':
      return tooLate(candidate, outcome.code, outcome.reason);
    case 'too-long':
      return tooLong(candidate, outcome.code, outcome.reason);
    case 'rejected':
      return rejected(candidate, outcome);
    case 'unknown':
      return dead(candidate, 'unknown', outcome.code, outcome.reason);
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
export function judgeDefect(
  { part, entry, insteadOf, isNotice }: Pick<Head, 'part' | 'entry' | 'insteadOf' | 'isNotice'>,
  reason: string,
): Verdict {
  if (part !== null) return dead({ part, head: { insteadOf, isNotice } }, 'crashed', 'BUG', reason);
  const unreadable = { text: '', conversation: '', body: entry };
  const letter = { kind: 'send', outcome: 'crashed', code: 'BUG', reason, ...unreadable } as const;
  return settle({ kind: 'dead', letter, notice: null });
}

/** Without an id no verdict can be matched to it. */
function audited({ part }: Candidate, auditId: string | null): Verdict {
  if (auditId === null) return settle({ kind: 'done', counter: 'auditsPending' });
  const letter = letterOf(part, part.text, 'rejected', 'AUDIT', "the platform's audit refused it");
  return settle({ kind: 'audit', auditId, letter });
}

interface Says {
  readonly code: string;
  readonly reason: string;
}

function again(candidate: Candidate, outcome: Says & { readonly maybeDelivered?: boolean }, wishMs: number): Verdict {
  const { code, reason, maybeDelivered: doubt = false } = outcome;
  return {
    settlement: { kind: 'keep', doubt, code, reason, toldMs: null },
    waitMs: waitWithin(giveUpAt(candidate), candidate.now, wishMs),
    pause: null,
  };
}

/** @param told - the platform named the time */
function limited(
  candidate: Candidate,
  outcome: Extract<SendOutcome, { kind: 'rate-limited' }>,
  ms: number,
  told: boolean,
): Verdict {
  const { code, reason, bucket, wider = null } = outcome;
  const head = told ? { ...candidate.head, toldUntil: candidate.now + ms } : candidate.head;
  return {
    settlement: { kind: 'keep', doubt: false, code, reason, toldMs: told ? ms : null },
    waitMs: waitWithin(giveUpAt({ ...candidate, head }), candidate.now, ms),
    pause: { bucket, wider, ms, told },
  };
}

/** The verdict at the deadline must not wait for a retry that would come after it. */
function waitWithin(deadlineAt: number, now: number, wishMs: number): number {
  return Math.max(1, Math.ceil(Math.min(wishMs, Math.max(0, deadlineAt - now))));
}

function tooLate(candidate: Candidate, code: string, reason: string): Verdict {
  const { part, head, policy } = candidate;
  if (part.mode === 'active' || policy.lateReply === 'drop' || head.doubt || head.isNotice) {
    return gaveUp(candidate, code, reason);
  }
  const { ordinal: _, ...rest } = part;
  const cut = head.isCut ? { cutFrom: part.id } : {};
  const changed = head.insteadOf === null ? {} : { insteadOf: head.insteadOf };
  return settle({ kind: 'replace', parts: [{ ...rest, mode: 'active', ...cut, ...changed }], allot: false });
}

function gaveUp(candidate: Candidate, code: string, reason: string): Verdict {
  if (!candidate.head.doubt) return dead(candidate, 'too-late', code, reason);
  return dead(candidate, 'unknown', code, `${reason}; an earlier try may have been delivered`);
}

function tooLong(candidate: Candidate, code: string, reason: string): Verdict {
  const { part, head } = candidate;
  const texts = head.isCut ? [] : splitSmaller(part.text);
  if (texts.length < 2) return refused(candidate, code, reason);
  const { ordinal: _, ...rest } = part;
  const parts = texts.map((text, index) => ({ ...rest, id: `${part.id}.${index + 1}`, text, cutFrom: part.id }));
  return settle({ kind: 'replace', parts, allot: true });
}

/** Where the text is at fault: once in another form, under a number of its own, for the refused one may be used up. */
function rejected(candidate: Candidate, outcome: Extract<SendOutcome, { kind: 'rejected' }>): Verdict {
  const { part, head } = candidate;
  const { code, reason, textRefused } = outcome;
  if (textRefused === undefined) return dead(candidate, 'rejected', code, reason);
  const { instead } = textRefused;
  if (instead === null || head.insteadOf !== null) return refused(candidate, code, reason);
  const { ordinal: _, ...rest } = part;
  const cut = head.isCut ? { cutFrom: part.id } : {};
  return settle({ kind: 'replace', parts: [{ ...rest, text: instead, insteadOf: part.text, ...cut }], allot: true });
}

/** A dead letter, and a word to whoever waits for an answer; nobody waits for what came by itself. */
function refused(candidate: Candidate, code: string, reason: string): Verdict {
  const { part, head } = candidate;
  const verdict = dead(candidate, 'rejected', code, reason);
  if (head.isNotice || part.reply.address === null || verdict.settlement.kind !== 'dead') return verdict;
  const { ordinal: _, ...rest } = part;
  const notice: UnsentPart = { ...rest, id: `${part.id}!`, text: refusalNotice(part.text), isNotice: true };
  return settle({ ...verdict.settlement, notice });
}

type Dying = Pick<Candidate, 'part'> & { readonly head: Pick<Head, 'insteadOf' | 'isNotice'> };

function dead({ part, head }: Dying, outcome: NewDeadLetter['outcome'], code: string, reason: string): Verdict {
  // The letter of what it was to stand for is there already.
  if (head.isNotice) return settle({ kind: 'drop' });
  const letter = letterOf(part, head.insteadOf ?? part.text, outcome, code, reason);
  return settle({ kind: 'dead', letter, notice: null });
}

function letterOf(
  part: OutboundPart,
  text: string,
  outcome: NewDeadLetter['outcome'],
  code: string,
  reason: string,
): NewDeadLetter {
  const body = { ...part, text, reply: { ...part.reply } };
  return { kind: 'send', outcome, code, reason, text, conversation: part.conversation, body };
}

function settle(settlement: Settlement): Verdict {
  return { settlement, waitMs: 0, pause: null };
}
