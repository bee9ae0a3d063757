/** One bot as a test holds it: the people it knows, what it sent, what waits for it. */
import type { User } from '@grammyjs/types';
import type { Bot, Platform } from './bot.ts';
import type { EntryOf } from './journal.ts';
import { ChatHandle, type Said, type SayOptions } from './people.ts';
import { Room } from './room.ts';

export interface UserOptions {
  readonly firstName?: string;
  readonly username?: string;
}

export interface GroupOptions {
  /** @defaultValue 'Crew' */
  readonly title?: string;
  readonly username?: string;
  /** A supergroup with topics. @defaultValue false */
  readonly isForum?: boolean;
}

/** Speaks in groups where a test names nobody. */
const alice: User = { id: 5, is_bot: false, first_name: 'Alice', username: 'alice', language_code: 'en' };

export class BotHandle {
  readonly #bot: Bot;
  readonly #platform: Platform;
  readonly #chats = new Map<number, ChatHandle>();

  constructor(bot: Bot, platform: Platform) {
    this.#bot = bot;
    this.#platform = platform;
  }

  get id(): number {
    return this.#bot.id;
  }

  /** Null while revoked. */
  get token(): string | null {
    return this.#bot.token;
  }

  get username(): string {
    return this.#bot.user.username;
  }

  /** A private chat; its id is the user's. It exists from this call on, and the user has started the bot. */
  user(id: number, { firstName = 'Alice', username }: UserOptions = {}): ChatHandle {
    const named = { first_name: firstName, ...(username === undefined ? {} : { username }) };
    const speaker: User = { id, is_bot: false, language_code: 'en', ...named };
    return this.#chat(id, () => new Room({ id, type: 'private', ...named }, speaker));
  }

  /** A basic group. @param id a small negative number */
  group(id: number, { title = 'Crew' }: GroupOptions = {}): ChatHandle {
    return this.#chat(id, () => new Room({ id, type: 'group', title }, alice));
  }

  /** @param id `-100` and more digits */
  supergroup(id: number, { title = 'Crew', username, isForum = false }: GroupOptions = {}): ChatHandle {
    const more = { ...(username === undefined ? {} : { username }), ...(isForum ? { is_forum: true as const } : {}) };
    return this.#chat(id, () => new Room({ id, type: 'supergroup', title, ...more }, alice));
  }

  /** @param id `-100` and more digits */
  channel(id: number, { title = 'News', username }: GroupOptions = {}): ChatHandle {
    const more = username === undefined ? {} : { username };
    return this.#chat(id, () => new Room({ id, type: 'channel', title, ...more }, alice));
  }

  /** Says it in a chat known or, by the look of its id, in a new private chat, supergroup or group. */
  say(chatId: number, text: string, options?: SayOptions): Said {
    const chat = this.#bot.rooms.get(chatId) === undefined ? this.#guess(chatId) : this.chat(chatId);
    return chat.say(text, options);
  }

  /** @throws Error for a chat the bot does not know */
  chat(id: number): ChatHandle {
    const room = this.#bot.rooms.get(id);
    if (room === undefined) throw new Error(`the bot knows no chat ${id}`);
    return this.#chat(id, () => room);
  }

  /** Any update at all, also of kinds nobody knows. @returns its id, or null where the bot does not get it */
  event(type: string, payload: object): number | null {
    return this.#bot.pushAny(type, payload, this.#platform.clock.now());
  }

  /** Any text at all as an update. @param members - what follows `{"update_id":N,`, without the last brace */
  verbatim(members: string): number | null {
    return this.#bot.pushText(members, this.#platform.clock.now());
  }

  /** What people got from the bot, oldest first; in one chat, or in all. */
  delivered(chatId?: number): EntryOf<'delivered'>[] {
    return this.#platform.journal.delivered({ botId: this.id, ...(chatId === undefined ? {} : { chatId }) });
  }

  /** Ids of the updates that wait to be confirmed. */
  pending(): number[] {
    return this.#bot.queue.ids();
  }

  /** Ids confirmed so far, in the order of their confirmation. */
  confirmed(): number[] {
    return this.#platform.journal
      .of('confirmed', ({ botId }) => botId === this.id)
      .flatMap(({ updateIds }) => updateIds);
  }

  /** The platform hands these updates out again, as if they had never been confirmed. */
  redeliver(updateIds: readonly number[]): void {
    this.#bot.queue.putBack(updateIds);
    this.#bot.desk.wake();
  }

  /** Whether a long poll waits now. */
  get isPolling(): boolean {
    return this.#bot.desk.isParked;
  }

  /** BotFather gives the bot another name. Nothing tells the bot of it. */
  rename(username: string): void {
    this.#bot.username = username;
  }

  /** BotFather gives the bot a new token; the old one is void. */
  renewToken(): string {
    return this.#bot.renewToken();
  }

  #guess(id: number): ChatHandle {
    if (id > 0) return this.user(id);
    return String(id).startsWith('-100') ? this.supergroup(id) : this.group(id);
  }

  #chat(id: number, make: () => Room): ChatHandle {
    const known = this.#chats.get(id);
    if (known !== undefined) return known;
    const room = this.#bot.rooms.get(id) ?? this.#bot.rooms.add(make());
    const handle = new ChatHandle(room, this.#bot, this.#platform.clock);
    this.#chats.set(id, handle);
    return handle;
  }
}
