/**
 * Platform → model. Only what is used is required of an event, because shapes grow; whatever cannot be understood is kept
 * with its text instead of being dropped.
 *
 * @see wiki bot.q.qq.com, autogen/event, and tencent-connect/bot-docs, server-inter/message/send-receive/event.md, both
 * read 2026-11-22
 */
import { z } from 'zod';
import type { Attachment, AuditVerdict, InboundEvent, ReplyHandle } from '../../model.ts';
import type { ReplyLimit } from '../adapter.ts';
import { aside, unreadable } from '../aside.ts';
import { type Address, isId, isV2 } from './address.ts';
import { unescapeGuildText } from './embedded-format.ts';
import { isAddressed, type Openly, withoutOwnMention } from './mention.ts';
import type { QqOptions } from './options.ts';
import { type Dispatch, LONGEST_ID } from './protocol.ts';
import type { Received } from './state.ts';

export { RAW_CUT } from '../aside.ts';

/**
 * How long (ms) and how often a message can be answered. The documents contradict each other on C2C (60 or 5 minutes);
 * 60 stands more often. C2C takes 4 replies since 2026-01-10. Guilds name no count.
 *
 * @see wiki bot.q.qq.com, server-inter/message/overview and changelog
 */
const REPLY_WINDOWS: Readonly<Record<Address['scene'], { readonly windowMs: number; readonly quota: number | null }>> =
  {
    c2c: { windowMs: 3_600_000, quota: 4 },
    group: { windowMs: 300_000, quota: 5 },
    channel: { windowMs: 300_000, quota: null },
    dm: { windowMs: 300_000, quota: null },
  };

/** The same, as users read it. */
export const REPLY_LIMITS: readonly ReplyLimit[] = [
  { where: 'private chats', ...REPLY_WINDOWS.c2c },
  { where: 'groups', ...REPLY_WINDOWS.group },
  { where: 'guild channels and guild direct messages', ...REPLY_WINDOWS.channel },
];

/** A platform time further away from our clock than this is a mistake, ms: no session replays that far back. */
const BELIEVABLE_MS = 7 * 86_400_000;

// Keys that nobody here reads are left out, not refused: the frame is kept whole beside what is read of it.
const attachment = z.object({
  content_type: z.string().optional().catch(undefined),
  filename: z.string().optional().catch(undefined),
  url: z.string().optional().catch(undefined),
});
const id = z.string().min(1).max(LONGEST_ID);
/** Ends up in paths of calls. */
const pathId = z.string().refine(isId, 'is no id');
const common = {
  id,
  content: z.string().nullish().catch(''),
  timestamp: z.unknown().optional(),
  attachments: z.array(attachment).nullish().catch([]),
  message_type: z.number().optional().catch(undefined),
  mentions: z.unknown().optional(),
  msg_elements: z.unknown().optional(),
};
const author = z.object({
  id: z.string().optional(),
  username: z.string().optional().catch(undefined),
  bot: z.boolean().optional().catch(undefined),
});
const c2cMessage = z.object({ ...common, author: author.extend({ user_openid: pathId }) });
const groupMessage = z.object({
  ...common,
  group_openid: pathId,
  author: author.extend({ member_openid: id }),
});
const guildMessage = z.object({
  ...common,
  channel_id: pathId,
  author: author.extend({ id }),
});
const directMessage = guildMessage.extend({ guild_id: pathId });

/** The parts of a message that all scenes share, once read. */
interface Message {
  readonly d: Openly & {
    readonly id: string;
    readonly timestamp?: unknown;
    readonly attachments?: readonly z.infer<typeof attachment>[] | null | undefined;
    readonly author: z.infer<typeof author>;
  };
  readonly senderId: string;
  readonly conversation: string;
  readonly address: Address;
}

const readers: ReadonlyMap<string, (d: unknown) => Message> = new Map([
  ['C2C_MESSAGE_CREATE', readPrivate],
  ['GROUP_AT_MESSAGE_CREATE', readGroup],
  // All messages of a group whose owner switched on full reception; an AT message may come as both events.
  ['GROUP_MESSAGE_CREATE', readGroup],
  ['AT_MESSAGE_CREATE', readChannel],
  ['MESSAGE_CREATE', readChannel],
  ['DIRECT_MESSAGE_CREATE', readDirect],
]);

function readPrivate(payload: unknown): Message {
  const d = c2cMessage.parse(payload);
  const openid = d.author.user_openid;
  return { d, senderId: openid, conversation: `c2c:${openid}`, address: { scene: 'c2c', openid } };
}

function readGroup(payload: unknown): Message {
  const d = groupMessage.parse(payload);
  const groupOpenid = d.group_openid;
  const address = { scene: 'group', groupOpenid } as const;
  return { d, senderId: d.author.member_openid, conversation: `group:${groupOpenid}`, address };
}

function readChannel(payload: unknown): Message {
  const d = guildMessage.parse(payload);
  const channelId = d.channel_id;
  return { d, senderId: d.author.id, conversation: `channel:${channelId}`, address: { scene: 'channel', channelId } };
}

function readDirect(payload: unknown): Message {
  const d = directMessage.parse(payload);
  const guildId = d.guild_id;
  return { d, senderId: d.author.id, conversation: `dm:${guildId}`, address: { scene: 'dm', guildId } };
}

