/** The people a test speaks through. What they do becomes updates for the bot, and is kept so that it can be answered. */
import type { Chat, ChatMember, Message, MessageEntity, Update, User } from '@grammyjs/types';
import type { Bot } from './bot.ts';
import type { PlatformClock } from './clock.ts';
import { findEntities } from './entities.ts';
import { type MediaKind, type MediaOptions, mediaFields } from './media.ts';
import { Room, type Standing } from './room.ts';
import { asReply } from './sends.ts';

export interface SayOptions {
  /** Who speaks. @defaultValue the user of a private chat; elsewhere Alice */
  readonly from?: User;
  /** Message id answered; its message is quoted as the platform does. */
  readonly replyTo?: number;
  /** Forum topic; see {@link ChatHandle.topic}. */
  readonly thread?: number;
  /** @defaultValue what the platform finds: mentions, commands, links */
  readonly entities?: readonly MessageEntity[];
  /** Added to the message's date, for clocks that disagree and for late arrivals. @defaultValue 0 */
  readonly dateSkewMs?: number;
  /** Further fields of the message, known to no type. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** Something people did. */
export interface Said {
  readonly chatId: number;
  readonly messageId: number;
  /** Null where the bot will never hear of it: filtered, or its queue was full. */
  readonly updateId: number | null;
  readonly message: Message;
}

export interface Pressed {
  /** What answerCallbackQuery names. */
  readonly queryId: string;
  readonly updateId: number | null;
}

type NonChannelChat = Exclude<Chat, Chat.ChannelChat>;

const heavyText = '😀'.repeat(4096);
const manyLinks: readonly MessageEntity[] = Array.from({ length: 100 }, (_, n) => ({
  type: 'text_link',
  offset: n * 2,
  length: 2,
  url: `https://example.org/${'x'.repeat(200)}/${n}`,
}));

/** One chat, as people in it see the bot. */
export class ChatHandle {
  readonly room: Room;
  readonly #bot: Bot;
  readonly #clock: PlatformClock;

  constructor(room: Room, bot: Bot, clock: PlatformClock) {
    this.room = room;
    this.#bot = bot;
    this.#clock = clock;
  }

  get id(): number {
    return this.room.id;
  }

  say(text: string, options: SayOptions = {}): Said {
    return this.#post({ text, ...entitiesOf(text, 'entities', options) }, options);
  }

  /** A photo, document, voice message and so on, with a caption or without. */
  show(kind: MediaKind, options: SayOptions & MediaOptions = {}): Said {
    return this.#post({ ...mediaFields(this.#bot.files, kind, options), ...captionOf(options) }, options);
  }

  /** Photos of one album: as many updates with one `media_group_id`. The caption is usually on the first. */
  album(captions: readonly (string | null)[], options: SayOptions = {}): Said[] {
    const mediaGroupId = String(Math.floor(Math.random() * 1e17));
    return captions.map((caption) =>
      this.show('photo', { ...options, ...(caption === null ? {} : { caption }), mediaGroupId }),
    );
  }

  /**
   * Messages as heavy as the platform lets people make them, some 90 KB each: 4096 characters of four bytes, a hundred
   * links, and each answers the one before. Fifty fill the 4 MiB of one answer.
   */
  sayMuch(count: number): Said[] {
    const said: Said[] = [];
    for (let n = 0; n < count; n++) {
      const replyTo = said.at(-1)?.messageId;
      said.push(this.say(heavyText, { entities: manyLinks, ...(replyTo === undefined ? {} : { replyTo }) }));
    }
    return said;
  }

