/**
 * Model → platform. What a send's answer means is decided here and nowhere else: by the error code first, because HTTP
 * 401 may be an unlisted address and HTTP 500 a message that is too long; then by the status; then by whether the bytes
 * can have left at all.
 *
 * A reply in C2C and groups carries (msg_id, msg_seq), which the platform takes once: whatever happened to it, it may be
 * repeated. Guild messages and active ones have no such key.
 *
 * @see bot-docs, server-inter/message/send-receive/send.md, read 2026-11-22
 */

import { explain, GatewayError } from '../../errors.ts';
import { HttpFailure } from '../../http/client.ts';
import type { OutboundPart, SendOutcome } from '../../model.ts';
import { isBlank } from '../../text/blank.ts';
import type { Sender } from '../adapter.ts';
import { splitForParts } from '../split.ts';
import { type Address, addressOf, isV2, pathOf } from './address.ts';
import type { ApiAnswer, QqApi } from './api.ts';
import { API_CODES, type ApiClass } from './api-codes.ts';
import { defuseLinks } from './defuse-links.ts';
import { escapeGuildText, withoutTags } from './embedded-format.ts';
import type { QqOptions } from './options.ts';

export interface QqSenderDeps {
  readonly api: QqApi;
  readonly options: QqOptions;
}

/** How soon an unlisted address tries again, ms; another host may be listed. */
const IP_RECHECK_MS = 60_000;
/** After a fresh token was refused, too, ms. */
const TOKEN_RECHECK_MS = 5_000;

