/**
 * The platform's wall clock: dates of messages, expiry, the idle week. It runs with the machine's and can be put forward,
 * so that a day passes at once. Poll deadlines and hold-backs are real time and do not look here.
 */
export class PlatformClock {
  #aheadMs = 0;

  /** ms since the epoch */
  now(): number {
    return Date.now() + this.#aheadMs;
  }

  /** Unix time as the API shows it, in whole seconds. */
  seconds(): number {
    return Math.floor(this.now() / 1000);
  }

  /** @throws RangeError when asked to go back */
  advance(ms: number): void {
    if (ms < 0) throw new RangeError(`the platform's clock cannot go back by ${-ms} ms`);
    this.#aheadMs += ms;
  }
}
