/**
 * A message as it lies in its lane: a header, a newline, the raw payload as it came. Most of what the header says stands
 * in the payload already, so it says where: half the bytes for Redis to copy, keep and write to its disk.
 */
import { hash } from 'node:crypto';
import type { Attachment, InboundEvent, JsonValue, ReplyHandle } from '../model.ts';

/** What an entry gives back. */
export interface StoredMessage extends InboundEvent {
  /** A person took it back from the dead letters. */
  readonly retried?: true;
}

/** A text, or where it stands in the payload: start and length in UTF-16 units. */
type Quote = string | readonly [number, number];

type Header = readonly [
  receivedAt: number,
  platformAt: number | null,
  eventId: Quote | null,
  /** The conversation up to its first colon; `null`: none. */
  scene: string | null,
  chat: Quote,
  sender: readonly [id: Quote, name: Quote | null] | null,
  text: Quote,
  attachments: readonly Attachment[],
  reply: readonly [key: Quote, deadlineAt: number | null, quota: number | null, address: PackedAddress] | null,
  retried?: 0 | 1,
  /** In groups, and always the last: who wrote it, as a short digest that ingest.lua counts by. */
  person?: string,
];

/** An object with quotes for its texts; anything else as it is, in an array. */
type PackedAddress = Readonly<Record<string, JsonValue>> | readonly [JsonValue];

/** Naming the place of a shorter text would be no gain. */
const SHORTEST_QUOTE = 10;

export function encodeMessage(event: StoredMessage): string {
  const { raw, eventId, conversation, sender, attachments, reply } = event;
  const id = eventId === null ? 'null' : quoteOf(eventId, raw);
  const from = sender === null ? 'null' : senderText(sender, raw);
  const files = attachments.length === 0 ? '[]' : JSON.stringify(attachments);
  const answer = reply === null ? 'null' : replyText(reply, reply.key === eventId ? id : quoteOf(reply.key, raw), raw);
  const retried = event.retried === true ? ',1' : '';
  const person = event.group === true ? `${retried === '' ? ',0' : ''},"${personOf(sender)}"` : '';
  // By hand: what goes through here is every message there is, and this is most of what storing one costs a worker.
  return `[${event.receivedAt},${event.platformAt},${id},${conversationText(conversation, raw)},${from},${quoteOf(event.text, raw)},${files},${answer}${retried}${person}]\n${raw}`;
}

/** @throws SyntaxError when `entry` was not made by {@link encodeMessage} */
export function decodeMessage(entry: string): StoredMessage {
  const end = entry.indexOf('\n');
  const raw = entry.slice(end + 1);
  const header = JSON.parse(entry.slice(0, end)) as Header;
  const [receivedAt, platformAt, eventId, scene, chat, sender, text, attachments, reply, retried, person] = header;
  const read = (quote: Quote) => (typeof quote === 'string' ? quote : raw.slice(quote[0], quote[0] + quote[1]));
  const readOr = (quote: Quote | null) => (quote === null ? null : read(quote));
  return {
    kind: 'message',
    eventId: readOr(eventId),
    conversation: scene === null ? null : scene + read(chat),
    sender: sender === null ? null : { id: read(sender[0]), name: readOr(sender[1]) },
    text: read(text),
    attachments,
    platformAt,
    receivedAt,
    reply:
      reply === null
        ? null
        : { key: read(reply[0]), deadlineAt: reply[1], quota: reply[2], address: unpackAddress(reply[3], read) },
    raw,
    ...(retried === 1 ? { retried: true } : {}),
    ...(person === undefined ? {} : { group: true }),
  };
}

/** 48 bits: enough to tell the people of one group apart. Those without a name are one. */
function personOf(sender: InboundEvent['sender']): string {
  return hash('sha256', sender?.id ?? '', 'base64url').slice(0, 8);
}

function quoteOf(text: string, raw: string): string {
  const at = text.length < SHORTEST_QUOTE ? -1 : raw.indexOf(text);
  return at < 0 ? JSON.stringify(text) : `[${at},${text.length}]`;
}

/** Two fields: platforms know only what comes after our own `c2c:` or `group:`. */
function conversationText(conversation: string | null, raw: string): string {
  if (conversation === null) return 'null,""';
  const cut = conversation.indexOf(':') + 1;
  return `${JSON.stringify(conversation.slice(0, cut))},${quoteOf(conversation.slice(cut), raw)}`;
}

function senderText({ id, name }: NonNullable<InboundEvent['sender']>, raw: string): string {
  return `[${quoteOf(id, raw)},${name === null ? 'null' : quoteOf(name, raw)}]`;
}

function replyText({ deadlineAt, quota, address }: ReplyHandle, key: string, raw: string): string {
  return `[${key},${deadlineAt},${quota},${addressText(address, raw)}]`;
}

function addressText(address: JsonValue, raw: string): string {
  if (typeof address !== 'object' || address === null || Array.isArray(address)) return JSON.stringify([address]);
  let fields = '';
  for (const [name, value] of Object.entries(address)) {
    if (Array.isArray(value)) return JSON.stringify([address]);
    const text = typeof value === 'string' ? quoteOf(value, raw) : JSON.stringify(value);
    fields += `${fields === '' ? '' : ','}${JSON.stringify(name)}:${text}`;
  }
  return `{${fields}}`;
}

function unpackAddress(packed: PackedAddress, read: (quote: Quote) => string): JsonValue {
  if (Array.isArray(packed)) return packed[0] as JsonValue;
  const fields = Object.entries(packed).map(([name, value]) => [
    name,
    Array.isArray(value) ? read(value as unknown as Quote) : value,
  ]);
  return Object.fromEntries(fields) as JsonValue;
}
