/**
 * What happened, in order, seen from the platform's side. Tests assert on this record and on nothing the client claims:
 * `delivered` entries are what users would really see, whatever HTTP answered.
 */
import { EventLog, type Logged } from '../event-log.ts';
import type { Scene } from './protocol.ts';

/** A chat as users see it. */
export interface ChatRef {
  readonly scene: Scene;
  readonly id: string;
}

export type JournalFact =
  | { readonly kind: 'token'; readonly appId: string; readonly outcome: 'new' | 'same' | 'refused' | 'fault' }
  | {
      readonly kind: 'http';
      readonly appId: string | null;
      readonly method: string;
      readonly path: string;
      readonly status: number | null;
      readonly code: number | null;
    }
  | {
      readonly kind: 'dial';
      readonly socket: number;
      readonly outcome: 'upgraded' | 'black-hole' | 'no-hello' | 'refused';
    }
  | {
      readonly kind: 'identify';
      readonly socket: number;
      readonly appId: string | null;
      readonly intents: unknown;
      readonly shard: unknown;
      readonly outcome: AuthOutcome;
      readonly sessionId: string | null;
    }
  | {
      readonly kind: 'resume';
      readonly socket: number;
      readonly appId: string | null;
      readonly sessionId: unknown;
      readonly seq: unknown;
      readonly outcome: AuthOutcome;
      readonly replayed: number;
    }
  | {
      readonly kind: 'resumed';
      readonly socket: number;
      readonly appId: string;
      readonly sessionId: string;
      readonly s: number;
    }
  | {
      readonly kind: 'heartbeat';
      readonly socket: number;
      readonly appId: string | null;
      readonly d: unknown;
      readonly acked: boolean;
    }
  | {
      readonly kind: 'close';
      readonly socket: number;
      readonly appId: string | null;
      readonly by: 'client' | 'platform';
      readonly code: number;
      readonly reason: string;
    }
  | {
      readonly kind: 'event';
      readonly appId: string;
      readonly t: string;
      readonly eventId: string;
      readonly messageId: string | null;
      readonly sessions: readonly EventCopy[];
    }
  | {
      readonly kind: 'send';
      readonly appId: string;
      readonly chat: ChatRef;
      readonly replyTo: string | null;
      readonly msgSeq: number | null;
      readonly text: string;
      readonly status: number | null;
      readonly code: number | null;
      readonly delivered: boolean;
      readonly fault: string | null;
    }
  | Delivered
  | { readonly kind: 'recall'; readonly appId: string; readonly chat: ChatRef; readonly messageId: string }
  | {
      readonly kind: 'interaction-ack';
      readonly appId: string;
      readonly interactionId: string;
      readonly code: unknown;
      readonly accepted: boolean;
    }
  | {
      readonly kind: 'fault';
      readonly phase: 'ordered' | 'hit' | 'cleared';
      readonly point: string;
      readonly name: string;
    };

/** A message a user can see. */
export interface Delivered {
  readonly kind: 'delivered';
  readonly appId: string;
  readonly chat: ChatRef;
  readonly messageId: string;
  /** The `msg_id` answered, or null for an active message or an answer to an event. */
  readonly replyTo: string | null;
  readonly eventId: string | null;
  readonly msgSeq: number | null;
  readonly msgType: number | null;
  /** As people see it. */
  readonly text: string;
  /** What in a guild's text became a mention or a face. */
  readonly mentions: readonly string[];
}

/** How an Identify or Resume ended: accepted, not answered, or refused with a close code (null: op 9 and no close). */
export type AuthOutcome = 'accepted' | 'swallowed' | { readonly refused: number | null };

/** One session's copy of an event. `sent` is false while no responsive socket is attached: then only Resume brings it. */
export interface EventCopy {
  readonly sessionId: string;
  readonly s: number;
  readonly sent: boolean;
}

export type JournalEntry = Logged<JournalFact>;
export type EntryOf<K extends JournalFact['kind']> = Logged<Extract<JournalFact, { kind: K }>>;

export class Journal extends EventLog<JournalFact> {
  constructor() {
    super('QQ');
  }

  /** What users see, oldest first; of one bot, or of all. */
  delivered(appId?: string): EntryOf<'delivered'>[] {
    return this.of('delivered', (entry) => appId === undefined || entry.appId === appId);
  }

  /** What users see as an answer to that message. */
  repliesTo(messageId: string): EntryOf<'delivered'>[] {
    return this.of('delivered', (entry) => entry.replyTo === messageId);
  }
}
