/**
 * What Redis is to the core: events in the order they came, each id once, with the cursor that came with them. It
 * outlives the holds. Its sinks behave as the real pump does: storing takes a moment, what was pushed waits in memory
 * until it is stored, and while storing is impossible the sink is full.
 */
import type { InboundSink } from '../../src/adapters/adapter.ts';
import type { Cursor, InboundEvent } from '../../src/model.ts';

export class Store {
  cursor: Cursor | null = null;
  /** What was stored: ids once, records without an id each time. */
  readonly events: InboundEvent[] = [];
  /** How often each id was pushed to be stored. */
  readonly sightings = new Map<string, number>();
  readonly #sinks = new Set<StoreSink>();
  #isAway = false;

  /** A sink for one hold. */
  open(): StoreSink {
    const sink = new StoreSink(this, this.#isAway);
    this.#sinks.add(sink);
    return sink;
  }

  /** Redis is away, or full. */
  set isAway(isAway: boolean) {
    this.#isAway = isAway;
    for (const sink of this.#sinks) sink.isAway = isAway;
  }

  take(events: readonly InboundEvent[], cursor: Cursor | null): void {
    for (const event of events) {
      const { eventId } = event;
      const before = eventId === null ? 0 : (this.sightings.get(eventId) ?? 0);
      if (eventId !== null) this.sightings.set(eventId, before + 1);
      if (before === 0) this.events.push(event);
    }
    if (cursor !== null) this.cursor = cursor;
  }

  has(eventId: string): boolean {
    return this.sightings.has(eventId);
  }

  of(kind: InboundEvent['kind']): readonly InboundEvent[] {
    return this.events.filter((event) => event.kind === kind);
  }

  texts(): readonly string[] {
    return this.of('message').map(({ text }) => text);
  }
}

interface Push {
  readonly events: readonly InboundEvent[];
  readonly cursor: Cursor | null;
}

export class StoreSink implements InboundSink {
  readonly #store: Store;
  /** Every push of this hold, stored or not. */
  readonly pushes: Push[] = [];
  /** So many pushes will still be stored. What comes after them is not, and nobody is told: the process dies before. */
  willStore = Number.POSITIVE_INFINITY;
  storedCursor: Cursor | null;
  #pending: Push[] = [];
  #isAway: boolean;
  #isScheduled = false;
  #listener: (full: boolean) => void = () => {};
  #waiting: (() => void)[] = [];

  constructor(store: Store, isAway: boolean) {
    this.#store = store;
    this.#isAway = isAway;
    this.storedCursor = store.cursor;
  }

  get isDead(): boolean {
    return this.willStore <= 0;
  }

  get full(): boolean {
    return this.#isAway;
  }

  set isAway(isAway: boolean) {
    if (this.#isAway === isAway) return;
    this.#isAway = isAway;
    this.#listener(isAway);
    this.#schedule();
  }

  onFullChange(listener: (full: boolean) => void): void {
    this.#listener = listener;
  }

  push(events: readonly InboundEvent[], cursor: Cursor | null): void {
    const push = { events, cursor };
    this.pushes.push(push);
    this.#pending.push(push);
    this.#schedule();
  }

  async flush({ signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted();
    if (this.#pending.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isAway || this.isDead) return;
    this.#isScheduled = true;
    // Not at once: an adapter that takes what it has pushed for stored shall be found out.
    setTimeout(() => {
      this.#isScheduled = false;
      if (!this.#isAway) this.#storeAll();
    }, 1);
  }

  #storeAll(): void {
    while (!this.isDead) {
      const push = this.#pending.shift();
      if (push === undefined) break;
      this.willStore -= 1;
      this.#store.take(push.events, push.cursor);
      if (push.cursor !== null) this.storedCursor = push.cursor;
    }
    if (this.#pending.length > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
