/**
 * Takes sends, lets faults strike, and writes down what users see. Delivery and HTTP answer are two things here, since
 * the hard faults are those where they differ.
 */
import { randomUUID } from 'node:crypto';
import { type Answer, apiError, asAnswer, ok, readable } from './answers.ts';
import type { Bot } from './bot.ts';
import type { Chat } from './chats.ts';
import type { FaultBook, SendFault } from './fault-book.ts';
import type { Gateway } from './gateway.ts';
import type { Journal } from './journal.ts';
import type { QqSettings } from './options.ts';
import { ApiCode, platformTimestamp, type Scene } from './protocol.ts';
import type { Call } from './rest.ts';
import { type Accepted, consumeSeq, judgeSend, type Refused, replyTargetOf, textOf } from './sends.ts';

type Body = NonNullable<Call['body']>;

interface Result {
  readonly answer: Answer;
  readonly delivered: boolean;
}

export class SendDesk {
  readonly #settings: QqSettings;
  readonly #faults: FaultBook;
  readonly #journal: Journal;
  readonly #gateway: Gateway;

  constructor(settings: QqSettings, faults: FaultBook, journal: Journal, gateway: Gateway) {
    this.#settings = settings;
    this.#faults = faults;
    this.#journal = journal;
    this.#gateway = gateway;
  }

  async send(call: Call, scene: Scene, chatId: string): Promise<Answer> {
    const { bot } = call;
    const body = call.body ?? (await multipartBody(call, scene));
    if (body === undefined)
      return apiError(400, ApiCode.ContentMismatch, 'body must be a JSON object declared as application/json');
    const chat = bot.chats.find(scene, chatId);
    if (chat === undefined) return apiError(400, ApiCode.TargetUnknown, 'target does not exist');
    const fault = this.#faults.take('send', { appId: bot.appId, scene, chatId });
    const { answer, delivered } = this.#settleSend(bot, chat, body, fault);
    this.#journal.append({
      kind: 'send',
      appId: bot.appId,
      chat: chat.ref,
      replyTo: replyTargetOf(body),
      msgSeq: typeof body.msg_seq === 'number' ? body.msg_seq : null,
      text: textOf(body),
      ...readable(answer),
      delivered,
      fault: fault?.name ?? null,
    });
    return answer;
  }

  openDm(call: Call): Answer {
    const { recipient_id: recipient, source_guild_id: source } = call.body ?? {};
    if (typeof recipient !== 'string' || typeof source !== 'string') {
      return apiError(400, ApiCode.ContentMismatch, 'recipient_id and source_guild_id are required');
    }
    const guildId = `${source}${recipient}`;
    call.bot.chats.open('dm', guildId);
    return ok({ guild_id: guildId, channel_id: `${guildId}1`, create_time: String(Math.floor(Date.now() / 1000)) });
  }

  recall(call: Call, scene: Scene, chatId: string, messageId: string): Answer {
    const chat = call.bot.chats.find(scene, chatId);
    if (chat === undefined || !chat.sent.delete(messageId)) return apiError(400, 306009, 'message cannot be recalled');
    this.#journal.append({ kind: 'recall', appId: call.bot.appId, chat: chat.ref, messageId });
    return { how: 'empty', status: 200 };
  }

  #settleSend(bot: Bot, chat: Chat, body: Body, fault: SendFault | undefined): Result {
    if (fault?.name === 'answer' && !fault.delivered) {
      if (fault.consumesSeq) consumeSeq(chat, body);
      return { answer: asAnswer(fault.answer, fault.headers), delivered: false };
    }
    const isGuild = chat.ref.scene === 'channel' || chat.ref.scene === 'dm';
    if (isGuild && this.#gateway.attendance.now(bot.appId) === 0) {
      return { answer: apiError(400, ApiCode.NotConnected, 'bot is not connected to the gateway'), delivered: false };
    }
    const verdict = judgeSend(this.#settings, chat, body, Date.now());
    verdict.settle();
    if (!verdict.ok) return { answer: refusal(verdict, fault), delivered: false };
    switch (fault?.name) {
      case undefined:
        this.#show(bot, chat, verdict);
        return { answer: ok(verdict.body), delivered: true };
      case 'answer':
        this.#show(bot, chat, verdict);
        return { answer: asAnswer(fault.answer, fault.headers), delivered: true };
      case 'drip':
        this.#show(bot, chat, verdict);
        return { answer: { how: 'drip', status: 200, body: verdict.body, overMs: fault.overMs }, delivered: true };
      case 'phantom':
        return { answer: ok(verdict.body), delivered: false };
      case 'audit':
        return { answer: this.#audit(bot, chat, verdict, fault), delivered: false };
      default:
        return fault satisfies never;
    }
  }

  #show(bot: Bot, chat: Chat, accepted: Accepted): void {
    const { messageId, replyTo, eventId, msgSeq, msgType, text, mentions } = accepted;
    this.#journal.append({
      kind: 'delivered',
      appId: bot.appId,
      chat: chat.ref,
      messageId,
      replyTo,
      eventId,
      msgSeq,
      msgType,
      text,
      mentions,
    });
  }

  /** 202 now, MESSAGE_AUDIT_PASS or _REJECT later, or never. bot-docs, server-inter/message/post_messages.md. */
  #audit(bot: Bot, chat: Chat, accepted: Accepted, fault: Extract<SendFault, { name: 'audit' }>): Answer {
    const auditId = randomUUID();
    if (fault.outcome !== 'never') {
      setTimeout(() => {
        const now = platformTimestamp(Date.now());
        const d = {
          audit_id: auditId,
          audit_time: now,
          create_time: now,
          channel_id: chat.ref.id,
          guild_id: chat.guildId ?? '',
        };
        const passed = fault.outcome === 'pass';
        if (passed) this.#show(bot, chat, accepted);
        const t = passed ? 'MESSAGE_AUDIT_PASS' : 'MESSAGE_AUDIT_REJECT';
        this.#gateway.push(bot, {
          t,
          d: passed ? { ...d, message_id: accepted.messageId } : d,
          eventId: `${t}:${randomUUID()}`,
          messageId: null,
        });
      }, fault.afterMs).unref();
    }
    const code = accepted.replyTo === null ? ApiCode.AuditPush : ApiCode.AuditReply;
    const body = {
      code,
      message: 'push message is waiting for audit now',
      data: { message_audit: { audit_id: auditId } },
    };
    return { how: 'json', status: 202, body };
  }
}

/** Where the answer is lost anyway, so is a refusal. */
function refusal(verdict: Refused, fault: SendFault | undefined): Answer {
  if (fault?.name === 'answer' && (fault.answer.name === 'reset' || fault.answer.name === 'hang'))
    return asAnswer(fault.answer);
  return apiError(verdict.status, verdict.code, verdict.message);
}

/** Guild endpoints also take multipart with an image; the v2 ones do not. */
async function multipartBody(call: Call, scene: Scene): Promise<Body | undefined> {
  if (!call.contentType.startsWith('multipart/form-data') || scene === 'c2c' || scene === 'group') return undefined;
  const form = await new Response(new Uint8Array(call.raw), {
    headers: { 'content-type': call.contentType },
  }).formData();
  return Object.fromEntries(form.entries());
}
