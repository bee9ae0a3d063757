/** Where a message goes, and how conversations are named: `chat:<id>`, in a forum's topic `chat:<id>/<thread>`. */
import type { OutboundPart, ReplyHandle } from '../../model.ts';
import { GENERAL_TOPIC } from './protocol.ts';
import type { Message } from './shapes.ts';

/** The `address` of a {@link ReplyHandle}. Ids are text everywhere in Holdfast. */
export type Address = {
  readonly chatId: string;
  /** The topic; `null`: none, or the General one, which is written to without an id. */
  readonly threadId: string | null;
  /** The message that is answered; `null`: nothing to quote. */
  readonly messageId: string | null;
};

export function addressOfMessage(message: Message): Address {
  const { chat, message_id: messageId, message_thread_id: thread, is_topic_message: inTopic } = message;
  // Replies outside of forums have a thread id, too, which is no place to write to.
  const topic = inTopic === true && thread !== undefined && thread !== GENERAL_TOPIC ? String(thread) : null;
  return { chatId: String(chat.id), threadId: topic, messageId: String(messageId) };
}

export function conversationOf({ chatId, threadId }: Address): string {
  return threadId === null ? `chat:${chatId}` : `chat:${chatId}/${threadId}`;
}

/** From the reply handle, or from the conversation's name where the handle is another adapter's or lost. */
export function addressOf({ reply, conversation }: Pick<OutboundPart, 'reply' | 'conversation'>): Address | null {
  return addressOfReply(reply) ?? addressNamed(conversation);
}

/** @returns `null` for what names no chat of this platform */
export function addressNamed(conversation: string): Address | null {
  const [, chatId, threadId = null] = /^chat:(-?\d+)(?:\/(\d+))?$/.exec(conversation) ?? [];
  return isId(chatId) && (threadId === null || isId(threadId)) ? { chatId, threadId, messageId: null } : null;
}

export function addressOfReply({ address }: ReplyHandle): Address | null {
  if (typeof address !== 'object' || address === null) return null;
  const { chatId, threadId = null, messageId = null } = address as Partial<Record<keyof Address, unknown>>;
  const isIdOrNone = (value: unknown): value is string | null => value === null || isId(value);
  return isId(chatId) && isIdOrNone(threadId) && isIdOrNone(messageId) ? { chatId, threadId, messageId } : null;
}

/** Ids are numbers below 2^53, and go out as numbers: any other text would become another chat, or `null`. */
function isId(value: unknown): value is string {
  return typeof value === 'string' && /^-?[1-9]\d{0,15}$/.test(value) && Number.isSafeInteger(Number(value));
}

/** Users have positive ids, groups and channels negative ones. */
export function isPrivate({ chatId }: Pick<Address, 'chatId'>): boolean {
  return !chatId.startsWith('-');
}
