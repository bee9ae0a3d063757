/** All the platform knows of one bot: credentials, tokens, sessions, quota, and the chats it is in. */
import { randomBytes } from 'node:crypto';
import { Chats } from './chats.ts';
import type { BotAccount, QqSettings } from './options.ts';
import { publicIntents } from './protocol.ts';
import { IdentifyQuota, RateWindow } from './quota.ts';
import { Sessions } from './sessions.ts';
import { Tokens } from './tokens.ts';

export class Bot {
  readonly account: BotAccount;
  /** The bot's own user id, in READY and `/users/@me`. */
  readonly userId = String(10n ** 18n + BigInt(`0x${randomBytes(6).toString('hex')}`));
  readonly username: string;
  readonly grantedIntents: number;
  readonly tokens: Tokens;
  readonly sessions: Sessions;
  readonly quota: IdentifyQuota;
  readonly discovery: RateWindow | null;
  readonly chats: Chats;
  /** Switched to webhook in the console: the WebSocket stays open and goes quiet. */
  webhook = false;

  constructor(account: BotAccount, settings: QqSettings) {
    this.account = account;
    this.username = account.username ?? 'emulated bot';
    this.grantedIntents = account.grantedIntents ?? publicIntents;
    this.tokens = new Tokens(settings.tokenLifetimeMs, settings.tokenOverlapMs);
    this.sessions = new Sessions(settings.retentionMs, settings.sessionLogLimit);
    this.quota = new IdentifyQuota(settings.identifyLimit, Date.now());
    this.discovery = settings.gatewayRateLimit === undefined ? null : new RateWindow(settings.gatewayRateLimit);
    this.chats = new Chats();
  }

  get appId(): string {
    return this.account.appId;
  }

  /** What a GET of `/users/@me` answers. */
  profile(): object {
    return {
      id: this.userId,
      username: this.username,
      avatar: '',
      bot: true,
      union_openid: '',
      union_user_account: '',
    };
  }
}

/** The bots of one platform, found by app id or by the credentials they show. */
export class Bots {
  readonly #byAppId = new Map<string, Bot>();
  readonly #settings: QqSettings;

  constructor(settings: QqSettings, accounts: readonly BotAccount[]) {
    this.#settings = settings;
    for (const account of accounts) this.add(account);
  }

  add(account: BotAccount): Bot {
    if (this.#byAppId.has(account.appId)) throw new Error(`the emulator has a bot ${account.appId} already`);
    const bot = new Bot(account, this.#settings);
    this.#byAppId.set(account.appId, bot);
    return bot;
  }

  all(): Bot[] {
    return [...this.#byAppId.values()];
  }

  get(appId: string): Bot | undefined {
    return this.#byAppId.get(appId);
  }

  byToken(token: string): Bot | undefined {
    const now = Date.now();
    return this.all().find((bot) => bot.tokens.accepts(token, now));
  }

  /** The switched-off scheme `Bot appid.token`, where the token is our client secret. */
  byOldToken(credentials: string): Bot | undefined {
    const [appId = '', ...secret] = credentials.split('.');
    const bot = this.get(appId);
    return bot?.account.clientSecret === secret.join('.') ? bot : undefined;
  }
}