/** Events that are no messages. @see bot-docs, dev-prepare/interface-framework/event-emit.md */
const SYSTEM_EVENTS =
  /^(READY|RESUMED|(GUILD|CHANNEL)_(CREATE|UPDATE|DELETE)|GUILD_MEMBER_(ADD|UPDATE|REMOVE)|(PUBLIC_|DIRECT_)?MESSAGE_DELETE|MESSAGE_REACTION_(ADD|REMOVE)|OPEN_FORUM_\w+|FORUM_\w+|AUDIO_\w+|ENTER_AIO|GROUP_MEMBER_(ADD|REMOVE)|GROUP_JOIN_REQUEST|FRIEND_(ADD|DEL)|C2C_MSG_(REJECT|RECEIVE)|GROUP_(ADD|DEL)_ROBOT|GROUP_MSG_(REJECT|RECEIVE)|SUBSCRIBE_MESSAGE_STATUS|INTERACTION_CREATE|MESSAGE_AUDIT_(PASS|REJECT))$/;

/** Events that tell of everything said in a group or channel; the others come only when the bot is meant. */
const EVERYTHING_SAID: ReadonlySet<string> = new Set(['GROUP_MESSAGE_CREATE', 'MESSAGE_CREATE']);

/** Who reads, and what for. */
export interface Reading {
  /** Our own user id as READY named it, `null` while unknown. */
  readonly selfId: string | null;
  readonly groups: QqOptions['groups'];
}

/** @throws nothing: what cannot be read, for whatever cause, becomes a record of kind `malformed` */
export function toInboundEvent(received: Received, reading: Reading): InboundEvent {
  try {
    return readEvent(received, reading);
  } catch (error) {
    const { dispatch, raw, receivedAt } = received;
    return aside('malformed', `${dispatch.t.slice(0, LONGEST_ID)} ${unreadable(error, 'd')}`, raw, receivedAt, null);
  }
}

function readEvent(received: Received, reading: Reading): InboundEvent {
  const { dispatch, raw, receivedAt } = received;
  const reader = readers.get(dispatch.t);
  if (reader !== undefined) return toMessage(reader(dispatch.d), received, reading);
  const kind = SYSTEM_EVENTS.test(dispatch.t) ? 'system' : 'unknown';
  const { timestamp } = (typeof dispatch.d === 'object' && dispatch.d !== null ? dispatch.d : {}) as {
    timestamp?: unknown;
  };
  const event = aside(kind, dispatch.t, raw, receivedAt, dispatch.id, readTime(timestamp, receivedAt));
  const audit = auditVerdict(dispatch);
  return audit === null ? event : { ...event, audit };
}

const auditEvent = z.object({ audit_id: id });

/** @see bot-docs, server-inter/message/post_messages.md */
function auditVerdict({ t, d }: Dispatch): AuditVerdict | null {
  if (t !== 'MESSAGE_AUDIT_PASS' && t !== 'MESSAGE_AUDIT_REJECT') return null;
  const read = auditEvent.safeParse(d);
  return read.success ? { id: read.data.audit_id, passed: t === 'MESSAGE_AUDIT_PASS' } : null;
}

function toMessage(message: Message, { dispatch, raw, receivedAt }: Received, reading: Reading): InboundEvent {
  const { d, senderId, conversation, address } = message;
  const { selfId } = reading;
  const { t } = dispatch;
  const platformAt = readTime(d.timestamp, receivedAt);
  if (d.author.bot === true || (selfId !== null && d.author.id === selfId)) {
    return aside('system', `${t} of a bot`, raw, receivedAt, d.id, platformAt);
  }
  if (!isOurs(message, t, reading)) {
    // Not under the message's id: the same message may come once more, as an event that is for us.
    return aside('system', 'not addressed to the bot', raw, receivedAt, dispatch.id, platformAt);
  }
  const text = withoutOwnMention(d, selfId, t === 'AT_MESSAGE_CREATE');
  return {
    kind: 'message',
    // Not the envelope's id: one message may come as two events, and then has two of those.
    eventId: d.id,
    conversation,
    ...(address.scene === 'group' || address.scene === 'channel' ? { group: true } : {}),
    sender: { id: senderId, name: d.author.username?.toWellFormed() || null },
    text: (isV2(address) ? text : unescapeGuildText(text)).toWellFormed(),
    attachments: (d.attachments ?? []).flatMap(toAttachment),
    platformAt,
    receivedAt,
    reply: replyHandle(d.id, address, receivedAt),
    raw,
  };
}

function isOurs({ d, address }: Message, t: string, { selfId, groups }: Reading): boolean {
  if (address.scene === 'c2c' || address.scene === 'dm') return true;
  if (groups === 'ignore') return false;
  return groups === 'all' || !EVERYTHING_SAID.has(t) || isAddressed(d, selfId);
}

function replyHandle(messageId: string, address: Address, at: number): ReplyHandle {
  const { windowMs, quota } = REPLY_WINDOWS[address.scene];
  return { key: messageId, deadlineAt: at + windowMs, quota, address: { ...address } };
}

function toAttachment({ content_type, filename, url }: z.infer<typeof attachment>): Attachment[] {
  if (url === undefined || url === '') return [];
  // The scheme is missing at times (nonebot/adapter-qq adds it, too).
  const whole = /^https?:\/\//i.test(url) ? url : `https://${url.replace(/^\/\//, '')}`;
  return [{ contentType: content_type ?? 'application/octet-stream', url: whole, name: filename ?? null }];
}

/**
 * Messages carry RFC 3339, management events Unix seconds as number or text; now and then Go's own format comes
 * (satorijs/satori guards against it).
 *
 * @returns ms since the epoch, or `null` for what cannot be read or believed
 */
export function readTime(value: unknown, receivedAt: number): number | null {
  const at =
    typeof value === 'string' ? readTimeText(value.trim()) : typeof value === 'number' ? value * 1000 : Number.NaN;
  return Number.isFinite(at) && Math.abs(at - receivedAt) <= BELIEVABLE_MS ? at : null;
}

function readTimeText(text: string): number {
  if (/^\d{9,11}$/.test(text)) return Number(text) * 1000;
  // Date.parse alone would guess at other forms.
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
}
