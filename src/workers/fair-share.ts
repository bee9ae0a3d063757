/** How many connections one worker should hold, so that those who join find something to do. Pure. */

/** Room above the exact share: without it, a connection could wait for a worker that is just dying. */
const SLACK = 0.1;

/** The even share, rounded up; at least 1. */
export function fairShare(connections: number, workers: number): number {
  return Math.max(1, Math.ceil(connections / Math.max(1, workers)));
}

/** Up to here a worker takes what it finds; above, it lets others come first. */
export function takesUpTo(share: number): number {
  return Math.ceil(share * (1 + SLACK));
}

/**
 * How many connections a worker should give up now so that others can have them. Gradual (one at a time) and with
 * hysteresis: one above the share is never moved, since that would only swap the roles.
 */
export function surplus(held: number, share: number): 0 | 1 {
  return held > Math.max(share + 1, takesUpTo(share)) ? 1 : 0;
}
