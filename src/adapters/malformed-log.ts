/** Says in the log what could not be understood, without letting whoever sends it fill the log. */
import type { Clock } from '../async/clock.ts';
import type { Logger } from '../log.ts';

/** Lines in one window; the first of the next one says how many were left out. */
const LINES = 10;
const WINDOW_MS = 60_000;
const RAW_SHOWN = 200;

export class MalformedLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  /** What was not understood, in words, such as `a frame`. */
  readonly #what: string;
  #since = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #unsaid = 0;

  constructor(log: Logger, clock: Clock, what: string) {
    this.#log = log;
    this.#clock = clock;
    this.#what = what;
  }

  say(why: string, raw: string): void {
    const now = this.#clock.monotonic();
    if (now - this.#since >= WINDOW_MS) {
      this.#since = now;
      this.#lines = 0;
    }
    this.#lines += 1;
    if (this.#lines > LINES) {
      this.#unsaid += 1;
      return;
    }
    const more = this.#unsaid === 0 ? {} : { unsaid: this.#unsaid };
    this.#unsaid = 0;
    const facts = { event: 'malformed', why, raw: raw.slice(0, RAW_SHOWN), ...more };
    this.#log.warn(facts, `${this.#what} that could not be understood`);
  }
}
