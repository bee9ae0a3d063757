/** One chat as one bot knows it: its messages, its topics, and whether the bot may write. Message ids count per chat. */
import type { Chat, Message, User } from '@grammyjs/types';
import { ApiRefusal, badRequest, forbidden } from './answers.ts';

/** What became of the bot in this chat. Everything but `open` refuses sends. */
export type Standing =
  | { readonly name: 'open' }
  /** A private chat whose user pressed "stop". */
  | { readonly name: 'blocked' }
  | { readonly name: 'deactivated' }
  | { readonly name: 'kicked' }
  | { readonly name: 'left' }
  | { readonly name: 'deleted' }
  | { readonly name: 'migrated'; readonly to: number };

export class Room {
  readonly chat: Chat;
  /** Who speaks where a test names nobody. */
  readonly speaker: User;
  standing: Standing = { name: 'open' };
  /** Forum topics by thread id. The General topic has none here: it is written to without a thread. */
  readonly topics = new Map<number, string>();
  readonly #messages = new Map<number, Message>();
  #nextMessageId: number;

  constructor(chat: Chat, speaker: User) {
    this.chat = chat;
    this.speaker = speaker;
    // A forum's first message is the one of its creation; so no topic gets the number of the General topic.
    this.#nextMessageId = this.isForum ? 2 : 1;
  }

  get id(): number {
    return this.chat.id;
  }

  get isForum(): boolean {
    return this.chat.type === 'supergroup' && this.chat.is_forum === true;
  }

  /** The id the next message will have. */
  get nextMessageId(): number {
    return this.#nextMessageId;
  }

  takeMessageId(): number {
    return this.#nextMessageId++;
  }

  message(id: number): Message | undefined {
    return this.#messages.get(id);
  }

  keep(message: Message): void {
    this.#messages.set(message.message_id, message);
  }

  forget(id: number): boolean {
    return this.#messages.delete(id);
  }

  /** @throws ApiRefusal in the platform's words where the bot may not write (Client.cpp, check_chat_access) */
  checkWritable(): void {
    const refusal = refusalOf(this.standing, this.chat.type);
    if (refusal !== null) throw refusal;
  }
}

function refusalOf(standing: Standing, type: Chat['type']): ApiRefusal | null {
  switch (standing.name) {
    case 'open':
      return null;
    case 'blocked':
      return forbidden('bot was blocked by the user');
    case 'deactivated':
      return forbidden('user is deactivated');
    case 'kicked':
      return forbidden(`bot was kicked from the ${type} chat`);
    case 'left':
      return forbidden(`bot is not a member of the ${type} chat`);
    case 'deleted':
      return forbidden('the group chat was deleted');
    case 'migrated':
      return new ApiRefusal(400, 'Bad Request: group chat was upgraded to a supergroup chat', {
        migrate_to_chat_id: standing.to,
      });
    default:
      return standing satisfies never;
  }
}

/** The rooms of one bot. */
export class Rooms {
  readonly #byId = new Map<number, Room>();

  add(room: Room): Room {
    const known = this.#byId.get(room.id);
    if (known !== undefined) return known;
    this.#byId.set(room.id, room);
    return room;
  }

  get(id: number): Room | undefined {
    return this.#byId.get(id);
  }

  all(): Room[] {
    return [...this.#byId.values()];
  }

  /** @throws ApiRefusal 400 for a chat the bot has never met */
  find(chatId: string): Room {
    if (chatId === '') throw badRequest('chat_id is empty');
    const room = chatId.startsWith('@')
      ? this.all().find(({ chat }) => chat.username?.toLowerCase() === chatId.slice(1).toLowerCase())
      : this.#byId.get(Number(chatId));
    if (room === undefined) throw badRequest('chat not found');
    return room;
  }
}
