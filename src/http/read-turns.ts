/**
 * Frames of all sockets of a process, in fair turns. In one turn of the event loop hundreds of sockets may have a full
 * buffer each, and to handle all of that at once keeps timers waiting for seconds on a busy machine: heartbeats, renewals
 * of leases, the watchdog's bumps. So frames are handed over for a few milliseconds at a time, and the rest waits.
 */

/** How long frames may be handed over before everything else gets its turn, ms. */
const SLICE_MS = 4;
/** Of one socket, before the next one's. */
const IN_A_ROW = 32;

/** Where frames of one socket wait. */
export interface Inlet {
  /** Hands over the oldest frame. @returns whether another one waits */
  handOver(): boolean;
}

export class ReadTurns {
  readonly #waiting = new Set<Inlet>();
  readonly #now: () => number;
  readonly #afterIo: (run: () => void) => void;
  #until = 0;
  #running = false;

  /** @param options - stand-ins for tests */
  constructor({ now = () => performance.now(), afterIo = (run: () => void) => void setImmediate(run) } = {}) {
    this.#now = now;
    this.#afterIo = afterIo;
  }

  /** Whether frames may still be handed over in this turn of the event loop. */
  hasTime(): boolean {
    if (!this.#running) this.#begin();
    return this.#now() < this.#until;
  }

  /** Frames wait: they are handed over in one of the next turns. Safe to repeat. */
  wait(inlet: Inlet): void {
    this.#waiting.add(inlet);
    if (!this.#running) this.#begin();
  }

  /** Nothing of it is handed over any more. */
  forget(inlet: Inlet): void {
    this.#waiting.delete(inlet);
  }

  #begin(): void {
    this.#running = true;
    this.#until = this.#now() + SLICE_MS;
    // After this turn's reading, and once per turn: timers come between two of these.
    this.#afterIo(() => this.#turn());
  }

  #turn(): void {
    this.#running = false;
    if (this.#waiting.size === 0) return;
    this.#begin();
    for (const inlet of this.#waiting) {
      if (this.#now() >= this.#until) return;
      this.#waiting.delete(inlet);
      // To the end of the line, behind sockets that have waited longer.
      if (this.#handOverSome(inlet)) this.#waiting.add(inlet);
    }
  }

  #handOverSome(inlet: Inlet): boolean {
    for (let n = 0; n < IN_A_ROW; n += 1) if (!inlet.handOver()) return false;
    return true;
  }
}
