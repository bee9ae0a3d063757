/** Frames that wait to be read one by one, while reading is dangerous (`CarefulReading`). Lives as long as a socket. */
import type { CarefulReading } from '../adapter.ts';

export interface OneByOneOptions {
  readonly reading: CarefulReading;
  /** Reads a frame and pushes what it is. */
  read(raw: string): void;
  /** Pushes a record that it was passed over, and the cursor after it. */
  passOver(raw: string, why: string): void;
  /** Frames wait, or no longer do. */
  onBusy(busy: boolean): void;
  onFailure(error: unknown): void;
}

export class OneByOne {
  readonly #options: OneByOneOptions;
  #waiting: { readonly position: string; readonly raw: string }[] = [];
  #running = false;

  constructor(options: OneByOneOptions) {
    this.#options = options;
  }

  /** Frames that come now must wait behind others, or be read carefully themselves. */
  get active(): boolean {
    return this.#running || this.#options.reading.active;
  }

  get busy(): boolean {
    return this.#running;
  }

  add(position: string, raw: string): void {
    this.#waiting.push({ position, raw });
    if (this.#running) return;
    this.#running = true;
    this.#options.onBusy(true);
    this.#readAll()
      .catch((error: unknown) => this.#options.onFailure(error))
      .finally(() => {
        this.#running = false;
        this.#options.onBusy(false);
      });
  }

  /** What still waits is not read: the platform hands it out again. */
  stop(): void {
    this.#waiting = [];
  }

  async #readAll(): Promise<void> {
    const { reading, read, passOver } = this.#options;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { position, raw } = next;
      if (!reading.active) read(raw);
      else {
        await reading.one({ position, raw, read: () => read(raw), passOver: (why) => passOver(raw, why) });
      }
    }
  }
}
