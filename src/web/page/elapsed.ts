/**
 * Time since a moment, as the larger of two clocks: the monotonic one stands still in some browsers while the machine
 * sleeps, and the wall clock may be set back.
 */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

export function thisMoment(): Moment {
  return { monotonic: performance.now(), wall: Date.now() };
}

/** ms */
export function elapsedSince({ monotonic, wall }: Moment, now: Moment = thisMoment()): number {
  return Math.max(0, now.monotonic - monotonic, now.wall - wall);
}
