/**
 * How many connections of one process may be in the costly beginning of an attempt (DNS, TLS, token, session) at once.
 * A worker that takes over hundreds at a time would otherwise begin all of them together: on a busy machine they can
 * slow each other down until dials miss their deadline, and what should have been over in seconds starts anew.
 *
 * A place is given back as soon as the attempt is proven or over, and after {@link PLACE_MS} in any case, so that
 * attempts into a black hole hold nobody up for long: at least {@link AT_ONCE} attempts begin in each {@link PLACE_MS}.
 * Whoever failed less often goes first.
 */
import PQueue from 'p-queue';

/** Enough for 60 attempts a second at the 800 ms that one takes over the open internet. */
const AT_ONCE = 50;
const PLACE_MS = 2_000;

export interface AttemptPace {
  /** How long one more would wait at most, ms, if nobody more deserving came; 0: not at all. */
  readonly longestWaitMs: number;
  /**
   * Waits for a place.
   *
   * @param options.failures - of this connection in a row; the fewer, the sooner
   * @param options.signal - gives the place up, also one that was got
   * @returns gives the place back; safe to call twice
   * @throws the signal's reason
   */
  enter(options: { readonly failures: number; readonly signal: AbortSignal }): Promise<() => void>;
}

/** One per process. */
export function createAttemptPace(): AttemptPace {
  const queue = new PQueue({ concurrency: AT_ONCE });
  return {
    get longestWaitMs() {
      const ahead = queue.pending + queue.size;
      return Math.floor(ahead / AT_ONCE) * PLACE_MS;
    },
    enter({ failures, signal }) {
      return new Promise((resolve, reject) => {
        const place = () =>
          new Promise<void>((leave) => {
            const timer = setTimeout(leave, PLACE_MS);
            resolve(() => {
              clearTimeout(timer);
              leave();
            });
          });
        // After `resolve` a rejection means that the signal gave the place back: nobody waits for that any more.
        queue.add(place, { priority: -failures, signal }).catch(reject);
      });
    },
  };
}
