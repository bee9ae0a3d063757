/**
 * Fault orders. An emulator asks at named points ("dial", "poll", "send", …) whether an order stands there; each answer
 * uses up one of its `times`. So a fault is data a test can name, and what was hit is in the journal.
 */

export interface FaultOrder {
  /** How often it has struck. */
  readonly hits: number;
  clear(): void;
}

export interface OrderTimes {
  /** How often it strikes. @defaultValue until cleared */
  readonly times?: number;
  /** Let that many occasions pass first. @defaultValue 0 */
  readonly after?: number;
}

/** What the journal gets to know of an order. */
export interface FaultNote {
  readonly phase: 'ordered' | 'hit' | 'cleared';
  readonly point: string;
  readonly name: string;
}

interface Standing<Points, Occasion> {
  readonly point: keyof Points;
  readonly fault: Points[keyof Points];
  readonly fits: (occasion: Occasion) => boolean;
  skip: number;
  left: number;
  hits: number;
}

/** @typeParam Points which type of fault stands at which point. @typeParam Occasion what is known where one could strike */
export class FaultOrders<Points extends { [P in keyof Points]: { readonly name: string } }, Occasion> {
  readonly #note: (note: FaultNote) => void;
  #standing: Standing<Points, Occasion>[] = [];

  constructor(note: (note: FaultNote) => void) {
    this.#note = note;
  }

  order<P extends keyof Points>(
    point: P,
    fault: Points[P],
    options: OrderTimes = {},
    fits: (occasion: Occasion) => boolean = () => true,
  ): FaultOrder {
    const standing: Standing<Points, Occasion> = {
      point,
      fault,
      fits,
      skip: options.after ?? 0,
      left: options.times ?? Number.POSITIVE_INFINITY,
      hits: 0,
    };
    this.#standing.push(standing);
    this.#write(standing, 'ordered');
    return {
      get hits() {
        return standing.hits;
      },
      clear: () => this.#drop(standing),
    };
  }

  /** The oldest order that fits, used up by one; undefined where none stands. */
  take<P extends keyof Points>(point: P, occasion: Occasion): Points[P] | undefined {
    for (const standing of this.#standing) {
      if (standing.point !== point || !standing.fits(occasion)) continue;
      if (standing.skip > 0) {
        standing.skip--;
        continue;
      }
      standing.hits++;
      this.#write(standing, 'hit');
      if (--standing.left <= 0) this.#standing = this.#standing.filter((other) => other !== standing);
      return standing.fault as Points[P];
    }
    return undefined;
  }

  clear(point?: keyof Points): void {
    for (const standing of this.#standing) if (point === undefined || standing.point === point) this.#drop(standing);
  }

  #drop(standing: Standing<Points, Occasion>): void {
    if (!this.#standing.includes(standing)) return;
    this.#standing = this.#standing.filter((other) => other !== standing);
    this.#write(standing, 'cleared');
  }

  #write(standing: Standing<Points, Occasion>, phase: FaultNote['phase']): void {
    this.#note({ phase, point: String(standing.point), name: standing.fault.name });
  }
}
