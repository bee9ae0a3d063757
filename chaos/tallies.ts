/** What the faults of one run did, added up as it goes. */
import type { Cause, Strike } from './faults/fault.ts';
import { add, NO_STALE_WRITES, type StaleWrites } from './stale-writes.ts';
import type { Takeover } from './takeover.ts';

export class Tallies {
  readonly strikes = new Map<Cause, number>();
  readonly takeovers: Takeover[] = [];
  readonly complaints: string[] = [];
  /** Processes that got SIGKILL, Redis included. */
  killed = 0;
  staleWrites: StaleWrites = NO_STALE_WRITES;

  note(cause: Cause, strike: Strike): void {
    this.strikes.set(cause, (this.strikes.get(cause) ?? 0) + 1);
    this.takeovers.push(...strike.takeovers);
    this.complaints.push(...strike.complaints.map((text) => `${cause}: ${text}`));
    this.killed += strike.killed;
    this.staleWrites = add(this.staleWrites, strike.staleWrites);
  }

  get faults(): number {
    return [...this.strikes.values()].reduce((sum, count) => sum + count, 0);
  }
}
