/** Runs the Telegram adapter's hold against the emulated platform. */
import type { Budget } from '../../src/adapters/adapter.ts';
import { createTelegramAdapter } from '../../src/adapters/telegram/index.ts';
import type { Clock } from '../../src/async/clock.ts';
import type { Cursor, JsonValue } from '../../src/model.ts';
import type { TelegramEmulator } from '../emulators/telegram/index.ts';
import { type Held, holdAdapter, MemorySink } from './hold.ts';

export type HeldTelegram = Held<MemorySink>;

export interface HoldTelegramOptions {
  readonly cursor?: Cursor | null;
  readonly options?: Readonly<Record<string, JsonValue>>;
  readonly token?: string;
  readonly sink?: MemorySink;
  readonly budget?: Budget;
  readonly clock?: Clock;
  readonly dialTimeoutMs?: number;
  /** See `HoldOptions`. @defaultValue 0.01 */
  readonly delayScale?: number;
  readonly assertHeld?: () => void;
}

export function botOptions(telegram: TelegramEmulator, token = telegram.token): Readonly<Record<string, JsonValue>> {
  return { botId: token.slice(0, token.indexOf(':')), apiBaseUrl: telegram.url };
}

export function holdTelegram(telegram: TelegramEmulator, given: HoldTelegramOptions = {}): HeldTelegram {
  const { cursor = null, token = telegram.token, options, sink, ...rest } = given;
  return holdAdapter({
    ...rest,
    adapter: createTelegramAdapter(),
    options: { ...botOptions(telegram, token), ...options },
    secrets: { token },
    cursor,
    sink: sink ?? new MemorySink(cursor),
    explain: () => telegram.journal.summary(30),
  });
}
