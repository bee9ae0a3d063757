/**
 * Platform → model. An update that cannot be understood is kept whole beside the others: one that were refused would come
 * again and again for 24 hours.
 *
 * An album comes as one update per item, without an end mark; each is a message of its own here.
 */
import type { InboundEvent } from '../../model.ts';
import { aside, unreadable } from '../aside.ts';
import { type Address, addressOfMessage, conversationOf } from './address.ts';
import { attachmentsOf, inWords } from './media.ts';
import { isAddressed, withoutName } from './mention.ts';
import type { Me, Update } from './protocol.ts';
import {
  type CallbackQuery,
  callbackQuery,
  type MemberChange,
  type Message,
  memberChange,
  message,
  type User,
} from './shapes.ts';

export interface InboundOptions {
  /** Who we are, as getMe says. */
  readonly self: Me;
  /** Which messages of groups and channels are for the agent. */
  readonly groups: 'mentions' | 'all' | 'ignore';
}

/** What every event of one update has in common. */
interface Envelope {
  readonly eventId: string;
  readonly raw: string;
  readonly receivedAt: number;
}

/** @throws whatever goes wrong: {@link unreadableUpdate} makes a record of it */
export function toInboundEvent(update: Update, options: InboundOptions, receivedAt: number): InboundEvent {
  const { update_id: updateId, ...payloads } = update;
  const envelope: Envelope = { eventId: String(updateId), raw: JSON.stringify(update), receivedAt };
  const [[kind, payload] = ['an update without a payload', undefined]] = Object.entries(payloads);
  return readPayload(kind, payload, options, envelope);
}

/**
 * @param updateId - `null`: it has none
 * @param raw - the update as it came
 */
export function unreadableUpdate(
  error: unknown,
  updateId: number | null,
  raw: string,
  receivedAt: number,
): InboundEvent {
  const why = `an update ${unreadable(error, 'itself')}`;
  return aside('malformed', why, raw, receivedAt, updateId === null ? null : String(updateId));
}

function readPayload(kind: string, payload: unknown, options: InboundOptions, envelope: Envelope): InboundEvent {
  switch (kind) {
    case 'message':
    case 'channel_post':
      return fromMessage(message.parse(payload), options, envelope);
    case 'edited_message':
    case 'edited_channel_post':
      return fromEdit(message.parse(payload), envelope);
    case 'callback_query':
      return fromCallback(callbackQuery.parse(payload), envelope);
    case 'my_chat_member':
      return fromMemberChange(memberChange.parse(payload), envelope);
    default:
      return record(envelope, 'unknown', kind, null);
  }
}

function fromMessage(said: Message, options: InboundOptions, envelope: Envelope): InboundEvent {
  const at = platformTime(said.date);
  const moved = migration(said);
  if (moved !== null) return record(envelope, 'system', moved, at);
  const { self, groups } = options;
  const [text, entities] = textOf(said);
  const attachments = attachmentsOf(said);
  const words = text ?? inWords(said);
  if (words === null && attachments.length === 0) return record(envelope, 'system', serviceName(said), at);
  // Bots that answer each other do so for ever. Anonymous admins and channels write through a bot's id.
  if (said.from?.is_bot === true && said.sender_chat === undefined) {
    return record(envelope, 'system', 'written by a bot', at);
  }
  const isOurs = said.chat.type === 'private' || groups === 'all' || isAddressed(said, text ?? '', entities, self);
  if (!isOurs || (said.chat.type !== 'private' && groups === 'ignore')) {
    return record(envelope, 'system', 'not addressed to the bot', at);
  }
  return {
    ...toMessage(addressOfMessage(said), envelope, at),
    ...groupOf(said),
    sender: senderOf(said),
    text: (text === null ? (words ?? '') : withoutName(text, entities, self)).toWellFormed(),
    attachments,
  };
}

/** A pressed button: what it carries is the message. */
function fromCallback(pressed: CallbackQuery, envelope: Envelope): InboundEvent {
  const { from, message: shown, data } = pressed;
  if (shown === undefined || data === undefined) {
    return record(envelope, 'system', 'a button of an inline message, or of a game', null);
  }
  // The message is the bot's own, so there is nothing of the user's to quote.
  const address = { ...addressOfMessage(shown), messageId: null };
  const event = toMessage(address, envelope, null);
  const sender = { id: String(from.id), name: nameOf(from) };
  return { ...event, ...groupOf(shown), sender, text: data.toWellFormed() };
}

/** The id to answer, so that the user's client stops waiting; `null` when no button was pressed. */
export function callbackIdOf(update: Update): string | null {
  const read = callbackQuery.safeParse(update.callback_query);
  return read.success ? read.data.id : null;
}

function fromEdit(edited: Message, envelope: Envelope): InboundEvent {
  const [text] = textOf(edited);
  const event = record(envelope, 'edit', text ?? '', platformTime(edited.edit_date ?? edited.date));
  return { ...event, sender: senderOf(edited) };
}

function fromMemberChange(change: MemberChange, envelope: Envelope): InboundEvent {
  const { chat, old_chat_member: before, new_chat_member: after, date } = change;
  const text = `the bot in ${chat.type} ${chat.id}: ${before.status} → ${after.status}`;
  return record(envelope, 'system', text, platformTime(date));
}

/** Message ids begin anew in the group's new form; sends to the old id are redirected by the platform's answer. */
function migration({ chat, migrate_to_chat_id: to, migrate_from_chat_id: from }: Message): string | null {
  if (to !== undefined) return `group ${chat.id} is now supergroup ${to}`;
  return from === undefined ? null : `supergroup ${chat.id} was group ${from}`;
}

function textOf(said: Message): readonly [string | null, Message['entities']] {
  if (said.text !== undefined) return [said.text, said.entities];
  return [said.caption ?? null, said.caption_entities];
}

/** Joined, left, pinned and so on: named by the field that says so. */
function serviceName(said: Message): string {
  const known = new Set(Object.keys(message.shape));
  return Object.keys(said).find((key) => !known.has(key)) ?? 'a message without content';
}

function toMessage(address: Address, { eventId, raw, receivedAt }: Envelope, platformAt: number | null) {
  const key = `${address.chatId}:${address.messageId ?? `u${eventId}`}`;
  return {
    kind: 'message',
    eventId,
    conversation: conversationOf(address),
    attachments: [],
    platformAt,
    receivedAt,
    reply: { key, deadlineAt: null, quota: null, address },
    raw,
  } as const satisfies Partial<InboundEvent>;
}

function record(
  { eventId, raw, receivedAt }: Envelope,
  kind: Exclude<InboundEvent['kind'], 'message'>,
  text: string,
  at: number | null,
): InboundEvent {
  return aside(kind, text, raw, receivedAt, eventId, at);
}

function groupOf({ chat }: Message): Pick<InboundEvent, 'group'> {
  return chat.type === 'private' ? {} : { group: true };
}

function senderOf({ from, sender_chat: chat }: Message): InboundEvent['sender'] {
  if (chat !== undefined) return { id: String(chat.id), name: chat.title?.toWellFormed() ?? chat.username ?? null };
  return from === undefined ? null : { id: String(from.id), name: nameOf(from) };
}

function nameOf({ first_name: first, last_name: last, username }: User): string | null {
  const whole = [first, last].filter(Boolean).join(' ').toWellFormed();
  return whole === '' ? (username ?? null) : whole;
}

function platformTime(seconds: number | undefined): number | null {
  return seconds === undefined || seconds <= 0 ? null : seconds * 1000;
}
