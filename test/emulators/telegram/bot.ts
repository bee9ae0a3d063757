/** All the platform knows of one bot: token, queue, poll, webhook, chats, files. */
import { randomBytes } from 'node:crypto';
import type { Update, User, UserFromGetMe } from '@grammyjs/types';
import { Callbacks } from './callbacks.ts';
import type { PlatformClock } from './clock.ts';
import type { FaultBook } from './fault-book.ts';
import { Files } from './files.ts';
import type { Journal } from './journal.ts';
import type { BotAccount, TelegramSettings } from './options.ts';
import { PollDesk } from './poll-desk.ts';
import { FloodControl } from './rates.ts';
import { Rooms } from './room.ts';
import { UpdateQueue } from './update-queue.ts';
import { AllowedUpdates, lifetimeOf, type UpdateType } from './update-types.ts';
import { Webhook } from './webhook.ts';

/** What all bots of one platform share. */
export interface Platform {
  readonly clock: PlatformClock;
  readonly settings: TelegramSettings;
  readonly journal: Journal;
  readonly faults: FaultBook;
}

/** The server's instance for a bot: loaded by its first call, gone after a restart. */
export type Instance =
  | { readonly name: 'cold' }
  | { readonly name: 'loaded' }
  /** Until then on the monotonic clock every call gets 500. */
  | { readonly name: 'restarting'; readonly untilMs: number };

export class Bot {
  readonly id: number;
  /** Null while revoked. */
  token: string | null;
  instance: Instance = { name: 'cold' };
  readonly account: BotAccount;
  /** @BotFather may change it at any time. */
  username: string;
  readonly queue: UpdateQueue;
  readonly allowed = new AllowedUpdates();
  readonly desk: PollDesk;
  readonly webhook: Webhook;
  readonly rooms = new Rooms();
  readonly files = new Files();
  readonly callbacks: Callbacks;
  readonly flood: FloodControl;
  #issued: string;
  readonly #platform: Platform;

  constructor(account: BotAccount, platform: Platform) {
    const { clock, settings, journal, faults } = platform;
    this.id = botIdOf(account.token);
    this.token = account.token;
    this.#issued = account.token;
    this.account = account;
    this.username = account.username ?? `emulated_${this.id}_bot`;
    this.#platform = platform;
    this.queue = new UpdateQueue(clock, settings);
    this.desk = new PollDesk({
      botId: this.id,
      queue: this.queue,
      allowed: this.allowed,
      journal,
      settings,
      takeBatchFault: () => faults.take('batch', { botId: this.id }),
    });
    this.webhook = new Webhook();
    this.callbacks = new Callbacks(clock);
    this.flood = new FloodControl(settings.flood, clock);
  }

  get user(): User & { readonly username: string } {
    const { firstName = 'Emulated bot' } = this.account;
    return { id: this.id, is_bot: true, first_name: firstName, username: this.username };
  }

  profile(): UserFromGetMe {
    return {
      ...this.user,
      is_bot: true,
      can_join_groups: true,
      can_read_all_group_messages: this.account.readsAllGroupMessages ?? false,
      supports_guest_queries: false,
      supports_inline_queries: false,
      can_connect_to_business: false,
      has_main_web_app: false,
      has_topics_enabled: false,
      allows_users_to_create_topics: false,
      can_manage_bots: false,
      supports_join_request_queries: false,
    };
  }

  /**
   * Queues an update, if the bot wants that kind and there is room.
   * @param bornAt ms since the epoch, what its life is counted from
   */
  push<T extends UpdateType>(type: T, payload: NonNullable<Update[T]>, bornAt: number): number | null {
    return this.pushAny(type, payload, bornAt);
  }

  /** {@link push} for kinds no type knows. */
  pushAny(type: string, payload: object, bornAt: number): number | null {
    const { journal } = this.#platform;
    const isWanted = this.allowed.has(type);
    const updateId = isWanted ? this.queue.push(type, payload, bornAt + lifetimeOf(type)) : null;
    const lost = isWanted ? 'queue-full' : 'filtered';
    journal.append({ kind: 'update', botId: this.id, type, updateId, because: updateId === null ? lost : null });
    if (updateId !== null) this.desk.wake();
    return updateId;
  }

  /** An update of any text at all, whatever kinds the bot wants. */
  pushText(members: string, bornAt: number): number | null {
    const updateId = this.queue.pushText(members, bornAt + lifetimeOf('message'));
    const because = updateId === null ? 'queue-full' : null;
    this.#platform.journal.append({ kind: 'update', botId: this.id, type: 'verbatim', updateId, because });
    if (updateId !== null) this.desk.wake();
    return updateId;
  }

  /** A new secret of the same bot, as BotFather's "revoke" gives. The old one is void at once. */
  renewToken(): string {
    const token = `${this.id}:${newSecret()}`;
    this.revokeToken();
    this.#issued = token;
    this.token = token;
    return token;
  }

  restoreToken(): void {
    this.token = this.#issued;
  }

  /** Every call gets 401 from now on; a parked poll is answered. */
  revokeToken(): void {
    this.token = null;
    this.instance = { name: 'cold' };
    this.desk.finish();
  }
}

/** The bots of one platform, found by token. */
export class Bots {
  readonly #bots: Bot[] = [];
  readonly #platform: Platform;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** @throws Error for a bot id that is there already, or a malformed token */
  add(account: BotAccount): Bot {
    const bot = new Bot(account, this.#platform);
    if (this.#bots.some(({ id }) => id === bot.id)) throw new Error(`the emulator has a bot ${bot.id} already`);
    this.#bots.push(bot);
    return bot;
  }

  all(): readonly Bot[] {
    return this.#bots;
  }

  byToken(token: string): Bot | undefined {
    return this.#bots.find((bot) => bot.token === token);
  }
}

/** What looks like a token to the hosted service; anything else is 404 there. */
export const tokenShape = /^[1-9]\d{0,15}:[\w-]{3,}$/;

export function newSecret(): string {
  return `AA${randomBytes(25).toString('base64url')}`.slice(0, 35);
}

function botIdOf(token: string): number {
  if (!tokenShape.test(token)) throw new Error('a bot token is {bot id}:{secret}');
  return Number(token.slice(0, token.indexOf(':')));
}
