/**
 * The facts of the QQ Bot gateway that this adapter relies on, each with its source; docs/protocols/qq.md tells more.
 * Read 2026-11-22 unless a fact says otherwise. `bot-docs` is tencent-connect/bot-docs, `docs/develop/api-v2`, main of
 * 2025-04-21. Nothing here does anything.
 */
import { z } from 'zod';
import { DEEPEST, isTooDeep, numberAt } from '../json-scan.ts';

/** @see bot-docs, dev-prepare/interface-framework/opcode.md */
const Opcode = {
  Dispatch: 0,
  Heartbeat: 1,
  Identify: 2,
  Resume: 6,
  Reconnect: 7,
  InvalidSession: 9,
  Hello: 10,
  HeartbeatAck: 11,
} as const;

/** The opcode of events. */
export const DISPATCH = Opcode.Dispatch;

/** @see bot-docs, dev-prepare/interface-framework/event-emit.md */
const Intent = {
  GuildMessages: 1 << 9,
  DirectMessage: 1 << 12,
  GroupAndC2c: 1 << 25,
  Interaction: 1 << 26,
  MessageAudit: 1 << 27,
  PublicGuildMessages: 1 << 30,
} as const;

/** What any bot may ask for. An intent that was not granted makes the whole Identify fail with 4014. */
export const DEFAULT_INTENTS =
  Intent.DirectMessage + Intent.GroupAndC2c + Intent.Interaction + Intent.PublicGuildMessages;

/**
 * What is asked for beside `intents`: where there are guilds, what becomes of sends that wait for an audit. Not every bot
 * may have it; a session without it works all the same.
 */
export function auditIntent(intents: number): number {
  const guilds = Intent.GuildMessages | Intent.DirectMessage | Intent.PublicGuildMessages;
  return (intents & guilds) === 0 ? 0 : Intent.MessageAudit & ~intents;
}

/** The one shard of an unsharded bot; sharding is ordered by close 4011 only. */
export const SINGLE_SHARD = [0, 1] as const;

/** What to do after a close code. */
export type AfterClose =
  /** the session lives on */
  | 'resume'
  /** the session probably lives: one Resume, and Identify when the same code comes again soon */
  | 'resume-once'
  /** as `resume-once`, with a newly fetched access token each time */
  | 'refresh-token'
  /** the session is gone */
  | 'identify'
  /** the platform refuses to create sessions for now: Identify with a growing delay */
  | 'identify-later'
  /** only a person can help */
  | 'give-up';

export interface CloseRule {
  readonly meaning: string;
  readonly next: AfterClose;
  /** Least wait before the next dial, ms. */
  readonly minDelayMs?: number;
  readonly source: string;
}

const WEBSOCKET_MD = 'bot-docs, dev-prepare/error-trace/websocket.md';
const BOTGO = 'tencent-connect/botgo, constants only; reaction inferred';
const RFC = 'RFC 6455 §7.4.1; reaction inferred: the platform said nothing about the session';

/** Codes 4900–4913 of which nothing more is known. */
const internalError: CloseRule = {
  meaning: 'internal error of the platform',
  next: 'identify',
  source: `${WEBSOCKET_MD}: Identify allowed, Resume not`,
};

/**
 * Close codes of the gateway. The documentation says of each whether Resume or Identify is allowed; where the field
 * showed more, the source names it.
 */
