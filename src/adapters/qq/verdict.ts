/**
 * What follows the end of a socket: which session the next one opens with, how long to wait at least, or that only a
 * person can help. Pure; the close-code table of `protocol.ts` put to work.
 */
import type { ErrorCode, TransientError } from '../../errors.ts';
import type { ReconnectCause } from '../../model.ts';
import { CLOSE_ADVICE, type CloseRule, closeRule } from './protocol.ts';
import { MAX_UNCONFIRMED_RESUMES } from './session.ts';
import type { During, Ending } from './state.ts';

/** What went wrong lately within this hold; a successor may begin without it. */
export interface Setbacks {
  /** Dials or Hellos that failed in a row: the cached gateway URL may be dead. */
  readonly failedDials: number;
  /** Identifies refused in a row. */
  readonly refusedIdentifies: number;
  /** Identifies with a newly fetched token that were refused for the token, in a row. */
  readonly refusedTokens: number;
  /** Sockets in a row that the platform closed right after RESUMED, without a single event. */
  readonly hollowResumes: number;
  /** When a code of the kind "Resume once" last cost a Resume, monotonic ms. */
  readonly strikes: ReadonlyMap<number, number>;
}

export const NO_SETBACKS: Setbacks = {
  failedDials: 0,
  refusedIdentifies: 0,
  refusedTokens: 0,
  hollowResumes: 0,
  strikes: new Map(),
};

/** A second close of the kind "Resume once" within this time drops the session, ms. */
export const STRIKE_WINDOW_MS = 600_000;
/** A session closed by the platform sooner than this after RESUMED, without any event, was not really resumed, ms. */
export const HOLLOW_RESUME_MS = 5_000;
/** So many fresh tokens refused, and the credentials are at fault. */
export const MAX_REFUSED_TOKENS = 3;
/** First delay after a refused Identify, ms; doubles up to {@link REFUSED_IDENTIFY_CAP_MS}. */
const REFUSED_IDENTIFY_BASE_MS = 5_000;
/** 720 a day at most, below the platform's 1000. */
export const REFUSED_IDENTIFY_CAP_MS = 120_000;

export type Verdict =
  | {
      readonly kind: 'again';
      /** Why, in words a search finds. */
      readonly reason: string;
      readonly minDelayMs: number;
      /** `null` keeps the session; a text drops it, and says why events may be missing. */
      readonly dropSession: string | null;
      readonly freshToken: boolean;
      readonly setbacks: Setbacks;
    }
  | { readonly kind: 'give-up'; readonly code: ErrorCode; readonly message: string };

export interface Ended {
  readonly ending: Exclude<Ending, { cause: 'drained' }>;
  readonly setbacks: Setbacks;
  /** Monotonic ms. */
  readonly now: number;
  /** How long the socket was live, ms; `null`: never. */
  readonly livedMs: number | null;
  /** Whether it was opened by a Resume and brought no event. */
  readonly hollow: boolean;
}

export function judge(ended: Ended): Verdict {
  const { ending, setbacks } = ended;
  switch (ending.cause) {
    case 'not-opened':
      return again(ending.reason, { ...setbacks, failedDials: setbacks.failedDials + 1 });
    case 'silence': {
      const failedDials = ending.due === 'Hello' ? setbacks.failedDials + 1 : setbacks.failedDials;
      return again(silenceInWords(ending.due), { ...setbacks, failedDials });
    }
    case 'zombie':
      return again(ending.reason, setbacks);
    case 'reconnect-wanted':
      return again('the gateway asked to reconnect (op 7)', setbacks);
    case 'no-permit':
      return again(ending.reason, setbacks, { minDelayMs: ending.retryAfterMs });
    case 'backpressure':
      return again('storage is full or away: not reading until it drains', setbacks);
    case 'refresh':
      return again('planned fresh Identify', setbacks);
    case 'invalid-session':
      return afterOpNine(
        ended,
        ending.during,
        ending.resumable,
        'the gateway refused the session (op 9, no close frame)',
      );
    case 'closed':
      return afterClose(ended, ending);
    default:
      return ending satisfies never;
  }
}

/** In one word why no socket was opened at all: token or discovery failed. */
export function apiCause({ code }: TransientError): ReconnectCause {
  if (code === 'RATE_LIMITED') return 'limit';
  return code === 'CREDENTIAL_REFUSED' ? 'refused' : 'dial';
}

/** In one word why a socket's end asks for another. */
export function reconnectCause(ending: Ended['ending']): ReconnectCause {
  switch (ending.cause) {
    case 'not-opened':
      return 'dial';
    case 'silence':
      return ending.due === 'an identify permit' ? 'limit' : 'silent';
    case 'zombie':
      return 'silent';
    case 'reconnect-wanted':
    case 'refresh':
      return 'asked';
    case 'no-permit':
      return 'limit';
    case 'backpressure':
      return 'storage';
    case 'invalid-session':
      return 'session';
    case 'closed':
      if (ending.during === 'opening') return 'dial';
      return ending.opNine === null && ending.during === 'live' ? 'closed' : 'session';
    default:
      return ending satisfies never;
  }
}

function silenceInWords(due: Extract<Ending, { cause: 'silence' }>['due']): string {
  if (due === 'an identify permit') return 'the shared identify budget did not answer in time';
  return `the gateway accepted the socket, but ${due} did not come in time`;
}

