/**
 * People who talk to a bot at a steady pace, and the account of what became of each message. Counted is what the
 * platform's users see, by message id, never what Holdfast says of itself.
 */
import type { EmulatedBot, Journal, Said } from '../emulators/qq/index.ts';
import { waitUntil } from './wait-until.ts';

export interface Account {
  readonly sent: number;
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  readonly outOfOrder: readonly string[];
  /** Answers with another text than "echo: …". */
  readonly wrong: readonly string[];
}

/** What a run in which nothing went wrong says, besides `sent`. */
export const NOTHING_WRONG = { lost: [], doubled: [], outOfOrder: [], wrong: [] } as const;

export interface ConversationsOptions {
  /** @defaultValue 4 */
  readonly users?: number;
  /** Pause between two messages, whoever says them, ms. @defaultValue 100 */
  readonly everyMs?: number;
  /** Starts the users' names, so that two runs on one bot stay apart. @defaultValue 'USER' */
  readonly name?: string;
  /** What the agent answers. @defaultValue `echo: <text>` */
  answer?(text: string): string;
}

interface Spoken {
  readonly user: string;
  readonly text: string;
  readonly said: Said;
}

export class Conversations implements Disposable {
  readonly #bot: EmulatedBot;
  readonly #journal: Journal;
  readonly #options: Required<ConversationsOptions>;
  readonly #spoken: Spoken[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(bot: EmulatedBot, journal: Journal, options: ConversationsOptions = {}) {
    this.#bot = bot;
    this.#journal = journal;
    this.#options = { users: 4, everyMs: 100, name: 'USER', answer: (text) => `echo: ${text}`, ...options };
  }

  /** One message of the next user in turn. */
  say(): Said {
    const { users, name } = this.#options;
    const n = this.#spoken.length;
    const user = `${name}-${n % users}`;
    const text = `message ${n} of ${user}`;
    const said = this.#bot.user(user).say(text);
    // Without a session the platform drops the message, and nobody could be blamed for it.
    if (said.copies.length === 0) throw new Error('the bot has no session: say nothing before it was live');
    this.#spoken.push({ user, text, said });
    return said;
  }

  start(): this {
    this.#timer ??= setInterval(() => this.say(), this.#options.everyMs);
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
    return {
      sent: this.#spoken.length,
      lost: this.#unanswered(),
      doubled: this.#spoken.filter((one) => this.#repliesTo(one).length > 1).map(({ text }) => text),
      outOfOrder: this.#outOfOrder(),
      wrong: this.#spoken.flatMap((one) =>
        this.#repliesTo(one)
          .map(({ text }) => text)
          .filter((text) => text !== this.#options.answer(one.text)),
      ),
    };
  }

  #repliesTo({ said }: Spoken) {
    return this.#journal.repliesTo(said.messageId);
  }

  #unanswered(): string[] {
    const answered = new Set(this.#journal.delivered(this.#bot.account.appId).map(({ replyTo }) => replyTo));
    return this.#spoken.filter(({ said }) => !answered.has(said.messageId)).map(({ text }) => text);
  }

  /** Messages whose first answer was seen after that of a later message of the same user. */
  #outOfOrder(): string[] {
    const found: string[] = [];
    const latest = new Map<string, number>();
    for (const one of this.#spoken) {
      const first = this.#repliesTo(one)[0];
      if (first === undefined) continue;
      if (first.n < (latest.get(one.user) ?? -1)) found.push(one.text);
      latest.set(one.user, Math.max(first.n, latest.get(one.user) ?? -1));
    }
    return found;
  }
}
