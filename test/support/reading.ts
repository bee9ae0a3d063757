/** Careful reading for tests without a Redis: what the core does, with its notes in memory. */
import type { CarefulReading, EventToRead, InboundSink } from '../../src/adapters/adapter.ts';

/** The normal case. */
export const NEVER_CAREFUL: CarefulReading = {
  active: false,
  one: () => Promise.reject(new Error('nothing is read one by one here')),
};

/** Notes that outlive their readers: position → how often its reader died. */
export type Notes = Map<string, number>;

/** Reads one by one, and dies of every event whose text has `deadly` in it, until the second death sets it aside. */
export class DeadlyReading implements CarefulReading {
  readonly active = true;
  readonly #notes: Notes;
  readonly #sink: InboundSink;
  readonly #signal: AbortSignal;
  #inHand = 0;
  /** It would be a dead process now: nothing goes on. */
  died = false;
  /** Positions in the order in which they were begun. */
  readonly begun: string[] = [];

  constructor(notes: Notes, sink: InboundSink, signal: AbortSignal) {
    this.#notes = notes;
    this.#sink = sink;
    this.#signal = signal;
  }

  async one({ position, raw, read, passOver }: EventToRead): Promise<void> {
    this.#inHand += 1;
    if (this.#inHand > 1) throw new Error('an event was begun before the one before it was stored');
    await this.#sink.flush({ signal: this.#signal });
    this.begun.push(position);
    const deaths = this.#notes.get(position) ?? 0;
    if (deaths >= 2) passOver(`its reader died of it ${deaths} times`);
    else if (raw.includes('deadly')) {
      this.#notes.set(position, deaths + 1);
      this.died = true;
      await new Promise<never>((_, reject) => {
        this.#signal.addEventListener('abort', () => reject(this.#signal.reason), { once: true });
      });
    } else read();
    await this.#sink.flush({ signal: this.#signal });
    this.#inHand -= 1;
  }
}
