/** How many connections one worker should hold, so that those who join find something to do. Pure. */

/** Room above the exact share: without it, a connection could wait for a worker that is just dying. */
const SLACK = 0.1;

export function fairShare(connections: number, workers: number): number {
  const exact = connections / Math.max(1, workers);
  return Math.max(1, Math.ceil(exact * (1 + SLACK)));
}

/**
 * How many connections a worker should give up now so that others can have them. Gradual (one at a time) and with
 * hysteresis: a worker keeps what is within its share, and a surplus of one is never moved back and forth.
 */
export function surplus(held: number, share: number): 0 | 1 {
  return held > share + 1 ? 1 : 0;
}
