/**
 * What happened at an emulated platform, in order, seen from its side. Tests assert on this record and on nothing the
 * client claims.
 */
import { setImmediate } from 'node:timers';

/** `n` is the position in the log, `at` the wall clock in ms since the epoch. */
export type Logged<Fact> = Fact & { readonly n: number; readonly at: number };

export interface WaitOptions {
  /** @defaultValue 5000 */
  readonly timeoutMs?: number;
  /** Ignore entries before this position; see {@link EventLog.mark}. @defaultValue 0, the whole log counts */
  readonly since?: number;
}

export class EventLog<Fact extends { readonly kind: string }> {
  readonly entries: Logged<Fact>[] = [];
  readonly #name: string;
  readonly #byKind = new Map<Fact['kind'], Logged<Fact>[]>();
  readonly #watchers = new Set<() => void>();
  #isLookDue = false;

  /** @param name of the emulator, for error messages */
  constructor(name: string) {
    this.#name = name;
  }

  append(fact: Fact): void {
    const entry: Logged<Fact> = { ...fact, n: this.entries.length, at: Date.now() };
    this.entries.push(entry);
    const kin = this.#byKind.get(fact.kind);
    if (kin === undefined) this.#byKind.set(fact.kind, [entry]);
    else kin.push(entry);
    // One look per turn of the event loop: a flood of events must not cost a search through the log each.
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
  of<K extends Fact['kind']>(
    kind: K,
    where?: (entry: Logged<Extract<Fact, { kind: K }>>) => boolean,
    since = 0,
  ): Logged<Extract<Fact, { kind: K }>>[] {
    const found: Logged<Extract<Fact, { kind: K }>>[] = [];
    for (const entry of (this.#byKind.get(kind) ?? []) as Logged<Extract<Fact, { kind: K }>>[]) {
      if (entry.n >= since && (where?.(entry) ?? true)) found.push(entry);
    }
    return found;
  }

  count<K extends Fact['kind']>(kind: K, where?: (entry: Logged<Extract<Fact, { kind: K }>>) => boolean): number {
    return this.of(kind, where).length;
  }

  /** Entries per kind, all kinds that occurred. */
  counts(): Partial<Record<Fact['kind'], number>> {
    const counts: Partial<Record<Fact['kind'], number>> = {};
    for (const [kind, entries] of this.#byKind) counts[kind] = entries.length;
    return counts;
  }

  /**
   * Waits for an entry that satisfies the predicate; one already written counts.
   * @throws Error with the counts and the last entries when `timeoutMs` pass without one
   */
  async waitFor(predicate: (entry: Logged<Fact>) => boolean, options: WaitOptions = {}): Promise<Logged<Fact>> {
    let next = options.since ?? 0;
    let found: Logged<Fact> | undefined;
    await this.waitUntil(() => {
      while (found === undefined && next < this.entries.length) {
        const entry = this.entries[next++] as Logged<Fact>;
        if (predicate(entry)) found = entry;
      }
      return found !== undefined;
    }, options);
    return found as unknown as Logged<Fact>;
  }

  /** {@link waitFor} for one kind, typed. */
  async waitForKind<K extends Fact['kind']>(
    kind: K,
    where: (entry: Logged<Extract<Fact, { kind: K }>>) => boolean = () => true,
    options: WaitOptions = {},
  ): Promise<Logged<Extract<Fact, { kind: K }>>> {
    const entry = await this.waitFor(
      (e) => e.kind === kind && where(e as unknown as Logged<Extract<Fact, { kind: K }>>),
      options,
    );
    return entry as unknown as Logged<Extract<Fact, { kind: K }>>;
  }

  /**
   * Waits until a condition about the log holds; it is looked at now, and after new entries once per turn of the event loop.
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
        reject(new Error(`the ${this.#name} emulator did not see it within ${timeoutMs} ms; ${this.summary()}`));
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
