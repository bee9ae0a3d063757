/**
 * What the platform does with a message a bot sends: checks, passive window, reply quota, dedupe by (msg_id, msg_seq).
 * bot-docs, server-inter/message/send-receive/send.md, and the wiki's message overview, both read 2026-11-22.
 */
import { randomBytes } from 'node:crypto';
import type { Answerable, Chat } from './chats.ts';
import type { QqSettings } from './options.ts';
import { ApiCode, platformTimestamp, repliableEvents, type Scene } from './protocol.ts';

/** A message that passed all checks and may be shown. */
export interface Accepted {
  readonly ok: true;
  readonly messageId: string;
  readonly replyTo: string | null;
  readonly eventId: string | null;
  readonly msgSeq: number | null;
  readonly msgType: number | null;
  /** As people see it. */
  readonly text: string;
  /** What in it became a mention or a face. */
  readonly mentions: readonly string[];
  /** The 200 body. */
  readonly body: object;
  /** Enters the message into the platform's memory: seq used up, reply counted. */
  readonly settle: () => void;
}

export interface Refused {
  readonly ok: false;
  readonly status: number;
  readonly code: number;
  readonly message: string;
  /** Uses up the msg_seq although refused, where the options ask for that. */
  readonly settle: () => void;
}

/** C2C replies per message: 4 since 2026-01-10, before that 5 (wiki changelog). Guild scenes: not stated. */
const repliesPerMessage: Readonly<Record<Scene, number>> = { c2c: 4, group: 5, channel: Infinity, dm: Infinity };

/** Active messages, where allowed: per chat. Wiki, message overview, since 2026-06-22; guild numbers are per day. */
const activeQuota: Readonly<Record<Scene, { readonly max: number; readonly perMs: number }>> = {
  c2c: { max: 20, perMs: 60_000 },
  group: { max: 20, perMs: 60_000 },
  channel: { max: 20, perMs: 86_400_000 },
  dm: { max: 2, perMs: 86_400_000 },
};

/** A dotted word is one, too: `README.md` (openclaw-qqbot #39); with another dot it is none, also behind a scheme. */
const looksLikeUrl = /:\/\/[\w:[\]-]+(?![\w．])|[\p{L}\p{N}_-]\.\p{L}|(?:\d{1,3}\.){3}\d/u;