export const CLOSE_RULES: Readonly<Record<number, CloseRule>> = {
  1000: { meaning: 'normal close', next: 'resume', source: RFC },
  1001: { meaning: 'going away', next: 'resume', source: RFC },
  1005: { meaning: 'close frame without a code', next: 'resume', source: RFC },
  1006: { meaning: 'cut without a close frame', next: 'resume', source: RFC },
  1009: { meaning: 'a message was too big for us', next: 'resume', source: RFC },
  1011: { meaning: 'server error', next: 'resume', source: RFC },
  4000: { meaning: 'unknown error', next: 'resume-once', source: BOTGO },
  4001: { meaning: 'invalid opcode', next: 'give-up', source: WEBSOCKET_MD },
  4002: { meaning: 'invalid payload', next: 'give-up', source: WEBSOCKET_MD },
  4003: { meaning: 'not authenticated', next: 'identify', source: BOTGO },
  4004: {
    meaning: 'access token refused',
    next: 'refresh-token',
    source: 'botgo and botpy reset the token; sliverp/qqbot keeps the session',
  },
  4005: { meaning: 'already authenticated', next: 'resume', source: BOTGO },
  4006: { meaning: 'invalid session id', next: 'identify', source: WEBSOCKET_MD },
  4007: { meaning: 'wrong sequence number', next: 'identify', source: WEBSOCKET_MD },
  4008: {
    meaning: 'sending too fast',
    next: 'resume',
    minDelayMs: 60_000,
    source: `${WEBSOCKET_MD}; 60 s as sliverp/qqbot waits`,
  },
  4009: {
    meaning: 'connection expired',
    next: 'resume',
    source: `${WEBSOCKET_MD}; seen every 30 to 65 min (openclaw/openclaw #78890)`,
  },
  4010: { meaning: 'invalid shard', next: 'give-up', source: WEBSOCKET_MD },
  4011: { meaning: 'too many guilds for one connection, sharding required', next: 'give-up', source: WEBSOCKET_MD },
  4012: { meaning: 'invalid protocol version', next: 'give-up', source: WEBSOCKET_MD },
  4013: { meaning: 'invalid intents', next: 'give-up', source: WEBSOCKET_MD },
  4014: { meaning: 'an intent the bot was not granted', next: 'give-up', source: WEBSOCKET_MD },
  ...Object.fromEntries(range(4900, 4913).map((code) => [code, internalError])),
  4902: {
    meaning: 'reset by resume: this session was resumed by another connection, or cannot be resumed',
    next: 'resume-once',
    minDelayMs: 3_000,
    source: 'tencent-connect/bot-node-sdk #94; departs from websocket.md, which has only Identify for 4900–4913',
  },
  4903: {
    meaning: 'the platform refuses to create a session (permission, IP whitelist, daily limit)',
    next: 'identify-later',
    source: 'tencent-connect/openclaw-qqbot #18',
  },
  4914: { meaning: 'the bot is delisted and may only use the sandbox', next: 'give-up', source: WEBSOCKET_MD },
  4915: { meaning: 'the bot is banned', next: 'give-up', source: WEBSOCKET_MD },
};

/** For codes nobody has written down: most likely the session lives, and one more Resume shows it. */
const UNKNOWN_CLOSE: CloseRule = {
  meaning: 'unknown close code',
  next: 'resume-once',
  source: 'our default: "4009 → Resume, else Identify" (websocket.md), with one Resume tried before',
};

export function closeRule(code: number): CloseRule {
  return CLOSE_RULES[code] ?? UNKNOWN_CLOSE;
}

/** What a person can do about a close code that is given up on. */
export const CLOSE_ADVICE: Readonly<Record<number, string>> = {
  4001: 'this is a defect of this program: please report it',
  4002: 'this is a defect of this program: please report it',
  4010: 'only single-shard bots are supported: please report it',
  4011: 'the bot is in too many guilds for one connection, and sharding is not supported yet',
  4012: 'the platform wants another protocol version: update this program',
  4013: 'correct "intents" in the configuration',
  4014: 'remove the intents the bot was not granted from "intents", or apply for them in the QQ bot console',
  4914: 'the bot was taken off the shelf: see the QQ bot console, or point apiBaseUrl at the sandbox',
  4915: 'the bot was banned: see the QQ bot console',
};

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, offset) => from + offset);
}

/** Ids of the platform have some 130 characters at most; what is longer is no id, UTF-16 units. */
export const LONGEST_ID = 512;

const envelope = z.object({
  op: z.int(),
  id: z.string().nullish().catch(null),
  // What is no number is no position; the event itself may be whole.
  s: z.int().nonnegative().nullish().catch(null),
  t: z.string().nullish(),
  // Optional by name: to zod, a key that may hold anything must still be there, and ACKs have none.
  d: z.unknown().optional(),
});
const hello = z.object({ heartbeat_interval: z.number().min(10).max(3_600_000) });

/** @see bot-docs, dev-prepare/interface-framework/event-emit.md; `user` is not repeated after a Resume */
export const readySchema = z.looseObject({
  session_id: z.string().min(1).max(LONGEST_ID),
  user: z
    .looseObject({ id: z.string().max(LONGEST_ID), username: z.string().optional().catch(undefined) })
    .optional()
    .catch(undefined),
});
export type Ready = z.infer<typeof readySchema>;

