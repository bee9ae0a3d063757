/** People who talk to the bot without pause, in private chats and groups; every message carries a number. */
import type { QqEmulator, Said as SaidOnPlatform } from '../test/emulators/qq/index.ts';
import type { Said, Seen, Tally } from './tally.ts';
import { tally } from './tally.ts';

const PEOPLE = ['ann', 'bob', 'cleo', 'dan', 'eve', 'finn', 'gus', 'hana', 'ivo'];
const GROUPS = ['garden-club', 'night-shift', 'choir'];
/** Pause between two messages, whoever says them, ms. */
const EVERY_MS = 125;

type Speaker = (text: string) => SaidOnPlatform;

export class Traffic implements Disposable {
  readonly said: Said[] = [];
  readonly #qq: QqEmulator;
  readonly #speakers: readonly { readonly name: string; readonly say: Speaker }[];
  #timer: NodeJS.Timeout | undefined;

  constructor(qq: QqEmulator) {
    this.#qq = qq;
    this.#speakers = [
      ...PEOPLE.map((name) => {
        const user = qq.user(name);
        return { name, say: (text: string) => user.say(text) };
      }),
      ...GROUPS.map((name) => {
        const group = qq.group(name);
        return { name, say: (text: string) => group.atBot(`${name}-${this.said.length % 3}`, text) };
      }),
    ];
  }

  get chats(): number {
    return this.#speakers.length;
  }

  /** Everybody speaks in turn, for ever. */
  start(): void {
    this.#timer ??= setInterval(() => this.#next(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** Each conversation says that many messages at once: lanes and outboxes fill. */
  burst(each: number): void {
    for (let n = 0; n < each * this.chats; n++) this.#next();
  }

  /** Ids of the messages said from this place on. */
  idsSince(place: number): ReadonlySet<string> {
    return new Set(this.said.slice(place).map(({ messageId }) => messageId));
  }

  /** What users have seen so far, counted. */
  count(): Tally {
    const seen = this.#qq.journal.delivered().map(({ chat, replyTo, text }): Seen => {
      return { chat: `${chat.scene}:${chat.id}`, replyTo, text };
    });
    return tally(this.said, seen);
  }

  #next(): void {
    const speaker = this.#speakers[this.said.length % this.chats];
    if (speaker === undefined) return;
    const text = `message ${this.said.length + 1}, from ${speaker.name}`;
    const { chat, messageId } = speaker.say(text);
    this.said.push({ chat: `${chat.scene}:${chat.id}`, messageId, text });
  }
}
