/** What a test may set about the emulated platform. Defaults are the platform's own, but for the flood limits, which are off. */
import type { TlsIdentity } from '../listener.ts';

/** One bot as BotFather made it. */
export interface BotAccount {
  /** `{bot id}:{secret}` */
  readonly token: string;
  /** @defaultValue `emulated_{bot id}_bot` */
  readonly username?: string;
  /** @defaultValue 'Emulated bot' */
  readonly firstName?: string;
  /** Privacy mode is off: `can_read_all_group_messages`. The emulator hands over all that is said either way. @defaultValue false */
  readonly readsAllGroupMessages?: boolean;
}

/** At most `max` of something per `windowMs` of the platform's clock. */
export interface Rate {
  readonly max: number;
  readonly windowMs: number;
}

/** The limits of "Hitting limits" in the bot FAQ. They are not hard on the real platform. */
export interface FloodLimits {
  /** All sends and edits of one bot. @defaultValue 30 per 1000 ms */
  readonly bot: Rate;
  /** One private chat or channel. @defaultValue 3 per 3000 ms: one a second, short bursts pass */
  readonly chat: Rate;
  /** One group. @defaultValue 20 per 60 000 ms */
  readonly group: Rate;
}

/** First calls of bots the server has not loaded, per client address. */
export interface ColdStartLimits {
  /** @defaultValue 20 */
  readonly perMinute: number;
  /** @defaultValue 600 */
  readonly perHour: number;
}

export interface TelegramOptions {
  /** Token of the default bot. @defaultValue `700000001:` and a random secret */
  readonly token?: string;
  /** Further bots on the same platform. */
  readonly bots?: readonly BotAccount[];
  /** Flood limits; `{}` or parts of it switch them on. @defaultValue off */
  readonly flood?: Partial<FloodLimits>;
  /** The limit on bots the server has to load; `{}` or parts of it switch it on. @defaultValue off */
  readonly coldStart?: Partial<ColdStartLimits>;
  /** Update id of each bot's first update. @defaultValue random in 2 000 001..1 000 000 000 */
  readonly firstUpdateId?: number;
  /** Where ids go on after a week without updates; the platform draws at random. @defaultValue 'lower', the case that hurts */
  readonly afterIdleWeek?: 'lower' | 'random';
  /** Updates a bot's queue holds; further ones are lost without notice. @defaultValue 100 000 */
  readonly queueLimit?: number;
  /** Bytes one getUpdates answer may reach. @defaultValue 4 194 304 */
  readonly batchBytes?: number;
  /** How long a second conflict within that time is held back. @defaultValue 3000 */
  readonly conflictHoldMs?: number;
  /** Address to listen on. @defaultValue '127.0.0.1' */
  readonly host?: string;
  /** @defaultValue 0, any free port */
  readonly port?: number;
  /** Serve HTTPS with this certificate. @defaultValue plain HTTP */
  readonly tls?: TlsIdentity;
}

/** {@link TelegramOptions} with every default filled in. */
export interface TelegramSettings {
  readonly flood: FloodLimits | null;
  readonly coldStart: ColdStartLimits | null;
  readonly firstUpdateId: number | null;
  readonly afterIdleWeek: 'lower' | 'random';
  readonly queueLimit: number;
  readonly batchBytes: number;
  readonly conflictHoldMs: number;
}

const platformFlood: FloodLimits = {
  bot: { max: 30, windowMs: 1000 },
  chat: { max: 3, windowMs: 3000 },
  group: { max: 20, windowMs: 60_000 },
};

export function settle(options: TelegramOptions): TelegramSettings {
  return {
    flood: options.flood === undefined ? null : { ...platformFlood, ...options.flood },
    coldStart: options.coldStart === undefined ? null : { perMinute: 20, perHour: 600, ...options.coldStart },
    firstUpdateId: options.firstUpdateId ?? null,
    afterIdleWeek: options.afterIdleWeek ?? 'lower',
    queueLimit: options.queueLimit ?? 100_000,
    batchBytes: options.batchBytes ?? 4 * 1024 * 1024,
    conflictHoldMs: options.conflictHoldMs ?? 3000,
  };
}
