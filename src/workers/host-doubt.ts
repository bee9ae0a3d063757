/**
 * When a holder should doubt its own host: one attempt after the other does not get through, for longer than a bad minute
 * of the platform. Another host may have another way (its own proxy, DNS, address), and is worth a try; with the platform
 * itself away, that costs one move. What a platform *answers* is no doubt about the host.
 */
import type { AttemptCause } from '../adapters/adapter.ts';
import type { Clock } from '../async/clock.ts';
import type { ReconnectCause } from '../model.ts';

/** Attempts of which nobody on the other side said anything. */
const UNANSWERED: ReadonlySet<ReconnectCause> = new Set(['dial', 'silent']);
/** In a row, at least. */
const LEAST_ATTEMPTS = 4;

export interface HostDoubt {
  /**
   * An attempt, or what it had opened, is over.
   *
   * @returns since when nothing got through, ms; `null`: no reason to doubt
   */
  failed(cause: AttemptCause | null): number | null;
  /** The platform's own proof came. */
  proven(): void;
}

/** @param afterMs - without an answer for so long, and after {@link LEAST_ATTEMPTS}, the host is doubted */
export function createHostDoubt(clock: Clock, afterMs: number): HostDoubt {
  let since: number | null = null;
  let attempts = 0;
  const forget = () => {
    since = null;
    attempts = 0;
  };
  return {
    failed(cause) {
      if (!UNANSWERED.has(cause?.kind ?? 'other')) {
        forget();
        return null;
      }
      since ??= clock.monotonic();
      attempts += 1;
      const forMs = clock.monotonic() - since;
      return attempts >= LEAST_ATTEMPTS && forMs >= afterMs ? forMs : null;
    },
    proven: forget,
  };
}
