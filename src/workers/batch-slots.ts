/**
 * How many batches of inbound may wait for Redis's answer at once. A connection that is flooded alone keeps Redis busy only
 * if several are out: its answers wait while frames are parsed. With as many of each, a flood over thousands would queue
 * that much more in Redis before the renewals of leases: so each has few of its own, and what goes beyond is shared.
 */
const OF_EACH = 2;
const SHARED = 4;

/** One per process; tests may give each pump its own. */
export class BatchSlots {
  #shared = SHARED;

  /**
   * @param inFlight - batches of the connection that are out already
   * @returns whether one more may go out; whoever sends none after all gives the slot back
   */
  take(inFlight: number): boolean {
    if (inFlight < OF_EACH) return true;
    if (this.#shared === 0) return false;
    this.#shared -= 1;
    return true;
  }

  /** @param inFlight - batches of the connection that are still out */
  giveBack(inFlight: number): void {
    if (inFlight >= OF_EACH) this.#shared += 1;
  }
}