  /** @throws Error for a message that is not there */
  edit(messageId: number, text: string): Said {
    const { entities: _entities, ...kept } = this.#message(messageId);
    const message = { ...kept, text, ...entitiesOf(text, 'entities', {}), edit_date: this.#clock.seconds() };
    this.room.keep(message);
    const bornAt = message.edit_date * 1000;
    const updateId =
      this.room.chat.type === 'channel'
        ? this.#bot.push('edited_channel_post', message as typeof message & Update.Channel, bornAt)
        : this.#bot.push('edited_message', message as typeof message & Update.NonChannel, bornAt);
    return { chatId: this.id, messageId, updateId, message };
  }

  /** Somebody presses an inline button of a message the bot sent. @throws Error for a message that is not there */
  press(messageId: number, data: string, from: User = this.room.speaker): Pressed {
    const queryId = String(Math.floor(Math.random() * 1e17));
    this.#bot.callbacks.open(queryId);
    const message = this.#message(messageId);
    const query = { id: queryId, from, message, chat_instance: String(this.id), data };
    return { queryId, updateId: this.#bot.push('callback_query', query, this.#clock.now()) };
  }

  /** An admin deletes a topic; what is sent there is refused from now on. */
  deleteTopic(thread: number): void {
    this.room.topics.delete(thread);
  }

  /** A new forum topic. @returns its thread id */
  topic(name: string, options: SayOptions = {}): number {
    const thread = this.room.nextMessageId;
    this.room.topics.set(thread, name);
    this.#post({ forum_topic_created: { name, icon_color: 7_322_096 } }, { ...options, thread });
    return thread;
  }

  /** The user stops the bot, or somebody throws it out. The bot hears of it, and its sends get 403. */
  block(): number | null {
    return this.#changeStanding({ name: this.room.chat.type === 'private' ? 'blocked' : 'kicked' });
  }

  /** The bot leaves, or is removed without a ban. */
  leave(): number | null {
    return this.#changeStanding({ name: 'left' });
  }

  /** The bot may write again. */
  letBack(): number | null {
    return this.#changeStanding({ name: 'open' });
  }

  /** The account, or the group, is deleted. The bot hears nothing. */
  vanish(): void {
    this.room.standing = { name: this.room.chat.type === 'private' ? 'deactivated' : 'deleted' };
  }

  /**
   * A basic group becomes a supergroup: a service message here and one there; sends to the old id are refused with the
   * new one, and message ids start anew.
   * @param toId id of the supergroup, `-100…`
   */
  migrate(toId: number): ChatHandle {
    const { chat, speaker } = this.room;
    const title = chat.title ?? '';
    const next = this.#bot.rooms.add(new Room({ id: toId, type: 'supergroup', title }, speaker));
    const there = new ChatHandle(next, this.#bot, this.#clock);
    this.#post({ migrate_to_chat_id: toId }, {});
    there.#post({ migrate_from_chat_id: this.id }, {});
    this.room.standing = { name: 'migrated', to: toId };
    return there;
  }

  #post(content: Partial<Message>, options: SayOptions): Said {
    const { room } = this;
    const date = this.#clock.seconds() + Math.trunc((options.dateSkewMs ?? 0) / 1000);
    const message: Message = {
      message_id: room.takeMessageId(),
      ...(room.chat.type === 'channel' ? { sender_chat: room.chat } : { from: options.from ?? room.speaker }),
      chat: room.chat,
      date,
      ...(options.thread === undefined ? {} : { message_thread_id: options.thread, is_topic_message: true }),
      ...(options.replyTo === undefined ? {} : { reply_to_message: asReply(this.#message(options.replyTo)) }),
      ...content,
      ...options.extra,
    };
    room.keep(message);
    const updateId =
      room.chat.type === 'channel'
        ? this.#bot.push('channel_post', message as Message & Update.Channel, date * 1000)
        : this.#bot.push('message', message as Message & Update.NonChannel, date * 1000);
    return { chatId: room.id, messageId: message.message_id, updateId, message };
  }

  #changeStanding(standing: Standing): number | null {
    const { room } = this;
    const before = room.standing;
    room.standing = standing;
    const change = {
      chat: room.chat as NonChannelChat,
      from: room.speaker,
      date: this.#clock.seconds(),
      old_chat_member: memberOf(this.#bot.user, before),
      new_chat_member: memberOf(this.#bot.user, standing),
    };
    return this.#bot.push('my_chat_member', change, change.date * 1000);
  }

  #message(id: number): Message {
    const message = this.room.message(id);
    if (message === undefined) throw new Error(`chat ${this.id} has no message ${id}`);
    return message;
  }
}

/** A blocked bot is shown as `kicked` in a private chat, too. */
function memberOf(user: User, standing: Standing): ChatMember {
  if (standing.name === 'open') return { status: 'member', user };
  if (standing.name === 'left') return { status: 'left', user };
  return { status: 'kicked', user, until_date: 0 };
}

function captionOf({ caption, ...options }: SayOptions & MediaOptions): Partial<Message> {
  return caption === undefined ? {} : { caption, ...entitiesOf(caption, 'caption_entities', options) };
}

function entitiesOf(text: string, field: 'entities' | 'caption_entities', options: SayOptions): Partial<Message> {
  const entities = options.entities === undefined ? findEntities(text) : [...options.entities];
  return entities.length === 0 ? {} : { [field]: entities };
}
