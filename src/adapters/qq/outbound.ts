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
import type { Sender } from '../adapter.ts';
import { splitForParts } from '../split.ts';
import type { ApiAnswer, QqApi } from './api.ts';
import { API_CODES, type ApiClass } from './api-codes.ts';
import type { Address } from './inbound.ts';
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
    split: (text, maxParts) => splitForParts(text, options.maxTextLength, maxParts),
    async send(part, { signal }) {
      const address = addressOf(part);
      if (address === null) {
        return { kind: 'rejected', code: 'no-address', reason: `"${part.conversation}" names no chat of QQ` };
      }
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

/** From the reply handle, or from the conversation's name where the handle is another adapter's or lost. */
function addressOf({ reply, conversation }: OutboundPart): Address | null {
  const { scene, openid, groupOpenid, channelId, guildId } = asRecord(reply.address);
  if (scene === 'c2c' && typeof openid === 'string') return { scene, openid };
  if (scene === 'group' && typeof groupOpenid === 'string') return { scene, groupOpenid };
  if (scene === 'channel' && typeof channelId === 'string') return { scene, channelId };
  if (scene === 'dm' && typeof guildId === 'string') return { scene, guildId };
  const [, kind, id] = /^(c2c|group|channel|dm):(.+)$/.exec(conversation) ?? [];
  if (id === undefined) return null;
  switch (kind) {
    case 'c2c':
      return { scene: 'c2c', openid: id };
    case 'group':
      return { scene: 'group', groupOpenid: id };
    case 'channel':
      return { scene: 'channel', channelId: id };
    default:
      return { scene: 'dm', guildId: id };
  }
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function pathOf(address: Address): string {
  switch (address.scene) {
    case 'c2c':
      return `/v2/users/${encodeURIComponent(address.openid)}/messages`;
    case 'group':
      return `/v2/groups/${encodeURIComponent(address.groupOpenid)}/messages`;
    case 'channel':
      return `/channels/${encodeURIComponent(address.channelId)}/messages`;
    case 'dm':
      return `/dms/${encodeURIComponent(address.guildId)}/messages`;
    default:
      return address satisfies never;
  }
}

function bodyOf(part: OutboundPart, address: Address): object {
  const reply = part.mode === 'passive' ? { msg_id: part.reply.key } : {};
  // Guild endpoints know neither msg_type nor msg_seq.
  if (!isV2(address)) return { content: part.text, ...reply };
  const seq = part.mode === 'passive' ? { msg_seq: part.ordinal } : {};
  return { msg_type: 0, content: part.text, ...reply, ...seq };
}

function isV2({ scene }: Address): boolean {
  return scene === 'c2c' || scene === 'group';
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
  if (status >= 400) {
    // Without a code of the platform some proxy spoke, and the message went nowhere.
    if (code === null) return { kind: 'retry', afterMs: answer.retryAfterMs, ...says };
    return { kind: 'rejected', ...says };
  }
  if (code !== null) return { kind: 'rejected', ...says };
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
    case 'rate-limited':
      return rateLimited(answer, part, address, says);
    case 'audit':
      return { kind: 'pending-audit', auditId: auditIdOf(answer.json) };
    case 'duplicate':
      return { kind: 'duplicate' };
    case 'too-late':
      // An active message has no window to miss: it cannot fall back to itself.
      return part.mode === 'passive' ? { kind: 'too-late', ...says } : { kind: 'rejected', ...says };
    case 'too-long':
      return { kind: 'too-long', ...says };
    case 'rejected':
    case 'operator':
      return { kind: 'rejected', ...says };
    default:
      return cls satisfies never;
  }
}

function rateLimited(answer: ApiAnswer, part: OutboundPart, address: Address, says: Says): SendOutcome {
  return { kind: 'rate-limited', afterMs: answer.retryAfterMs, bucket: bucketOf(address, part.mode), ...says };
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
  return typeof id === 'string' ? id : null;
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
