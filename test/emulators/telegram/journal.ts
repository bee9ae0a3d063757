/**
 * What happened at the platform. `delivered`, `edited` and `deleted` are what people see, whatever HTTP answered.
 * Entries never hold a token, so that a test can search all else for it.
 */
import type { Message } from '@grammyjs/types';
import { EventLog, type Logged, type WaitOptions } from '../event-log.ts';
import type { FaultNote } from '../fault-orders.ts';

export type JournalFact =
  /** A call arrived, its arguments read. `call` numbers calls. */
  | {
      readonly kind: 'call';
      readonly call: number;
      /** Null for a token the platform does not know. */
      readonly botId: number | null;
      /** In lower case. */
      readonly method: string;
      readonly args: Readonly<Record<string, string>>;
      /** How the arguments came. */
      readonly via: 'none' | 'query' | 'json' | 'form' | 'multipart';
      /** Number of the TCP connection. */
      readonly socket: number;
    }
  | {
      readonly kind: 'answer';
      readonly call: number;
      readonly botId: number | null;
      readonly method: string;
      /** Null where no whole answer left. */
      readonly status: number | null;
      /** Of a refusal. */
      readonly description: string | null;
      /** From arrival to answer. */
      readonly tookMs: number;
      /** False when the client had closed its connection before. */
      readonly isHeard: boolean;
    }
  /** A long poll waits from here on. */
  | { readonly kind: 'parked'; readonly call: number; readonly botId: number; readonly timeoutMs: number }
  /** Updates put into an answer; not yet confirmed. */
  | {
      readonly kind: 'handed-out';
      readonly call: number;
      readonly botId: number;
      readonly updateIds: readonly number[];
    }
  | { readonly kind: 'confirmed'; readonly call: number; readonly botId: number; readonly updateIds: readonly number[] }
  /** Something people did. `updateId` is null where the bot will never hear of it, and `because` says why. */
  | {
      readonly kind: 'update';
      readonly botId: number;
      readonly type: string;
      readonly updateId: number | null;
      readonly because: 'filtered' | 'queue-full' | null;
    }
  | Delivered
  | {
      readonly kind: 'edited';
      readonly botId: number;
      readonly chatId: number;
      readonly messageId: number;
      readonly text: string;
    }
  | { readonly kind: 'deleted'; readonly botId: number; readonly chatId: number; readonly messageId: number }
  | {
      readonly kind: 'chat-action';
      readonly botId: number;
      readonly chatId: number;
      readonly action: string;
      readonly thread: number | null;
    }
  | {
      readonly kind: 'callback-answered';
      readonly botId: number;
      readonly queryId: string;
      readonly text: string | null;
    }
  | { readonly kind: 'dial'; readonly socket: number }
  | ({ readonly kind: 'fault' } & FaultNote);

/** A message of a bot that people can see. */
export interface Delivered {
  readonly kind: 'delivered';
  readonly botId: number;
  readonly chatId: number;
  readonly messageId: number;
  readonly thread: number | null;
  /** The message answered. */
  readonly replyTo: number | null;
  /** Text or caption, after parsing. */
  readonly text: string;
  readonly message: Message;
}

export type JournalEntry = Logged<JournalFact>;
export type EntryOf<K extends JournalFact['kind']> = Logged<Extract<JournalFact, { kind: K }>>;

export class Journal extends EventLog<JournalFact> {
  constructor() {
    super('Telegram');
  }

  /** What people got from bots, oldest first. */
  delivered(where: { readonly botId?: number; readonly chatId?: number } = {}): EntryOf<'delivered'>[] {
    return this.of(
      'delivered',
      ({ botId, chatId }) =>
        (where.botId === undefined || botId === where.botId) && (where.chatId === undefined || chatId === where.chatId),
    );
  }

  /** Calls of one method (any case), oldest first. */
  calls(method: string, since = 0): EntryOf<'call'>[] {
    return this.of('call', (entry) => entry.method === method.toLowerCase(), since);
  }

  answers(method: string, since = 0): EntryOf<'answer'>[] {
    return this.of('answer', (entry) => entry.method === method.toLowerCase(), since);
  }

  /** Waits until a long poll is parked. */
  parked(options?: WaitOptions): Promise<EntryOf<'parked'>> {
    return this.waitForKind('parked', () => true, options);
  }
}
