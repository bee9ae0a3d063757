/** The people of one platform: what they say to the bot there, every message with a number, and what they see. */
import type { QqEmulator } from '../test/emulators/qq/index.ts';
import type { TelegramEmulator } from '../test/emulators/telegram/index.ts';
import { longestSilenceMs, type Window } from './silence.ts';
import { questionsOf, type Said, type Seen, type Tally, tally } from './tally.ts';

export const PLATFORMS = ['qq', 'telegram'] as const;
export type PlatformName = (typeof PLATFORMS)[number];
export const TITLES: Readonly<Record<PlatformName, string>> = { qq: 'QQ', telegram: 'Telegram' };

interface SaidAt extends Said {
  /** ms since the epoch */
  readonly at: number;
}

interface SeenAt extends Seen {
  /** ms since the epoch */
  readonly at: number;
  /** Its place in the platform's journal. */
  readonly n: number;
}

/** Says a text in one conversation. */
type Speaker = (text: string) => Pick<Said, 'chat' | 'messageId'>;

interface CrowdOptions {
  readonly speakers: readonly { readonly name: string; readonly say: Speaker }[];
  /** Pause between two messages, whoever says them, ms. */
  readonly everyMs: number;
  /** Everything that users have seen so far, oldest first. */
  seen(): readonly SeenAt[];
}

export class Crowd implements Disposable {
  readonly said: SaidAt[] = [];
  readonly #options: CrowdOptions;
  #told: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CrowdOptions) {
    this.#options = options;
  }

  get chats(): number {
    return this.#options.speakers.length;
  }

  /** Everybody speaks in turn, for ever. */
  start(): void {
    this.#timer ??= setInterval(() => this.#next(), this.#options.everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** Each conversation says that many messages at once. */
  burst(each: number): void {
    for (let n = 0; n < each * this.chats; n++) this.#next();
  }

  /** Texts of answers of which the operator was told that nobody knows what became of them. */
  tell(texts: ReadonlySet<string>): void {
    this.#told = texts;
  }

  /** What users have seen so far, counted. */
  count(): Tally {
    return tally(this.said, this.#options.seen(), this.#told);
  }

  /** The first answer that users saw after entry `n` of the journal, to a message said at `place` or later. */
  answerAfter(n: number, place: number): SeenAt | undefined {
    const questionOf = questionsOf(this.said);
    return this.#options.seen().find((each) => each.n > n && (questionOf(each) ?? -1) >= place);
  }

  /** How many messages said at `place` or later each conversation has answers to. */
  answeredSince(place: number): readonly number[] {
    const questionOf = questionsOf(this.said);
    const counts = new Map<string, number>();
    for (const each of this.#options.seen()) {
      if ((questionOf(each) ?? -1) >= place) counts.set(each.chat, (counts.get(each.chat) ?? 0) + 1);
    }
    return [...counts.values()];
  }

  /** See {@link longestSilenceMs}. */
  longestSilenceMs(window: Window): number {
    const questionOf = questionsOf(this.said);
    const said = this.said.map(({ at }, place) => ({ place, at }));
    const answers = this.#options.seen().flatMap((each) => {
      const place = questionOf(each);
      return place === undefined ? [] : [{ place, at: each.at }];
    });
    return longestSilenceMs(said, answers, window);
  }

  #next(): void {
    const speaker = this.#options.speakers[this.said.length % this.chats];
    if (speaker === undefined) return;
    const text = `message ${this.said.length + 1}, from ${speaker.name}`;
    this.said.push({ ...speaker.say(text), text, at: Date.now() });
  }
}

const PEOPLE = ['ann', 'bob', 'cleo', 'dan', 'eve', 'finn', 'gus', 'hana', 'ivo'];
const GROUPS = ['garden-club', 'night-shift', 'choir'];

export function qqCrowd(qq: QqEmulator): Crowd {
  let members = 0;
  const said = ({ chat, messageId }: ReturnType<ReturnType<QqEmulator['user']>['say']>) => {
    return { chat: `${chat.scene}:${chat.id}`, messageId };
  };
  return new Crowd({
    everyMs: 125,
    speakers: [
      ...PEOPLE.map((name) => {
        const user = qq.user(name);
        return { name, say: (text: string) => said(user.say(text)) };
      }),
      ...GROUPS.map((name) => {
        const group = qq.group(name);
        return { name, say: (text: string) => said(group.atBot(`${name}-${members++ % 3}`, text)) };
      }),
    ],
    seen: () => {
      return qq.journal.delivered().map(({ chat, replyTo, text, at, n }) => {
        return { chat: `${chat.scene}:${chat.id}`, replyTo, text, at, n };
      });
    },
  });
}

const TELEGRAM_PEOPLE = ['jun', 'kira', 'lou', 'mei', 'noor', 'otto', 'pia', 'quin'];
const FIRST_USER = 1_001;

/** People talk slower there: a chat gets about one answer a second. */
export function telegramCrowd(telegram: TelegramEmulator): Crowd {
  const bot = telegram.bot();
  return new Crowd({
    everyMs: 300,
    speakers: TELEGRAM_PEOPLE.map((name, index) => {
      const user = bot.user(FIRST_USER + index, { firstName: name });
      return {
        name,
        say: (text: string) => {
          const { chatId, messageId } = user.say(text);
          return { chat: String(chatId), messageId: `${chatId}/${messageId}` };
        },
      };
    }),
    seen: () => {
      return bot.delivered().map(({ chatId, replyTo, text, at, n }) => {
        return { chat: String(chatId), replyTo: replyTo === null ? null : `${chatId}/${replyTo}`, text, at, n };
      });
    },
  });
}
