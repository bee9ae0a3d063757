/** Messages a bot writes, edits and deletes. Checks come in the order of the official server, so that the first flaw is named. */
import type { Message, MessageEntity } from '@grammyjs/types';
import { badRequest } from './answers.ts';
import type { CallArguments } from './arguments.ts';
import type { Bot } from './bot.ts';
import type { PlatformClock } from './clock.ts';
import { formattedText } from './formatted-text.ts';
import type { Journal } from './journal.ts';
import type { Room } from './room.ts';

const longestText = 4096;
const longestCaption = 1024;
/** The General topic of a forum. Naming it is refused; it is where messages without a thread go. */
const generalTopic = 1;

export class SendDesk {
  readonly #clock: PlatformClock;
  readonly #journal: Journal;

  constructor(clock: PlatformClock, journal: Journal) {
    this.#clock = clock;
    this.#journal = journal;
  }

  /** @throws ApiRefusal where the platform refuses; nothing was sent then */
  sendText(bot: Bot, args: CallArguments): Message.TextMessage {
    if (args.text('text') === '') throw badRequest('message text is empty');
    const content = formattedText(args, 'text', 'entities');
    const place = this.#place(bot, args);
    checkLength(content.text, longestText, 'message is too long');
    if (isBlank(content.text)) throw badRequest('text must be non-empty');
    return this.#deliver(bot, place, {
      text: content.text,
      ...(content.entities.length === 0 ? {} : { entities: content.entities }),
    });
  }

  /** The photo is uploaded in `photo`, or named there by its file_id. It is stored in one size, as it came. */
  sendPhoto(bot: Bot, args: CallArguments): Message.PhotoMessage {
    const { place, caption, file } = this.#media(bot, args, 'photo');
    const photo = [{ file_id: file.id, file_unique_id: file.uniqueId, file_size: file.size, width: 640, height: 480 }];
    return this.#deliver(bot, place, { photo, ...caption });
  }

  sendDocument(bot: Bot, args: CallArguments): Message.DocumentMessage {
    const { place, caption, file } = this.#media(bot, args, 'document');
    const document = {
      file_id: file.id,
      file_unique_id: file.uniqueId,
      file_size: file.size,
      file_name: file.name,
      mime_type: file.contentType,
    };
    return this.#deliver(bot, place, { document, ...caption });
  }

  /** @throws ApiRefusal 400 `message is not modified` among others */
  editText(bot: Bot, args: CallArguments): Message & Message.TextMessage & { edit_date: number } {
    if (args.text('text') === '') throw badRequest('message text is empty');
    const content = formattedText(args, 'text', 'entities');
    const room = bot.rooms.find(args.text('chat_id'));
    room.checkWritable();
    const message = room.message(args.integer('message_id', 0));
    if (message === undefined) throw badRequest('message to edit not found');
    if (message.from?.id !== bot.id) throw badRequest("message can't be edited");
    if (message.text === undefined) throw badRequest('there is no text in the message to edit');
    checkLength(content.text, longestText, 'message is too long');
    if (isBlank(content.text)) throw badRequest('text must be non-empty');
    const markup = args.json('reply_markup', 'reply keyboard markup') ?? undefined;
    if (isSameContent(message, content, markup))
      throw badRequest(
        'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
      );
    bot.flood.take(room.chat);
    const { entities: _entities, reply_markup: _markup, ...kept } = message;
    const edited = {
      ...kept,
      text: content.text,
      ...(content.entities.length === 0 ? {} : { entities: content.entities }),
      ...(markup === undefined ? {} : { reply_markup: markup as Message['reply_markup'] & object }),
      edit_date: this.#clock.seconds(),
    };
    room.keep(edited);
    const { message_id: messageId } = message;
    this.#journal.append({ kind: 'edited', botId: bot.id, chatId: room.id, messageId, text: content.text });
    return edited;
  }

  delete(bot: Bot, args: CallArguments): true {
    if (args.text('chat_id') === '') throw badRequest('chat identifier is not specified');
    const messageId = args.integer('message_id', 0);
    if (messageId === 0) throw badRequest('message identifier is not specified');
    const room = bot.rooms.find(args.text('chat_id'));
    room.checkWritable();
    if (!room.forget(messageId)) throw badRequest('message to delete not found');
    this.#journal.append({ kind: 'deleted', botId: bot.id, chatId: room.id, messageId });
    return true;
  }

  #media(bot: Bot, args: CallArguments, field: 'photo' | 'document') {
    const { text, entities } = formattedText(args, 'caption', 'caption_entities');
    const place = this.#place(bot, args);
    checkLength(text, longestCaption, 'message caption is too long');
    const caption =
      text === '' ? {} : { caption: text, ...(entities.length === 0 ? {} : { caption_entities: entities }) };
    return { place, caption, file: uploadIn(bot, args, field) };
  }

  #place(bot: Bot, args: CallArguments): Place {
    const room = bot.rooms.find(args.text('chat_id'));
    room.checkWritable();
    const thread = threadOf(room, args);
    return {
      room,
      thread,
      replyTo: repliedMessage(room, args),
      markup: args.json('reply_markup', 'reply keyboard markup'),
    };
  }

  #deliver<C extends Partial<Message>>(bot: Bot, place: Place, content: C): Message.ServiceMessage & C {
    const { room, thread, replyTo, markup } = place;
    bot.flood.take(room.chat);
    const message = {
      message_id: room.takeMessageId(),
      ...(thread === null ? {} : { message_thread_id: thread, is_topic_message: true }),
      ...(room.chat.type === 'channel' ? { sender_chat: room.chat } : { from: bot.user }),
      chat: room.chat,
      date: this.#clock.seconds(),
      ...(replyTo === null ? {} : { reply_to_message: asReply(replyTo) }),
      ...(hasInlineKeyboard(markup) ? { reply_markup: markup } : {}),
      ...content,
    };
    room.keep(message);
    this.#journal.append({
      kind: 'delivered',
      botId: bot.id,
      chatId: room.id,
      messageId: message.message_id,
      thread,
      replyTo: replyTo?.message_id ?? null,
      text: content.text ?? content.caption ?? '',
      message,
    });
    return message;
  }
}

