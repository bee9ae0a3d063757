/** Tells of callers that were refused: counted each, and said at most once a minute, whatever they do. */
import type { Logger } from 'pino';
import type { WebRefusal } from '../state/measurements.ts';

/** What comes within this belongs to the first line, ms. */
const GATHER_MS = 1_000;
const SAY_EVERY_MS = 60_000;
/** Callers that are named in a line. */
const NAMED = 5;

export class Refusals {
  readonly #log: Logger;
  readonly #count: (why: WebRefusal) => void;
  readonly #callers = new Map<string, number>();
  #saidAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  /** @param count - called for each */
  constructor(log: Logger, count: (why: WebRefusal) => void) {
    this.#log = log;
    this.#count = count;
  }

  note(why: WebRefusal, caller: string): void {
    this.#count(why);
    this.#callers.set(caller, (this.#callers.get(caller) ?? 0) + 1);
    const inMs = Math.max(GATHER_MS, this.#saidAt + SAY_EVERY_MS - performance.now());
    this.#timer ??= setTimeout(() => this.#say(), inMs).unref();
  }

  /** Says what was not said yet. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#callers.size > 0) this.#say();
  }

  #say(): void {
    this.#timer = undefined;
    this.#saidAt = performance.now();
    const worst = [...this.#callers].sort(([, one], [, other]) => other - one);
    this.#callers.clear();
    const refused = worst.reduce((sum, [, count]) => sum + count, 0);
    const named = worst.slice(0, NAMED).map(([caller, count]) => `${count} from ${caller}`);
    const more = worst.length > NAMED ? `, and from ${worst.length - NAMED} others` : '';
    this.#log.warn(
      { event: 'web.refused-sockets', refused, callers: Object.fromEntries(worst.slice(0, NAMED)) },
      `refused ${refused} connections or requests over HTTP: ${named.join(', ')}${more}`,
    );
  }
}