function afterClose(ended: Ended, ending: Extract<Ending, { cause: 'closed' }>): Verdict {
  const { code, during, opNine } = ending;
  const rule = closeRule(code);
  const said = ending.reason === '' ? '' : `, "${ending.reason}"`;
  const opNineFirst = opNine === null ? '' : ' after op 9';
  const reason = `gateway closed the connection with ${code}${opNineFirst} (${rule.meaning}${said})`;
  if (rule.next === 'give-up') {
    const advice = CLOSE_ADVICE[code] ?? 'see the QQ bot console';
    return { kind: 'give-up', code: 'PLATFORM_REFUSED', message: `${reason}: ${advice}` };
  }
  if (rule.next === 'refresh-token') return afterRefusedToken(ended, during, reason);
  if (opNine !== null) return afterOpNine(ended, during, opNine === 'resumable', reason);
  return afterRule(ended, code, rule, during, reason);
}

function afterRule(ended: Ended, code: number, rule: CloseRule, during: During, reason: string): Verdict {
  const { setbacks } = ended;
  const minDelayMs = rule.minDelayMs ?? 0;
  switch (rule.next) {
    case 'resume':
      return afterResumable(ended, code, reason, minDelayMs);
    case 'resume-once':
      return onceMore(ended, code, reason, minDelayMs);
    case 'identify-later':
      if (during === 'identify') return identifyLater(setbacks, reason);
      return again(reason, setbacks, { minDelayMs, dropSession: reason });
    case 'identify':
      return again(reason, setbacks, { minDelayMs, dropSession: reason });
    case 'refresh-token':
    case 'give-up':
      throw new Error(`close rule ${rule.next} is handled before`);
    default:
      return rule.next satisfies never;
  }
}

/** Resumed, closed at once, resumed, closed at once: such a session is dead, whatever the platform calls it. */
function afterResumable(ended: Ended, code: number, reason: string, minDelayMs: number): Verdict {
  const { setbacks, livedMs, hollow } = ended;
  const byPlatform = code >= 4000;
  if (!hollow || !byPlatform || livedMs === null || livedMs >= HOLLOW_RESUME_MS) {
    return again(reason, { ...setbacks, hollowResumes: hollow ? setbacks.hollowResumes : 0 }, { minDelayMs });
  }
  const hollowResumes = setbacks.hollowResumes + 1;
  if (hollowResumes < MAX_UNCONFIRMED_RESUMES) return again(reason, { ...setbacks, hollowResumes }, { minDelayMs });
  return again(
    reason,
    { ...setbacks, hollowResumes: 0 },
    {
      minDelayMs,
      dropSession: `${hollowResumes} Resumes in a row were accepted and closed at once`,
    },
  );
}

function onceMore(ended: Ended, code: number, reason: string, minDelayMs: number, freshToken = false): Verdict {
  const { setbacks, now } = ended;
  const last = setbacks.strikes.get(code);
  const twice = last !== undefined && now - last < STRIKE_WINDOW_MS;
  const strikes = new Map(setbacks.strikes);
  // The next session gets its own one Resume.
  if (twice) strikes.delete(code);
  else strikes.set(code, now);
  const dropSession = twice ? `for the second time: ${reason}` : null;
  return again(reason, { ...setbacks, strikes }, { minDelayMs, freshToken, dropSession });
}

function afterRefusedToken(ended: Ended, during: During, reason: string): Verdict {
  if (during !== 'identify') return onceMore(ended, 4004, reason, 0, true);
  const refusedTokens = ended.setbacks.refusedTokens + 1;
  if (refusedTokens >= MAX_REFUSED_TOKENS) {
    return {
      kind: 'give-up',
      code: 'CREDENTIAL_REFUSED',
      message: `${reason}, ${refusedTokens} times with a newly fetched token: check appId and clientSecret in the QQ bot console`,
    };
  }
  return again(reason, { ...ended.setbacks, refusedTokens }, { freshToken: true });
}

function afterOpNine(ended: Ended, during: During, resumable: boolean, reason: string): Verdict {
  if (during === 'identify') return identifyLater(ended.setbacks, reason);
  return again(reason, ended.setbacks, { dropSession: resumable ? null : reason });
}

function identifyLater(setbacks: Setbacks, reason: string): Verdict {
  const refusedIdentifies = setbacks.refusedIdentifies + 1;
  const minDelayMs = Math.min(REFUSED_IDENTIFY_CAP_MS, REFUSED_IDENTIFY_BASE_MS * 2 ** (refusedIdentifies - 1));
  const hint =
    refusedIdentifies < 3 ? '' : '; check permissions, IP whitelist and the daily identify limit in the QQ bot console';
  return again(
    `Identify refused ${refusedIdentifies} times: ${reason}${hint}`,
    { ...setbacks, refusedIdentifies },
    {
      minDelayMs,
      // As the SDKs do (sliverp/qqbot, tencent-connect/qqbot-nodejs): a stale token is one of the causes.
      freshToken: true,
    },
  );
}

interface Change {
  readonly minDelayMs?: number;
  readonly dropSession?: string | null;
  readonly freshToken?: boolean;
}

function again(reason: string, setbacks: Setbacks, change: Change = {}): Verdict {
  const { minDelayMs = 0, dropSession = null, freshToken = false } = change;
  return { kind: 'again', reason, minDelayMs, dropSession, freshToken, setbacks };
}
