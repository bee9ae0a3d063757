/**
 * Redis's clock as a process knows it without asking each time. Instants that are stored are judged by that clock, so what
 * a process stamps by its own must be moved by what the two differ.
 */
export class RedisClock {
  /** Redis's clock less our monotonic one, ms. */
  #offset: number | null = null;

  /**
   * @param redisMs - what Redis said
   * @param from - when it was asked, monotonic ms
   * @param to - when it had answered
   */
  noted(redisMs: number, from: number, to: number): void {
    this.#offset = redisMs - (from + to) / 2;
  }

  /**
   * How far Redis's clock is ahead of a wall clock, ms; 0 while it is not known.
   *
   * @param wall - what that clock says, ms since the epoch
   * @param at - the same moment, monotonic ms
   */
  aheadOf(wall: number, at: number): number {
    return this.#offset === null ? 0 : Math.round(this.#offset + at - wall);
  }
}
