/**
 * Model → platform. What the answer to a send means is decided here and nowhere else.
 *
 * The platform has no key by which it would know a repeated send. So a send that may have arrived is repeated only where
 * the configuration says so; otherwise it ends as `unknown`, for a person to look at.
 *
 * @see tdlib/telegram-bot-api, `Client.cpp`, read 2026-11-22; "Bots FAQ", limits of sending
 */

import { TransientError } from '../../errors.ts';
import type { OutboundPart, ReplyHandle, SendOutcome } from '../../model.ts';
import { isBlank } from '../../text/blank.ts';
import type { Sender } from '../adapter.ts';
import { splitForParts } from '../split.ts';
import { type Address, addressOf, addressOfReply, isPrivate } from './address.ts';
import { type Answer, type Garbled, inWords, type Refusal, type TelegramApi, type Unanswered } from './api.ts';
import { type Body, bodiesOf } from './body.ts';
import type { TelegramOptions } from './options.ts';
import { CHAT_ACTION_MS } from './protocol.ts';

export interface TelegramSenderDeps {
  readonly api: TelegramApi;
  readonly options: TelegramOptions;
}

/** How soon a send is tried again after the token was refused, ms: a person is needed. */
const TOKEN_RECHECK_MS = 30_000;
/** Added to the platform's own wish, ms. @see grammY documentation, "Flood limits" */
const FLOOD_SLACK_MS = 500;
/** The whole connection. */
const BOT_BUCKET = 'bot';

export function createTelegramSender({ api, options }: TelegramSenderDeps): Sender {
  const call = (method: string, params: object, signal: AbortSignal) =>
    api.call(method, params, { signal, deadlineMs: options.sendTimeoutMs });

  return {
    split: (text, maxParts) => splitForParts(text.toWellFormed(), options.maxTextLength, maxParts),
    async send(part, { signal }) {
      const address = addressOf(part);
      if (address === null) {
        return { kind: 'rejected', code: 'no-address', reason: 'the conversation names no chat of Telegram' };
      }
      if (isBlank(part.text)) return { kind: 'blank' };
      try {
        return await sendTo(address, part, options, (params) => call('sendMessage', params, signal));
      } catch (error) {
        if (!signal.aborted) throw error;
        const reason = 'the send was cut off by a stop of this process';
        return afterSilence(options, { code: 'ABORTED_CALL', reason });
      }
    },
    buckets(part) {
      const address = addressOf(part);
      return address === null ? [] : bucketsOf(address);
    },
    async typing(reply: ReplyHandle, { signal }) {
      const address = addressOfReply(reply);
      if (address === null) return;
      const params = { ...placeOf(address), action: 'typing' };
      const answer = await api.call('sendChatAction', params, { signal, deadlineMs: CHAT_ACTION_MS });
      if (answer.kind !== 'ok') throw new TransientError('HTTP_STATUS', inWords(answer));
    },
    repeatable: () => options.onUnknownSend === 'at-least-once',
  };
}

/**
 * As markup first; as plain text when the markup is refused; to the group's new id when it has one; outside of the topic,
 * without the quote, when those are gone: people shall see the answer somewhere. Each way out is taken once at most.
 */
async function sendTo(
  address: Address,
  part: OutboundPart,
  options: TelegramOptions,
  post: (params: object) => Promise<Answer>,
): Promise<SendOutcome> {
  const [preferred, plain] = bodiesOf(part.text.toWellFormed(), options);
  let to = address;
  let body: Body = preferred;
  for (let moved = false; ; ) {
    const quote = quoteOf(to, part);
    const answer = await post({ ...placeOf(to), ...body, ...quote });
    if (answer.kind === 'ok') return { kind: 'sent', platformId: messageIdOf(answer.result) };
    if (answer.kind !== 'refused') return outcomeOf(answer, to, options);
    const isPlaced = to.threadId !== null || 'reply_parameters' in quote;
    if ((answer.class === 'markup' || answer.class === 'blank') && body !== plain) body = plain;
    else if (answer.movedTo !== null && !moved) {
      moved = true;
      // Message and topic ids begin anew there.
      to = { chatId: answer.movedTo, threadId: null, messageId: null };
    } else if (answer.class === 'place-gone' && isPlaced) to = { ...to, threadId: null, messageId: null };
    else return outcomeOf(answer, to, options);
  }
}