/** Used when Hello names no usable interval, ms: the shorter of those seen on the wire (30 000 and 41 250). */
export const FALLBACK_HEARTBEAT_MS = 30_000;

/** One event pushed by the platform. `d` is unread: RESUMED has an empty string there, and shapes grow. */
export interface Dispatch {
  readonly kind: 'dispatch';
  readonly t: string;
  /** Position in the session; `null` where the frame names none. */
  readonly s: number | null;
  /** Event id, such as `C2C_MESSAGE_CREATE:…`; `null` in older frames. */
  readonly id: string | null;
  readonly d: unknown;
}

export type GatewayFrame =
  | Dispatch
  | { readonly kind: 'hello'; readonly heartbeatEveryMs: number; readonly odd: boolean }
  | { readonly kind: 'ack' }
  /** The platform asks for a beat at once. Never seen in a log; inferred from the opcode table. */
  | { readonly kind: 'beat-wanted' }
  | { readonly kind: 'reconnect' }
  | { readonly kind: 'invalid-session'; readonly resumable: boolean }
  | { readonly kind: 'malformed'; readonly why: string; readonly s: number | null };

/** Reads one text frame. Never throws. */
export function readFrame(text: string): GatewayFrame {
  if (isTooDeep(text)) {
    return { kind: 'malformed', why: `nested deeper than ${DEEPEST}`, s: numberAt(text, 's') };
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { kind: 'malformed', why: text === '' ? 'an empty frame' : 'no JSON', s: numberAt(text, 's') };
  }
  const dispatch = plainDispatch(json);
  if (dispatch !== null) return dispatch;
  const read = envelope.safeParse(json);
  if (!read.success) return { kind: 'malformed', why: 'no gateway payload', s: positionIn(json) };
  const { op, d, s, t, id } = read.data;
  switch (op) {
    case Opcode.Dispatch:
      if (typeof t !== 'string') return { kind: 'malformed', why: 'a dispatch without an event name', s: s ?? null };
      return { kind: 'dispatch', t, s: s ?? null, id: id ?? null, d };
    case Opcode.Hello: {
      const interval = hello.safeParse(d);
      if (interval.success) return { kind: 'hello', heartbeatEveryMs: interval.data.heartbeat_interval, odd: false };
      return { kind: 'hello', heartbeatEveryMs: FALLBACK_HEARTBEAT_MS, odd: true };
    }
    case Opcode.HeartbeatAck:
      return { kind: 'ack' };
    case Opcode.Heartbeat:
      return { kind: 'beat-wanted' };
    case Opcode.Reconnect:
      return { kind: 'reconnect' };
    case Opcode.InvalidSession:
      return { kind: 'invalid-session', resumable: d === true };
    default:
      return { kind: 'malformed', why: `unknown opcode ${op}`, s: s ?? null };
  }
}

/** What all but a few frames are. Anything odd about one is the envelope's business. */
function plainDispatch(json: unknown): Dispatch | null {
  if (typeof json !== 'object' || json === null) return null;
  const { op, t, s, id, d } = json as Record<string, unknown>;
  if (op !== Opcode.Dispatch || typeof t !== 'string') return null;
  if (typeof s !== 'number' || !Number.isSafeInteger(s) || s < 0) return null;
  if (id !== undefined && typeof id !== 'string') return null;
  return { kind: 'dispatch', t, s, id: id ?? null, d };
}

/** A frame we cannot read may still hold a place in the session's numbering. */
function positionIn(json: unknown): number | null {
  const s = typeof json === 'object' && json !== null ? (json as { s?: unknown }).s : undefined;
  return typeof s === 'number' && Number.isSafeInteger(s) && s >= 0 ? s : null;
}

/** @see bot-docs, dev-prepare/interface-framework/event-emit.md; `properties` is optional and unused */
export function identifyFrame(token: string, intents: number, shard: readonly [number, number]): string {
  return JSON.stringify({ op: Opcode.Identify, d: { token: `QQBot ${token}`, intents, shard, properties: {} } });
}

export function resumeFrame(token: string, sessionId: string, seq: number): string {
  return JSON.stringify({ op: Opcode.Resume, d: { token: `QQBot ${token}`, session_id: sessionId, seq } });
}

/** `seq`: the last one stored, `null` before any. */
export function heartbeatFrame(seq: number | null): string {
  return JSON.stringify({ op: Opcode.Heartbeat, d: seq });
}
