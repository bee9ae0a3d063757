/**
 * What Redis has not yet answered for, oldest first. Items have positions that only grow; the first of them may be in
 * flight. Nothing leaves except by {@link Unacknowledged.acknowledge}.
 */
import type { IngestItem } from '../state/ingest.ts';

export interface Batch {
  /** Position of the first item. */
  readonly from: number;
  readonly items: readonly IngestItem[];
}

/**
 * About what one read of a socket brings (64 KiB), and what is written out as one text of less than 128 KiB: longer ones V8
 * keeps in pages of their own, which it gets from the system and gives back with every batch.
 */
const BATCH_EVENTS = 128;
const BATCH_UNITS = 96 * 1024;

export class Unacknowledged {
  #items: IngestItem[] = [];
  #bytes = 0;
  #position = 0;
  #inFlight = 0;

  /** How many items. */
  get length(): number {
    return this.#items.length;
  }

  /** Their size: UTF-16 units without cursors, which is near enough for a bound. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Position of the oldest item, or of the next one to come. */
  get position(): number {
    return this.#position;
  }

  /** Position after the newest item. */
  get end(): number {
    return this.#position + this.#items.length;
  }

  push(items: readonly IngestItem[]): void {
    for (const item of items) {
      this.#items.push(item);
      this.#bytes += item.entry.length;
    }
  }

  /** The oldest items that are not in flight, at most 128 and about 96 Ki units; they are in flight from now on. */
  take(): Batch | null {
    const items: IngestItem[] = [];
    const from = this.#position + this.#inFlight;
    let bytes = 0;
    while (items.length < BATCH_EVENTS && bytes < BATCH_UNITS) {
      const item = this.#items[this.#inFlight + items.length];
      if (item === undefined) break;
      items.push(item);
      bytes += item.entry.length;
    }
    this.#inFlight += items.length;
    return items.length === 0 ? null : { from, items };
  }

  /** Nothing is in flight any more: {@link take} begins with the oldest again. */
  rewind(): void {
    this.#inFlight = 0;
  }

  /** Everything before position `next` is stored. @returns what this call let go, oldest first */
  acknowledge(next: number): readonly IngestItem[] {
    const done = this.#items.splice(0, Math.max(0, next - this.#position));
    for (const item of done) this.#bytes -= item.entry.length;
    this.#position += done.length;
    this.#inFlight = Math.max(0, this.#inFlight - done.length);
    return done;
  }
}
