/** People in many chats of several bots who talk without pause, several messages at once; every message has a number. */
import type { Said, Seen, Tally } from '../demo/tally.ts';
import { tally } from '../demo/tally.ts';
import type { EmulatedBot, QqEmulator, Said as SaidOnPlatform } from '../test/emulators/qq/index.ts';
import type { Random } from './random.ts';
import { BURST, GROUPS, PEOPLE, TALK_EVERY_MS } from './settings.ts';

interface Chat {
  readonly appId: string;
  readonly name: string;
  say(text: string): SaidOnPlatform;
}

export class Crowd implements Disposable {
  readonly #qq: QqEmulator;
  readonly #random: Random;
  readonly #chats: readonly Chat[];
  readonly #said: Said[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(qq: QqEmulator, bots: readonly EmulatedBot[], random: Random) {
    this.#qq = qq;
    this.#random = random;
    this.#chats = bots.flatMap(chatsOf);
  }

  get chats(): number {
    return this.#chats.length;
  }

  get sent(): number {
    return this.#said.length;
  }

  /** Each chat says one message, so that every one of them is known before anything breaks. */
  greet(): void {
    for (const chat of this.#chats) this.#say(chat);
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      const chat = this.#random.pick(this.#chats);
      const messages = Math.ceil(this.#random.next() * BURST);
      for (let n = 0; n < messages; n += 1) this.#say(chat);
    }, TALK_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** What became of all messages so far, by what users see. */
  count(): Tally {
    const seen = this.#qq.journal
      .delivered()
      .map(({ appId, chat, replyTo, text }): Seen => ({ chat: nameOf(appId, chat), replyTo, text }));
    return tally(this.#said, seen);
  }

  #say(chat: Chat): void {
    const text = `message ${this.#said.length + 1}, to ${chat.name}`;
    const said = chat.say(text);
    // Without a session the platform drops the message, and nobody could be blamed for it.
    if (said.copies.length === 0) throw new Error(`${chat.name}: its bot has no session`);
    this.#said.push({ chat: nameOf(chat.appId, said.chat), messageId: said.messageId, text });
  }
}

function nameOf(appId: string, { scene, id }: { readonly scene: string; readonly id: string }): string {
  return `${appId}/${scene}:${id}`;
}

function chatsOf(bot: EmulatedBot): Chat[] {
  const { appId } = bot.account;
  const people = Array.from({ length: PEOPLE }, (_, n): Chat => {
    const user = bot.user(`person-${n + 1}`);
    return { appId, name: `${appId} person-${n + 1}`, say: (text) => user.say(text) };
  });
  const groups = Array.from({ length: GROUPS }, (_, n): Chat => {
    const group = bot.group(`group-${n + 1}`);
    return { appId, name: `${appId} group-${n + 1}`, say: (text) => group.atBot(`member-${n + 1}`, text) };
  });
  return [...people, ...groups];
}
