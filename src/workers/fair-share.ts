/** How many connections one worker should hold, so that those who join find something to do. Pure. */

/** Room above the exact share: without it, a connection could wait for a worker that is just dying. */
const SLACK = 0.05;
/** Of what a worker holds, so much is under way to others at a time. */
const LOT = 0.05;

/**
 * The even share, rounded up; at least 1. A worker that is smaller than its share counts with what it can hold, and the
 * others share the rest.
 *
 * @param capacities - of all workers that take connections, this one's among them
 * @param own - this worker's
 */
export function fairShare(connections: number, capacities: readonly number[], own: number): number {
  let left = connections;
  const sorted = [...capacities].sort((a, b) => a - b);
  for (const [index, capacity] of sorted.entries()) {
    const level = left / (sorted.length - index);
    if (capacity >= level) return Math.max(1, Math.min(own, Math.ceil(level)));
    left -= capacity;
  }
  return Math.max(1, own);
}

/** Up to here a worker takes what it finds; above, it lets others come first. */
export function takesUpTo(share: number): number {
  return Math.ceil(share * (1 + SLACK));
}

/**
 * How many connections a worker should give up so that others can have them. With hysteresis: one above the share is never
 * moved, since that would only swap the roles.
 */
export function surplus(held: number, share: number): number {
  return Math.max(0, held - Math.max(share + 1, takesUpTo(share)));
}

/** How many of a surplus go at once: a small part of what the worker holds, since nobody has them for a moment. */
export function lotOf(held: number, share: number): number {
  return Math.min(surplus(held, share), Math.max(1, Math.floor(LOT * held)));
}
