/**
 * Who the bot is, kept true while it runs: @BotFather may give it another name at any time, and nothing tells. So getMe
 * is asked again now and then, and at once when a message in a group calls a name that nobody here knows: it may be the
 * bot's new one. Names that turned out to be somebody else's are remembered for a while.
 *
 * Lives as long as a hold; whoever follows asks anew.
 */
import type { Clock } from '../../async/clock.ts';
import type { Logger } from '../../log.ts';
import { type Answer, inWords } from './api.ts';
import type { ReceivedUpdate } from './batch.ts';
import { namesCalled } from './mention.ts';
import { type Me, me } from './protocol.ts';
import { message } from './shapes.ts';

/** A name is taken as known for so long, ms: ours, and those of others. */
const KNOWN_FOR_MS = 600_000;
/** Least time between two questions, ms. */
const LEAST_SPACING_MS = 2_000;
const NAMES_KEPT = 1_000;

/** Unread. */
interface Marked {
  readonly entities?: unknown;
  readonly caption_entities?: unknown;
}

export interface OwnNameDeps {
  /** getMe. @throws the reason of a stop; FencedError */
  ask(): Promise<Answer>;
  readonly clock: Clock;
  readonly log: Logger;
}

export class OwnName {
  readonly #deps: OwnNameDeps;
  #self: Me;
  #askedAt: number;
  #freshAt: number;
  /** Names of others, and when they were found to be that, monotonic ms. */
  readonly #others = new Map<string, number>();

  constructor(self: Me, deps: OwnNameDeps) {
    this.#self = self;
    this.#deps = deps;
    this.#askedAt = deps.clock.monotonic();
    this.#freshAt = this.#askedAt;
  }

  /** Who we are, as far as we know. */
  get known(): Me {
    return this.#self;
  }

  /** Who we are, as far as it matters to these updates. @throws what `ask` throws */
  async asOf(batch: readonly ReceivedUpdate[]): Promise<Me> {
    const now = this.#deps.clock.monotonic();
    const unknown = batch
      .flatMap((update) => (update.tooDeep ? [] : this.#namesIn(update.value)))
      .filter((name) => !this.#isOfOthers(name, now));
    const isDue = unknown.length > 0 || now - this.#freshAt >= KNOWN_FOR_MS;
    if (!isDue || now - this.#askedAt < LEAST_SPACING_MS) return this.#self;
    this.#askedAt = now;
    await this.#ask(unknown, now);
    return this.#self;
  }

  async #ask(unknown: readonly string[], now: number): Promise<void> {
    const { log } = this.#deps;
    const answer = await this.#deps.ask();
    const read = me.safeParse(answer.kind === 'ok' ? answer.result : null);
    if (!read.success || read.data.id !== this.#self.id) {
      const reason = answer.kind === 'ok' ? 'getMe named somebody else' : inWords(answer);
      log.debug({ event: 'own-name-unknown', reason }, 'the name of the bot was not confirmed');
      return;
    }
    const before = this.#self.username;
    this.#self = read.data;
    this.#freshAt = now;
    for (const name of unknown) this.#others.set(name, now);
    for (const name of this.#others.keys()) if (this.#others.size > NAMES_KEPT) this.#others.delete(name);
    const { username } = read.data;
    if (username === before) return;
    // Whoever has the old name now, and whose the new one was, is to be found out again.
    this.#others.clear();
    log.info({ event: 'bot-renamed', from: before ?? null, to: username ?? null }, 'the bot has another name');
  }

  #namesIn(item: unknown): readonly string[] {
    const { message: said, channel_post: posted } = (item ?? {}) as { message?: Marked; channel_post?: Marked };
    const marked = said ?? posted;
    // Nearly all messages mark nothing, and need not be read twice.
    if (!marked?.entities && !marked?.caption_entities) return [];
    const read = message.safeParse(marked);
    if (!read.success || read.data.chat.type === 'private') return [];
    const { text, entities, caption = '', caption_entities: captioned } = read.data;
    return text === undefined ? namesCalled(caption, captioned, this.#self) : namesCalled(text, entities, this.#self);
  }

  #isOfOthers(name: string, now: number): boolean {
    const foundAt = this.#others.get(name);
    return foundAt !== undefined && now - foundAt < KNOWN_FOR_MS;
  }
}