function placeOf({ chatId, threadId }: Address): object {
  return { chat_id: Number(chatId), ...(threadId === null ? {} : { message_thread_id: Number(threadId) }) };
}

/** In groups the first part of an answer shows what it answers; in a private chat there is no doubt. */
function quoteOf(address: Address, { mode, ordinal }: OutboundPart): { readonly reply_parameters?: object } {
  const { messageId } = address;
  if (messageId === null || mode !== 'passive' || ordinal !== 1 || isPrivate(address)) return {};
  // An answer must not be lost because its question was deleted meanwhile.
  return { reply_parameters: { message_id: Number(messageId), allow_sending_without_reply: true } };
}

function messageIdOf(result: unknown): string | null {
  const { message_id: id } = (typeof result === 'object' && result !== null ? result : {}) as { message_id?: unknown };
  return typeof id === 'number' ? String(id) : null;
}

function outcomeOf(
  trouble: Refusal | Garbled | Unanswered,
  address: Address,
  options: Pick<TelegramOptions, 'onUnknownSend'>,
): SendOutcome {
  const reason = inWords(trouble);
  switch (trouble.kind) {
    case 'refused':
      return outcomeOfRefusal(trouble, address, options);
    case 'garbled':
      // A 4xx that is not the platform's: some proxy spoke, and the message went nowhere.
      return trouble.status >= 400 && trouble.status < 500
        ? { kind: 'retry', afterMs: null, code: `http-${trouble.status}`, reason }
        : afterSilence(options, { code: `http-${trouble.status}`, reason });
    case 'unanswered': {
      const says = { code: trouble.failure.code, reason };
      return trouble.failure.maybeSent ? afterSilence(options, says) : { kind: 'retry', afterMs: null, ...says };
    }
    default:
      return trouble satisfies never;
  }
}

function outcomeOfRefusal(
  refusal: Refusal,
  address: Address,
  options: Pick<TelegramOptions, 'onUnknownSend'>,
): SendOutcome {
  const says = { code: String(refusal.code), reason: inWords(refusal) };
  const { retryAfterMs } = refusal;
  switch (refusal.class) {
    case 'flood': {
      const afterMs = retryAfterMs === null ? null : retryAfterMs + FLOOD_SLACK_MS;
      return { kind: 'rate-limited', afterMs, bucket: bucketOf(address), wider: BOT_BUCKET, ...says };
    }
    case 'server':
    case 'rival':
    case 'webhook':
      // The server's own words: it was not done.
      return { kind: 'retry', afterMs: retryAfterMs, ...says };
    case 'gateway':
      return afterSilence(options, says);
    case 'blank':
      return { kind: 'blank' };
    case 'credential':
    case 'misdirected':
      return { kind: 'retry', afterMs: TOKEN_RECHECK_MS, ...says };
    case 'too-long':
      return { kind: 'too-long', ...says };
    case 'markup':
      return { kind: 'rejected', ...says, textRefused: { instead: null } };
    case 'refused':
      return isAboutThePlace(refusal)
        ? { kind: 'rejected', ...says }
        : { kind: 'rejected', ...says, textRefused: { instead: null } };
    case 'moved':
    case 'target-gone':
    case 'place-gone':
    case 'late-answer':
      return { kind: 'rejected', ...says };
    default:
      return refusal.class satisfies never;
  }
}

/** Of refusals without a rule: there nobody could be told either. */
function isAboutThePlace({ code, description }: Refusal): boolean {
  return code !== 400 || /chat|peer|rights|user|member|forbidden|private/i.test(description);
}

/** The bytes went out and no usable answer came. */
function afterSilence(
  { onUnknownSend }: Pick<TelegramOptions, 'onUnknownSend'>,
  says: { readonly code: string; readonly reason: string },
): SendOutcome {
  return onUnknownSend === 'at-least-once'
    ? { kind: 'retry', afterMs: null, ...says, maybeDelivered: true }
    : { kind: 'unknown', ...says };
}

function bucketOf({ chatId }: Address): string {
  return `chat:${chatId}`;
}

/** About 30 messages a second per bot, 1 a second per chat with short bursts, 20 a minute per group. */
function bucketsOf(address: Address): ReturnType<Sender['buckets']> {
  const own = isPrivate(address) ? { count: 3, windowMs: 3_000 } : { count: 20, windowMs: 60_000 };
  return [
    { key: BOT_BUCKET, count: 30, windowMs: 1_000 },
    { key: bucketOf(address), ...own },
  ];
}
