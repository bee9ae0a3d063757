/**
 * The platform's clock, as far as it shows: by the `Date` of its HTTP answers and by the times of its events, both against
 * our monotonic clock. Wall clocks of ours play no part until somebody asks how far one is off.
 *
 * A `Date` names a whole second in which the answer was made, between our request and its arrival; a few answers narrow
 * that down to tens of milliseconds. An event's time may come from another clock of theirs, so the two are kept apart.
 */
export class PlatformClock {
  /** The platform's clock less our monotonic one is within these, ms. */
  #least: number | null = null;
  #most: number | null = null;
  /** The same by the times of live events: the one that was under way for the shortest time. */
  #byEvents: number | null = null;

  /**
   * @param date - the header as it came
   * @param from - when the request began, monotonic ms
   * @param to - when its answer had come
   */
  answered(date: string | undefined, from: number, to: number): void {
    const second = date === undefined ? Number.NaN : Date.parse(date);
    if (!Number.isFinite(second)) return;
    const [least, most] = [second - to, second + SECOND_MS - from];
    // One of the clocks was set, or this machine slept: what was known before is void.
    const fits = this.#least !== null && this.#most !== null && least <= this.#most && most >= this.#least;
    this.#least = fits ? Math.max(least, this.#least ?? least) : least;
    this.#most = fits ? Math.min(most, this.#most ?? most) : most;
  }

  /** An event came that was not kept back: its time is now. @param at - monotonic ms */
  live(platformAt: number, at: number): void {
    this.#byEvents = Math.max(platformAt - at, this.#byEvents ?? Number.NEGATIVE_INFINITY);
  }

  /**
   * How old an event surely is, ms; 0 where nothing that can be compared is known.
   *
   * @param platformAt - the event's own time
   * @param at - when it came, monotonic ms
   */
  ageOf(platformAt: number, at: number): number {
    const known = [this.#least, this.#byEvents].filter((offset) => offset !== null);
    if (known.length === 0) return 0;
    return Math.max(0, Math.min(...known.map((offset) => at + offset - platformAt)));
  }

  /**
   * How far the platform's clock surely is ahead of a wall clock (ms, negative: behind); 0 where it may be right, `null`
   * while unknown.
   *
   * @param wall - what that clock says, ms since the epoch
   * @param at - the same moment, monotonic ms
   */
  aheadOf(wall: number, at: number): number | null {
    if (this.#least === null || this.#most === null) return null;
    const [least, most] = [this.#least + at - wall, this.#most + at - wall];
    return Math.round(least > 0 ? least : Math.min(0, most));
  }
}

const SECOND_MS = 1_000;
