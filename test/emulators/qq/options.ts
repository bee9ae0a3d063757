/** What a test may set about the emulated platform. Every duration scales, so that half an hour can pass in a blink. */
import type { TlsIdentity } from '../listener.ts';
import { publicIntents } from './protocol.ts';

/** One bot as registered in the platform's console. */
export interface BotAccount {
  readonly appId: string;
  readonly clientSecret: string;
  /** @defaultValue all but the private-domain intents 9 and 28 */
  readonly grantedIntents?: number;
  /** Shown in READY. @defaultValue 'emulated bot' */
  readonly username?: string;
}

/** Milliseconds a message may be answered in, by scene. */
export interface PassiveWindows {
  readonly c2c: number;
  readonly group: number;
  /** Channels and guild direct messages. */
  readonly guild: number;
}

export interface IdentifyLimit {
  /** Sessions a bot may create until the counter resets. @defaultValue 1000 */
  readonly total: number;
  /** Sessions a bot may create per {@link windowMs}. @defaultValue 1 */
  readonly maxConcurrency: number;
  /** @defaultValue 5000 */
  readonly windowMs: number;
  /** Time after which {@link total} is full again. @defaultValue 86 400 000 (a day) */
  readonly resetAfterMs: number;
}

/** At most `max` of something per `windowMs`. */
export interface Rate {
  readonly max: number;
  readonly windowMs: number;
}

export interface QqOptions {
  /** App id of the default bot. @defaultValue '102000001' */
  readonly appId?: string;
  /** @defaultValue a random secret, readable as `qq.account.clientSecret` */
  readonly clientSecret?: string;
  /** Further bots on the same platform. */
  readonly bots?: readonly BotAccount[];
  /** `grantedIntents` of the default bot. @defaultValue all but the private-domain intents 9 and 28 */
  readonly grantedIntents?: number;
  /** What Hello asks for. @defaultValue 41 250, as seen on the wire */
  readonly heartbeatIntervalMs?: number;
  /** Close 4009 after 2.5 intervals without a beat (inferred; the platform's own limit is unknown). @defaultValue true */
  readonly enforceHeartbeat?: boolean;
  /** @defaultValue 7 200 000 */
  readonly tokenLifetimeMs?: number;
  /**
   * Final part of a token's life in which a call returns a new token, both being valid.
   * @defaultValue 60 000, or half the lifetime where that is shorter
   */
  readonly tokenOverlapMs?: number;
  /** How long a session without a socket can be resumed. The documentation says "a short time". @defaultValue 600 000 */
  readonly retentionMs?: number;
  /** Events a session keeps for Resume; older ones are forgotten. @defaultValue 100 000 */
  readonly sessionLogLimit?: number;
  /**
   * Client close codes that end the session at once. Undocumented for QQ; Discord does so for 1000 and 1001.
   * @defaultValue none
   */
  readonly clientCloseEndsSession?: readonly number[];
  /** @defaultValue c2c 3 600 000, group 300 000, guild 300 000 */
  readonly passiveWindowMs?: Partial<PassiveWindows>;
  readonly identifyLimit?: Partial<IdentifyLimit>;
  /** Limit on `GET /gateway` and `/gateway/bot`; seen in the field as about 2, window unknown. @defaultValue unlimited */
  readonly gatewayRateLimit?: Rate;
  /** Client frames per socket before close 4008 (threshold invented). @defaultValue 120 per 60 000 ms */
  readonly frameRateLimit?: Rate;
  /** What a second Identify for the same shard does to the first session. @defaultValue 'both' live */
  readonly sameShard?: 'both' | 'kick-old';
  /** C2C and group messages that answer nothing. @defaultValue 'refused' with 40034105 */
  readonly activeMessages?: 'refused' | 'allowed';
  /** Longest text in characters (the real number is unpublished). @defaultValue 4000 */
  readonly maxTextLength?: number;
  /**
   * Texts with anything that looks like a URL, file names too: 40054010, or 304003 in guilds. The platform lets through
   * what is registered for the bot. @defaultValue 'allowed'
   */
  readonly urls?: 'refused' | 'allowed';
  /** Whether a send refused by a fault or a check uses up its msg_seq (unknown for the platform). @defaultValue false */
  readonly refusedConsumesSeq?: boolean;
  /** Accept `Bot appid.secret`, which the platform has switched off, for clients that know nothing newer. @defaultValue false */
  readonly allowOldBotToken?: boolean;
  /** Address to listen on, for clients on other (emulated) hosts. @defaultValue '127.0.0.1' */
  readonly host?: string;
  /** Fixed ports, for a process that lives longer than one test. @defaultValue 0, any free port */
  readonly ports?: { readonly api?: number; readonly gateway?: number };
  /** Makes both ports https and wss, under this certificate. @defaultValue plain HTTP */
  readonly tls?: TlsIdentity;
}

/** {@link QqOptions} with every default filled in. */
export interface QqSettings {
  readonly heartbeatIntervalMs: number;
  readonly enforceHeartbeat: boolean;
  readonly tokenLifetimeMs: number;
  readonly tokenOverlapMs: number;
  readonly retentionMs: number;
  readonly sessionLogLimit: number;
  readonly clientCloseEndsSession: readonly number[];
  readonly passiveWindowMs: PassiveWindows;
  readonly identifyLimit: IdentifyLimit;
  readonly gatewayRateLimit: Rate | undefined;
  readonly frameRateLimit: Rate;
  readonly sameShard: 'both' | 'kick-old';
  readonly activeMessages: 'refused' | 'allowed';
  readonly maxTextLength: number;
  readonly urls: 'refused' | 'allowed';
  readonly refusedConsumesSeq: boolean;
  readonly allowOldBotToken: boolean;
}

export function settle(options: QqOptions): QqSettings {
  const tokenLifetimeMs = options.tokenLifetimeMs ?? 7_200_000;
  return {
    heartbeatIntervalMs: options.heartbeatIntervalMs ?? 41_250,
    enforceHeartbeat: options.enforceHeartbeat ?? true,
    tokenLifetimeMs,
    tokenOverlapMs: options.tokenOverlapMs ?? Math.min(60_000, tokenLifetimeMs / 2),
    retentionMs: options.retentionMs ?? 600_000,
    sessionLogLimit: options.sessionLogLimit ?? 100_000,
    clientCloseEndsSession: options.clientCloseEndsSession ?? [],
    passiveWindowMs: { c2c: 3_600_000, group: 300_000, guild: 300_000, ...options.passiveWindowMs },
    identifyLimit: {
      total: 1000,
      maxConcurrency: 1,
      windowMs: 5000,
      resetAfterMs: 86_400_000,
      ...options.identifyLimit,
    },
    gatewayRateLimit: options.gatewayRateLimit,
    frameRateLimit: options.frameRateLimit ?? { max: 120, windowMs: 60_000 },
    sameShard: options.sameShard ?? 'both',
    activeMessages: options.activeMessages ?? 'refused',
    maxTextLength: options.maxTextLength ?? 4000,
    urls: options.urls ?? 'allowed',
    refusedConsumesSeq: options.refusedConsumesSeq ?? false,
    allowOldBotToken: options.allowOldBotToken ?? false,
  };
}

/** The accounts the platform knows at its start; the first is the default bot. */
export function accountsOf(options: QqOptions, randomSecret: () => string): readonly [BotAccount, ...BotAccount[]] {
  const first: BotAccount = {
    appId: options.appId ?? '102000001',
    clientSecret: options.clientSecret ?? randomSecret(),
    grantedIntents: options.grantedIntents ?? publicIntents,
  };
  return [first, ...(options.bots ?? [])];
}
