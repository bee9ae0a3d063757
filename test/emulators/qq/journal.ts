/**
 * What happened, in order, seen from the platform's side. Tests assert on this record and on nothing the client claims:
 * `delivered` entries are what users would really see, whatever HTTP answered.
 */
import { setImmediate } from 'node:timers';
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
  readonly text: string;
}

/** How an Identify or Resume ended: accepted, not answered, or refused with a close code (null: op 9 and no close). */
export type AuthOutcome = 'accepted' | 'swallowed' | { readonly refused: number | null };

/** One session's copy of an event. `sent` is false while no responsive socket is attached: then only Resume brings it. */
export interface EventCopy {
  readonly sessionId: string;
  readonly s: number;
  readonly sent: boolean;
}

/** `n` is the position in the journal, `at` the wall clock in ms since the epoch. */
export type JournalEntry = JournalFact & { readonly n: number; readonly at: number };
export type EntryOf<K extends JournalFact['kind']> = Extract<JournalEntry, { kind: K }>;

export interface WaitOptions {
  /** @defaultValue 5000 */
  readonly timeoutMs?: number;
  /** Ignore entries before this position; see {@link Journal.mark}. @defaultValue 0, the whole journal counts */
  readonly since?: number;
}

export class Journal {
  readonly entries: JournalEntry[] = [];
  readonly #byKind = new Map<JournalFact['kind'], JournalEntry[]>();
  readonly #watchers = new Set<() => void>();
  #isLookDue = false;

  append(fact: JournalFact): void {
    const entry: JournalEntry = { ...fact, n: this.entries.length, at: Date.now() };
    this.entries.push(entry);
    const kin = this.#byKind.get(fact.kind);
    if (kin === undefined) this.#byKind.set(fact.kind, [entry]);
    else kin.push(entry);
    // One look per turn of the event loop: a flood of events must not cost a search through the journal each.
    if (this.#isLookDue || this.#watchers.size === 0) return;
    this.#isLookDue = true;
    setImmediate(() => {
      this.#isLookDue = false;
      for (const watcher of [...this.#watchers]) watcher();
    });
  }

  /** The position the next entry will have, for `since`. */
  mark(): number {
    return this.entries.length;
  }

  /** All entries of one kind, oldest first, that satisfy `where`. */
  of<K extends JournalFact['kind']>(kind: K, where?: (entry: EntryOf<K>) => boolean, since = 0): EntryOf<K>[] {
    const found: EntryOf<K>[] = [];
    for (const entry of (this.#byKind.get(kind) ?? []) as EntryOf<K>[]) {
      if (entry.n >= since && (where?.(entry) ?? true)) found.push(entry);
    }
    return found;
  }

  count<K extends JournalFact['kind']>(kind: K, where?: (entry: EntryOf<K>) => boolean): number {
    return this.of(kind, where).length;
  }

  /** Entries per kind, all kinds that occurred. */
  counts(): Partial<Record<JournalFact['kind'], number>> {
    return Object.fromEntries([...this.#byKind].map(([kind, entries]) => [kind, entries.length]));
  }

  /** What users see, oldest first; of one bot, or of all. */
  delivered(appId?: string): EntryOf<'delivered'>[] {
    return this.of('delivered', (entry) => appId === undefined || entry.appId === appId);
  }

  /** What users see as an answer to that message. */
  repliesTo(messageId: string): EntryOf<'delivered'>[] {
    return this.of('delivered', (entry) => entry.replyTo === messageId);
  }

  /**
   * Waits for an entry that satisfies the predicate; one already written counts.
   * @throws Error with the counts and the last entries when `timeoutMs` pass without one
   */
  async waitFor(predicate: (entry: JournalEntry) => boolean, options: WaitOptions = {}): Promise<JournalEntry> {
    let next = options.since ?? 0;
    let found: JournalEntry | undefined;
    await this.waitUntil(() => {
      while (found === undefined && next < this.entries.length) {
        const entry = this.entries[next++] as JournalEntry;
        if (predicate(entry)) found = entry;
      }
      return found !== undefined;
    }, options);
    return found as unknown as JournalEntry;
  }

  /** {@link waitFor} for one kind, typed. */
  async waitForKind<K extends JournalFact['kind']>(
    kind: K,
    where: (entry: EntryOf<K>) => boolean = () => true,
    options: WaitOptions = {},
  ): Promise<EntryOf<K>> {
    const entry = await this.waitFor((e) => e.kind === kind && where(e as EntryOf<K>), options);
    return entry as EntryOf<K>;
  }

  /**
   * Waits until a condition about the journal holds; it is looked at now, and after new entries once per turn of the event loop.
   * @throws Error with the counts and the last entries when `timeoutMs` (default 5000) pass first
   */
  waitUntil(condition: () => boolean, options: Pick<WaitOptions, 'timeoutMs'> = {}): Promise<void> {
    const timeoutMs = options.timeoutMs ?? 5000;
    return new Promise((resolve, reject) => {
      const check = () => {
        try {
          if (!condition()) return;
          resolve();
        } catch (error) {
          reject(error);
        }
        clearTimeout(deadline);
        this.#watchers.delete(check);
      };
      const deadline = setTimeout(() => {
        this.#watchers.delete(check);
        reject(new Error(`the QQ emulator did not see it within ${timeoutMs} ms; ${this.summary()}`));
      }, timeoutMs);
      this.#watchers.add(check);
      check();
    });
  }

  /** Counts and the last entries, for error messages. */
  summary(last = 12): string {
    const tail = this.entries.slice(-last).map((entry) => JSON.stringify(entry).slice(0, 300));
    return `journal ${JSON.stringify(this.counts())}, last entries:\n${tail.join('\n')}`;
  }
}
