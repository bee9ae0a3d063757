/** The QQ emulator's public surface. */
export type { FaultOrder, OrderOptions } from './fault-book.ts';
export type { Faults } from './faults.ts';
export type { Garbage } from './garbage.ts';
export type { Delivered, EntryOf, Journal, JournalEntry } from './journal.ts';
export type { BotAccount, QqOptions } from './options.ts';
export type { Said } from './people.ts';
export { type BotView, type EmulatedBot, type QqEmulator, startQq } from './server.ts';