/** Blanks, and characters without a form of their own (td, `clean_input_string` and `check_message_text`). */
function isBlank(text: string): boolean {
  return text.replace(/[\s\p{Cf}\p{Cc}\u115f\u1160\u2800\u3164\uffa0]|[\u034f\ufe00-\ufe0f]/gu, '') === '';
}

type ReplyMessage = NonNullable<Message['reply_to_message']>;

interface Place {
  readonly room: Room;
  readonly thread: number | null;
  readonly replyTo: Message | null;
  readonly markup: unknown;
}

/** Threads exist in forums; elsewhere the argument is ignored (Client.cpp, check_message_topic). */
export function threadOf(room: Room, args: CallArguments): number | null {
  const thread = args.integer('message_thread_id', 0);
  if (thread === 0 || !room.isForum) return null;
  if (thread === generalTopic || !room.topics.has(thread)) throw badRequest('message thread not found');
  return thread;
}

function repliedMessage(room: Room, args: CallArguments): Message | null {
  const parameters = args.json('reply_parameters', 'reply parameters');
  const { message_id: inParameters, allow_sending_without_reply: isLenient } = (parameters ?? {}) as {
    readonly message_id?: unknown;
    readonly allow_sending_without_reply?: unknown;
  };
  const id = typeof inParameters === 'number' ? inParameters : args.integer('reply_to_message_id', 0);
  if (id <= 0) return null;
  const message = room.message(id);
  if (message !== undefined) return message;
  if (isLenient === true || args.flag('allow_sending_without_reply')) return null;
  throw badRequest('message to be replied not found');
}

/** A quoted message does not quote in turn. */
export function asReply(message: Message): ReplyMessage {
  const { reply_to_message: _inner, ...rest } = message;
  return rest as ReplyMessage;
}

function uploadIn(bot: Bot, args: CallArguments, field: 'photo' | 'document') {
  const upload = args.file(field) ?? args.file(args.text(field).replace(/^attach:\/\//, ''));
  if (upload !== undefined) return bot.files.add({ folder: `${field}s`, ...upload });
  if (args.text(field) === '') throw badRequest(`there is no ${field} in the request`);
  const known = bot.files.get(args.text(field));
  if (known === undefined) throw badRequest('wrong file identifier/HTTP URL specified');
  return known;
}

/** The official count is of Unicode code points, after parsing (td, MessageContent.cpp). */
function checkLength(text: string, longest: number, complaint: string): void {
  if ([...text].length > longest) throw badRequest(complaint);
}

function isSameContent(
  message: Message,
  content: { readonly text: string; readonly entities: readonly MessageEntity[] },
  markup: unknown,
): boolean {
  return (
    message.text === content.text &&
    JSON.stringify(message.entities ?? []) === JSON.stringify(content.entities) &&
    JSON.stringify(message.reply_markup) === JSON.stringify(markup)
  );
}

function hasInlineKeyboard(markup: unknown): markup is NonNullable<Message['reply_markup']> {
  return typeof markup === 'object' && markup !== null && 'inline_keyboard' in markup;
}
