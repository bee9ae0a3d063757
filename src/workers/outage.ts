/**
 * How loud the log is about a connection that is down. Losing a socket is routine (platforms recycle them); what a
 * person should see is that coming back has failed, and again after a while that it still fails.
 */
import type { Clock } from '../async/clock.ts';
import type { HealthState } from './health-recorder.ts';

/** An outage that goes on is told at error level again after this, ms. */
const AGAIN_MS = 60_000;

export class Outage {
  readonly #clock: Clock;
  #attemptFailed = false;
  #toldAt: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Called with each state in turn; a wait that follows an attempt means that the attempt failed. */
  levelOf(state: HealthState['name']): 'error' | 'warn' | 'info' {
    switch (state) {
      case 'live':
        this.#attemptFailed = false;
        this.#toldAt = null;
        return 'info';
      case 'connecting':
        this.#attemptFailed = true;
        return 'info';
      case 'waiting': {
        if (!this.#attemptFailed) return 'warn';
        const now = this.#clock.monotonic();
        if (this.#toldAt !== null && now - this.#toldAt < AGAIN_MS) return 'warn';
        this.#toldAt = now;
        return 'error';
      }
      default:
        return state satisfies never;
    }
  }
}