export function createQqSender({ api, options }: QqSenderDeps): Sender {
  return {
    split: (text, maxParts) => splitForParts(text.toWellFormed(), options.maxTextLength, maxParts),
    async send(part, { signal }) {
      const address = addressOf(part);
      if (address === null) {
        return { kind: 'rejected', code: 'no-address', reason: 'the conversation names no chat of QQ' };
      }
      if (isBlank(part.text)) return { kind: 'blank' };
      const call = { signal, deadlineMs: options.sendTimeoutMs, what: `send to ${address.scene}` };
      try {
        return outcomeOf(await api.post(pathOf(address), bodyOf(part, address), call), part, address);
      } catch (error) {
        return outcomeOfError(error, part, address, signal);
      }
    },
    buckets(part) {
      const address = addressOf(part);
      return address === null ? [] : bucketsOf(address, part.mode);
    },
    repeatable(part) {
      const address = addressOf(part);
      return address !== null && isRepeatable(part, address);
    },
  };
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function bodyOf(part: OutboundPart, address: Address): object {
  const text = part.text.toWellFormed();
  const reply = part.mode === 'passive' ? { msg_id: part.reply.key } : {};
  if (!isV2(address)) return { content: escapeGuildText(text), ...reply };
  const seq = part.mode === 'passive' ? { msg_seq: part.ordinal } : {};
  return { msg_type: 0, content: withoutTags(text), ...reply, ...seq };
}

/** Whether a repeat is recognised by the platform. */
function isRepeatable(part: OutboundPart, address: Address): boolean {
  return part.mode === 'passive' && isV2(address);
}

export function outcomeOf(answer: ApiAnswer, part: OutboundPart, address: Address): SendOutcome {
  if (answer.class !== null) return outcomeOfClass(answer.class, answer, part, address);
  const { status, code } = answer;
  const says = { code: String(code ?? `http-${status}`), reason: inWords(answer) };
  if (status === 429) return rateLimited(answer, part, address, says);
  if (status >= 500) return afterSilence(part, address, says);
  if (status < 300 && auditIdOf(answer.json) !== null) return auditOf(answer);
  // Without a code of the platform some proxy spoke, and the message went nowhere.
  if (status >= 400 && code === null) return { kind: 'retry', afterMs: answer.retryAfterMs, ...says };
  // A code that nobody has written down may be about the text.
  if (status >= 400 || code !== null) return textRefused(part, says);
  const { id } = asRecord(answer.json);
  if (typeof id === 'string' && id !== '') return { kind: 'sent', platformId: id };
  if (status === 204) return { kind: 'sent', platformId: null };
  // HTTP 200 without an id: an empty body, a proxy's page. Nobody can tell.
  return afterSilence(part, address, { code: 'no-id', reason: `HTTP ${status} without a message id` });
}

interface Says {
  readonly code: string;
  readonly reason: string;
}

function outcomeOfClass(cls: ApiClass, answer: ApiAnswer, part: OutboundPart, address: Address): SendOutcome {
  const says = { code: String(answer.code), reason: inWords(answer) };
  switch (cls) {
    case 'token':
      return { kind: 'retry', afterMs: answer.retryAfterMs ?? TOKEN_RECHECK_MS, ...says };
    case 'ip-not-listed':
      return { kind: 'retry', afterMs: answer.retryAfterMs ?? IP_RECHECK_MS, ...says };
    case 'retry':
      return { kind: 'retry', afterMs: answer.retryAfterMs, ...says };
    case 'internal':
      return afterSilence(part, address, says);
    case 'rate-limited':
      return rateLimited(answer, part, address, says);
    case 'audit':
      return auditOf(answer);
    case 'duplicate':
      return { kind: 'duplicate' };
    case 'too-late':
      // An active message has no window to miss: it cannot fall back to itself.
      return part.mode === 'passive' ? { kind: 'too-late', ...says } : { kind: 'rejected', ...says };
    case 'too-long':
      return { kind: 'too-long', ...says };
    case 'text-refused':
      return textRefused(part, says);
    case 'rejected':
    case 'operator':
      return { kind: 'rejected', ...says };
    default:
      return cls satisfies never;
  }
}

/**
 * The documents do not say whose limit it is that a code names. So the conversation waits, and all of its kind only when
 * others are refused as well. A bare 429 that names a time comes from the API's own gate, which counts calls of the bot.
 */
function rateLimited(answer: ApiAnswer, part: OutboundPart, address: Address, says: Says): SendOutcome {
  const { retryAfterMs: afterMs } = answer;
  const wider = widerBucketOf(address, part.mode);
  const isOfAll = answer.status === 429 && answer.class === null && afterMs !== null;
  return { kind: 'rate-limited', afterMs, bucket: isOfAll ? wider : null, wider: isOfAll ? null : wider, ...says };
}

function textRefused({ text }: OutboundPart, says: Says): SendOutcome {
  const defused = defuseLinks(text);
  return { kind: 'rejected', ...says, textRefused: { instead: defused === text ? null : defused } };
}

function auditOf({ json }: ApiAnswer): SendOutcome {
  return { kind: 'pending-audit', auditId: auditIdOf(json) };
}

/** The bytes went out and no usable answer came. */
function afterSilence(part: OutboundPart, address: Address, says: Says): SendOutcome {
  return isRepeatable(part, address)
    ? { kind: 'retry', afterMs: null, ...says, maybeDelivered: true }
    : { kind: 'unknown', ...says };
}

function outcomeOfError(error: unknown, part: OutboundPart, address: Address, signal: AbortSignal): SendOutcome {
  if (error instanceof HttpFailure) {
    const says = { code: error.code, reason: explain(error) };
    return error.maybeSent ? afterSilence(part, address, says) : { kind: 'retry', afterMs: null, ...says };
  }
  if (error instanceof GatewayError) {
    // The access token: nothing was sent.
    const says = { code: error.code, reason: explain(error) };
    const afterMs = 'retryAfterMs' in error && typeof error.retryAfterMs === 'number' ? error.retryAfterMs : null;
    return error.disposition === 'retry' ? { kind: 'retry', afterMs, ...says } : { kind: 'rejected', ...says };
  }
  if (signal.aborted) {
    return afterSilence(part, address, {
      code: 'ABORTED_CALL',
      reason: 'the send was cut off by a stop of this process',
    });
  }
  throw error;
}

function inWords(answer: ApiAnswer): string {
  const meaning = answer.code === null ? '' : (API_CODES.get(answer.code)?.meaning ?? '');
  const trace = answer.traceId === null ? '' : `trace ${answer.traceId}`;
  const parts = [meaning, answer.message === '' ? '' : `"${answer.message}"`, `HTTP ${answer.status}`, trace];
  return parts.filter((each) => each !== '').join(', ');
}

/** @see bot-docs, server-inter/message/post_messages.md: HTTP 202 with the audit's id in `data` */
function auditIdOf(json: unknown): string | null {
  const { audit_id: id } = asRecord(asRecord(asRecord(json).data).message_audit);
  return typeof id === 'string' && id !== '' ? id : null;
}

function bucketOf(address: Address, mode: OutboundPart['mode']): string {
  switch (address.scene) {
    case 'c2c':
      return mode === 'active' ? `active:c2c:${address.openid}` : 'c2c';
    case 'group':
      return mode === 'active' ? `active:group:${address.groupOpenid}` : 'group';
    case 'channel':
      return `channel:${address.channelId}`;
    case 'dm':
      return `dm:${address.guildId}`;
    default:
      return address satisfies never;
  }
}

/** Shared by all conversations of a kind; `null`: each has limits of its own. */
function widerBucketOf({ scene }: Address, mode: OutboundPart['mode']): string | null {
  if (scene === 'channel' || scene === 'dm') return null;
  return mode === 'active' ? `active:${scene}` : scene;
}

/**
 * Published limits: C2C and group 100 per second each; a channel 5 per second. Active ones since 2026-06-22: group 20 a
 * minute and 1000 a day, and 60 a minute per bot (30 unverified); C2C 20 a minute and 1000 a day per user, 10 a second
 * per bot (5 unverified). The lower number is taken. Guild direct messages name none: as a channel.
 *
 * @see wiki bot.q.qq.com, changelog and server-inter/message/overview, read 2026-11-22
 */
function bucketsOf(address: Address, mode: OutboundPart['mode']): ReturnType<Sender['buckets']> {
  const bot = (key: string, count: number, windowMs: number) => ({ key, count, windowMs });
  const own = bucketOf(address, mode);
  switch (address.scene) {
    case 'c2c':
      if (mode === 'passive') return [bot(own, 100, 1_000)];
      return [bot('active:c2c', 5, 1_000), bot(own, 20, 60_000), bot(`${own}:day`, 1000, 86_400_000)];
    case 'group':
      if (mode === 'passive') return [bot(own, 100, 1_000)];
      return [bot('active:group', 30, 60_000), bot(own, 20, 60_000), bot(`${own}:day`, 1000, 86_400_000)];
    case 'channel':
    case 'dm':
      return [bot(own, 5, 1_000)];
    default:
      return address satisfies never;
  }
}
