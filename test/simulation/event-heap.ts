/** The events to come, earliest first; those of one instant in the order they were made. */
import type { Process } from './world.ts';

export interface SimEvent {
  at: number;
  order: number;
  readonly process: Process | null;
  readonly run: () => void;
  /** Set by the process itself: stands still while its machine sleeps. */
  timer: boolean;
  /** Cancelled. */
  off: boolean;
}

export class EventHeap {
  #heap: SimEvent[] = [];

  push(event: SimEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as SimEvent;
      if (!before(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  /** @returns the next event not later than `until`, or `null` */
  pop(until: number): SimEvent | null {
    const first = this.#heap[0];
    if (first === undefined || first.at > until) return null;
    const last = this.#heap.pop() as SimEvent;
    if (this.#heap.length > 0) this.#sink(last);
    return first;
  }

  /** Moves the timers of a process that slept. */
  postpone(process: Process, ms: number): void {
    const all = this.#heap;
    this.#heap = [];
    for (const event of all) {
      if (event.timer && event.process === process) event.at += ms;
      this.push(event);
    }
  }

  #sink(event: SimEvent): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as SimEvent, heap[child] as SimEvent)) child += 1;
      const below = heap[child] as SimEvent;
      if (!before(below, event)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = event;
  }
}

function before(a: SimEvent, b: SimEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
