/** People who talk to a Telegram bot in private chats, and the account of what they saw, by the text of each message. */
import type { BotHandle } from '../emulators/telegram/index.ts';
import type { Account } from './conversations.ts';
import { waitUntil } from './wait-until.ts';

export interface TelegramConversationsOptions {
  /** @defaultValue 6 */
  readonly users?: number;
  /**
   * Pause between two messages, whoever says them, ms. A chat gets one answer a second at most, so nobody should say more.
   *
   * @defaultValue 300
   */
  readonly everyMs?: number;
  /** User id of the first of them; runs on one bot stay apart by it. */
  readonly firstUser: number;
}

interface Spoken {
  readonly user: number;
  readonly text: string;
}

export class TelegramConversations implements Disposable {
  readonly #bot: BotHandle;
  readonly #users: number;
  readonly #everyMs: number;
  readonly #firstUser: number;
  readonly #spoken: Spoken[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(bot: BotHandle, { users = 6, everyMs = 300, firstUser }: TelegramConversationsOptions) {
    this.#bot = bot;
    this.#users = users;
    this.#everyMs = everyMs;
    this.#firstUser = firstUser;
  }

  /** One message of the next user in turn. */
  say(): void {
    const n = this.#spoken.length;
    const user = this.#firstUser + (n % this.#users);
    const text = `message ${n} of ${user}`;
    const { updateId } = this.#bot.say(user, text);
    if (updateId === null) throw new Error('the platform will never tell the bot of this message');
    this.#spoken.push({ user, text });
  }

  start(): this {
    this.#timer ??= setInterval(() => this.say(), this.#everyMs);
    return this;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** Stops, waits until every message has an answer or `timeoutMs` have passed, and tells what became of them. */
  async account(timeoutMs = 15_000): Promise<Account> {
    this.stop();
    await waitUntil('all answers', () => this.#unanswered().length === 0, { timeoutMs, everyMs: 50 }).catch(() => {});
    const expected = new Set(this.#spoken.map(({ user, text }) => `${user} echo: ${text}`));
    const answers = this.#answers();
    return {
      sent: this.#spoken.length,
      lost: this.#unanswered(),
      doubled: this.#spoken.filter((one) => this.#placesOf(one).length > 1).map(({ text }) => text),
      outOfOrder: this.#outOfOrder(),
      wrong: answers.filter((answer) => !expected.has(answer)),
    };
  }

  /** What the users of this run saw, in order. */
  #answers(): string[] {
    const ours = (chatId: number) => chatId >= this.#firstUser && chatId < this.#firstUser + this.#users;
    return this.#bot
      .delivered()
      .filter(({ chatId }) => ours(chatId))
      .map(({ chatId, text }) => `${chatId} ${text}`);
  }

  #placesOf({ user, text }: Spoken): number[] {
    return this.#answers().flatMap((answer, place) => (answer === `${user} echo: ${text}` ? [place] : []));
  }

  #unanswered(): string[] {
    const seen = new Set(this.#answers());
    return this.#spoken.filter(({ user, text }) => !seen.has(`${user} echo: ${text}`)).map(({ text }) => text);
  }

  /** Messages whose first answer was seen after that of a later message of the same user. */
  #outOfOrder(): string[] {
    const latest = new Map<number, number>();
    const places = new Map<string, number>();
    for (const [place, answer] of this.#answers().entries()) if (!places.has(answer)) places.set(answer, place);
    return this.#spoken.flatMap(({ user, text }) => {
      const place = places.get(`${user} echo: ${text}`);
      if (place === undefined) return [];
      const before = latest.get(user) ?? -1;
      latest.set(user, Math.max(place, before));
      return place < before ? [text] : [];
    });
  }
}
