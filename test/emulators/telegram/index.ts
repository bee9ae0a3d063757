/** The Telegram emulator's public surface. */
export type { FaultOrder } from '../fault-orders.ts';
export type { BotHandle } from './bot-handle.ts';
export type { CallOrder, Faults } from './faults.ts';
export type { Delivered, EntryOf, Journal, JournalEntry } from './journal.ts';
export type { MediaKind, MediaOptions } from './media.ts';
export type { BotAccount, TelegramOptions } from './options.ts';
export type { ChatHandle, Pressed, Said, SayOptions } from './people.ts';
export { startTelegram, type TelegramEmulator } from './server.ts';