/** Mentions and system faces in a guild's text (wiki, openapi/message/message_format). */
const embedded = /<(?:@!?(?:\d+|everyone)|#\d+|emoji:\d+)>/g;

type Body = Readonly<Record<string, unknown>>;

export function judgeSend(settings: QqSettings, chat: Chat, body: Body, now: number): Accepted | Refused {
  const { scene } = chat.ref;
  const isV2 = scene === 'c2c' || scene === 'group';
  const fault = isV2 ? v2ContentFault(body, scene) : guildContentFault(body);
  if (fault !== undefined) return refuse(400, fault.code, fault.message);
  const text = textOf(body);
  if ([...text].length > settings.maxTextLength) return refuse(400, ApiCode.TooLong, '消息长度超限');
  if (settings.urls === 'refused' && looksLikeUrl.test(text)) {
    const used = () => (settings.refusedConsumesSeq ? consumeSeq(chat, body) : undefined);
    return refuse(400, isV2 ? ApiCode.UrlRefused : ApiCode.GuildUrlRefused, '消息发送失败, 不允许发送url', used);
  }

  const msgSeq = isV2 ? ((body.msg_seq as number | undefined) ?? 1) : null;
  const reference = referenceOf(body);
  if (reference === null) return judgeActive(settings, chat, text, body, now);

  const target = chat.answerable(reference.kind, reference.id);
  const unusable =
    target === undefined ? unknownTarget(scene, reference.kind) : expired(settings, scene, target, now, msgSeq);
  if (unusable !== undefined) {
    const consume = settings.refusedConsumesSeq && unusable.code !== ApiCode.DuplicateSeq && msgSeq !== null;
    return refuse(400, unusable.code, unusable.message, () => {
      if (consume) target?.usedSeqs.add(msgSeq);
    });
  }
  const answered = target as Answerable;
  return accept(chat, body, text, msgSeq, reference, now, () => {
    answered.replies++;
    if (msgSeq !== null) answered.usedSeqs.add(msgSeq);
  });
}

/** Uses up a msg_seq without delivering anything: one reading of what a failed send does. */
export function consumeSeq(chat: Chat, body: Body): void {
  const reference = referenceOf(body);
  if (reference === null) return;
  chat.answerable(reference.kind, reference.id)?.usedSeqs.add((body.msg_seq as number | undefined) ?? 1);
}

export function textOf(body: Body): string {
  if (typeof body.content === 'string' && body.content.trim() !== '') return body.content;
  const markdown = body.markdown as { content?: unknown } | undefined;
  return typeof markdown?.content === 'string' ? markdown.content : String(body.content ?? '');
}

export function replyTargetOf(body: Body): string | null {
  return typeof body.msg_id === 'string' && body.msg_id !== '' ? body.msg_id : null;
}

function judgeActive(settings: QqSettings, chat: Chat, text: string, body: Body, now: number): Accepted | Refused {
  const { scene } = chat.ref;
  const isV2 = scene === 'c2c' || scene === 'group';
  if (isV2 && settings.activeMessages === 'refused') {
    return refuse(400, ApiCode.ActiveNotPermitted, '主动消息失败, 无权限');
  }
  const quota = activeQuota[scene];
  if (chat.activeAt.filter((at) => now - at < quota.perMs).length >= quota.max) {
    return refuse(400, isV2 ? ApiCode.ActiveRateLimit : ApiCode.GuildActiveQuota, '主动消息超过频率限制');
  }
  return accept(chat, body, text, null, null, now, () => chat.activeAt.push(now));
}

function accept(
  chat: Chat,
  body: Body,
  text: string,
  msgSeq: number | null,
  reference: Reference | null,
  now: number,
  settle: () => void,
): Accepted {
  const { scene, id } = chat.ref;
  const isV2 = scene === 'c2c' || scene === 'group';
  const messageId = newMessageId(scene);
  const timestamp = platformTimestamp(now);
  return {
    ok: true,
    messageId,
    replyTo: reference?.kind === 'message' ? reference.id : null,
    eventId: reference?.kind === 'event' ? reference.id : null,
    msgSeq,
    msgType: isV2 ? ((body.msg_type as number | undefined) ?? 0) : null,
    text: isV2 ? text : shownInGuild(text),
    mentions: isV2 ? [] : [...text.matchAll(embedded)].map(([whole]) => whole),
    body: isV2
      ? { id: messageId, timestamp, ext_info: { ref_idx: `REFIDX_${randomBytes(8).toString('base64')}` } }
      : { id: messageId, channel_id: id, guild_id: chat.guildId ?? id, content: text, timestamp },
    settle: () => {
      settle();
      chat.sent.add(messageId);
    },
  };
}

function shownInGuild(text: string): string {
  return text.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');
}

/** Message ids as the platform shapes them: `ROBOT1.0_…` in private chats and groups, `08…` in guilds. */
export function newMessageId(scene: Scene): string {
  const isV2 = scene === 'c2c' || scene === 'group';
  return isV2 ? `ROBOT1.0_${randomBytes(18).toString('base64url')}!` : `08${randomBytes(20).toString('hex')}`;
}

interface Reference {
  readonly kind: 'message' | 'event';
  readonly id: string;
}

function referenceOf(body: Body): Reference | null {
  const msgId = replyTargetOf(body);
  if (msgId !== null) return { kind: 'message', id: msgId };
  if (typeof body.event_id === 'string' && body.event_id !== '') return { kind: 'event', id: body.event_id };
  return null;
}

interface Objection {
  readonly code: number;
  readonly message: string;
}

function unknownTarget(scene: Scene, kind: Reference['kind']): Objection {
  if (kind === 'event') return { code: ApiCode.EventIdInvalid, message: 'event_id无效' };
  const isV2 = scene === 'c2c' || scene === 'group';
  return isV2
    ? { code: ApiCode.MsgIdInvalid, message: '请求参数msg_id无效或越权' }
    : { code: ApiCode.GuildMsgIdInvalid, message: 'msg_id invalid' };
}

/** Dedupe is looked at before window and quota: a retry of something delivered is a duplicate, whenever it comes (inferred). */
function expired(
  settings: QqSettings,
  scene: Scene,
  target: Answerable,
  now: number,
  msgSeq: number | null,
): Objection | undefined {
  if (target.kind === 'event' && !repliableEvents[scene].test(target.t)) {
    return { code: ApiCode.EventNotRepliable, message: '该event_id不支持回复' };
  }
  if (msgSeq !== null && target.usedSeqs.has(msgSeq)) {
    return { code: ApiCode.DuplicateSeq, message: '消息被去重，请检查请求msgseq' };
  }
  const window = settings.passiveWindowMs[scene === 'channel' || scene === 'dm' ? 'guild' : scene];
  if (now - target.at > window) {
    if (target.kind === 'event') return { code: ApiCode.EventIdExpired, message: 'event_id已过期' };
    const isV2 = scene === 'c2c' || scene === 'group';
    return { code: isV2 ? ApiCode.PassiveOver : ApiCode.GuildMsgIdExpired, message: '被动回复超时' };
  }
  if (target.replies >= repliesPerMessage[scene]) return { code: ApiCode.PassiveOver, message: '被动回复次数超限' };
  return undefined;
}

function v2ContentFault(body: Body, scene: Scene): Objection | undefined {
  const mismatch = (message: string): Objection => ({ code: ApiCode.ContentMismatch, message });
  // qq-official-bot leaves msg_type out for text, and works in production: a missing one means text.
  const { msg_type: type = 0, content, markdown, msg_seq: msgSeq } = body;
  if (typeof type !== 'number' || ![0, 2, 3, 4, 6, 7].includes(type)) return mismatch('msg_type invalid');
  if (content !== undefined && typeof content !== 'string') return mismatch('content must be a string');
  if (
    msgSeq !== undefined &&
    (!Number.isInteger(msgSeq) || (msgSeq as number) < 1 || (msgSeq as number) > 0xffff_ffff)
  ) {
    return mismatch('msg_seq must be a positive integer');
  }
  for (const id of [body.msg_id, body.event_id]) {
    if (id !== undefined && id !== null && typeof id !== 'string') return mismatch('msg_id and event_id are strings');
  }
  switch (type) {
    case 0:
      if (markdown !== undefined) return mismatch('content and markdown exclude each other');
      return content === undefined || content.trim() === ''
        ? { code: ApiCode.EmptyMessage, message: 'message is empty' }
        : undefined;
    case 2:
      if (typeof content === 'string' && content.trim() !== '')
        return mismatch('content and markdown exclude each other');
      return isObject(markdown) ? undefined : mismatch('markdown missing');
    case 3:
      return isObject(body.ark) ? undefined : mismatch('ark missing');
    case 4:
      return isObject(body.embed) ? undefined : mismatch('embed missing');
    case 6:
      return scene === 'c2c' && isObject(body.input_notify) ? undefined : mismatch('input_notify is for C2C only');
    default: {
      const media = body.media as { file_info?: unknown } | undefined;
      return typeof media?.file_info === 'string' ? undefined : mismatch('media.file_info missing');
    }
  }
}

function guildContentFault(body: Body): Objection | undefined {
  const parts = ['content', 'embed', 'ark', 'markdown', 'image', 'file_image'];
  const filled = parts.some((part) => body[part] !== undefined && body[part] !== null && body[part] !== '');
  return filled ? undefined : { code: ApiCode.EmptyMessage, message: 'message is empty' };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function refuse(status: number, code: number, message: string, settle: () => void = () => undefined): Refused {
  return { ok: false, status, code, message, settle };
}
