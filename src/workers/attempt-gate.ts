/**
 * The one place where re-dials wait. Every way an attempt can fail comes through here, so there is no loop without a
 * delay and no cause that uses a budget up: the counts grow for ever, the delay does not.
 *
 * Two things are counted. Attempts that failed, until the platform's proof comes: the way is open again. And proofs that
 * did not last, until one holds for the healthy time: a server that accepts and closes at once must not be hammered,
 * while a short outage soon after a long one should not inherit the long one's delays.
 *
 * After its own delay an attempt may have to wait for those of other connections ({@link AttemptPace}).
 */

import type { AttemptCause, AttemptGate } from '../adapters/adapter.ts';
import { sleep } from '../async/abort.ts';
import { type BackoffPolicy, backoffDelay, MIN_DELAY_MS } from '../async/backoff.ts';
import type { Clock } from '../async/clock.ts';
import type { AttemptPace } from './attempt-pace.ts';
import type { HealthRecorder } from './health-recorder.ts';

export interface AttemptGateOptions {
  readonly backoff: BackoffPolicy;
  /** A proof that no new attempt follows within this time ends a series of flaps, ms. */
  readonly healthyAfterMs: number;
  /** Shown as the deadline of an attempt until the adapter names its phases, ms. */
  readonly attemptDeadlineMs: number;
  readonly clock: Clock;
  readonly health: HealthRecorder;
  /** Shared by all connections of the process. */
  readonly pace: AttemptPace;
  /** Called for each attempt of the hold but the first, before its wait; must not throw. */
  readonly onAgain?: (cause: AttemptCause | null) => void;
  /** Called with each proof; must not throw. */
  readonly onProven?: () => void;
  /** In [0, 1). @defaultValue Math.random */
  readonly random?: () => number;
}

const WAITS_FOR_OTHERS = 'other connections of this worker are being opened first';

export function createAttemptGate(options: AttemptGateOptions): AttemptGate {
  const { clock, health, pace, backoff, healthyAfterMs, attemptDeadlineMs, random = Math.random } = options;
  let failures = 0;
  let flaps = 0;
  let startedAt: number | null = null;
  let provenAt: number | null = null;
  let leave = (): void => undefined;

  /** Takes the end of the last attempt into account. @returns the instant its delay is counted from */
  const settleLast = (lastStartedAt: number, now: number): number => {
    if (provenAt === null) {
      failures += 1;
      return lastStartedAt;
    }
    failures = 0;
    flaps = now - provenAt >= healthyAfterMs ? 0 : flaps + 1;
    return now;
  };

  /** Waits for this attempt's place, and says so: nobody may look idle. */
  const takePlace = async (attempt: number, cause: AttemptCause | null, signal: AbortSignal): Promise<void> => {
    const waitMs = pace.longestWaitMs;
    const tell = () => health.waiting(clock.now() + waitMs, attempt, cause?.reason ?? WAITS_FOR_OTHERS);
    // Others may go first for longer than it looked.
    const telling = waitMs > 0 ? setInterval(tell, waitMs) : undefined;
    if (waitMs > 0) tell();
    try {
      leave = await pace.enter({ failures: failures + flaps, signal });
    } finally {
      clearInterval(telling);
    }
  };

  return {
    async pass(cause: AttemptCause | null, { signal }): Promise<number> {
      signal.throwIfAborted();
      leave();
      let attempt = 0;
      if (startedAt !== null) {
        options.onAgain?.(cause);
        const now = clock.monotonic();
        const from = settleLast(startedAt, now);
        const paced = backoffDelay(backoff, failures + flaps, random()) - (now - from);
        const delay = Math.max(Math.round(paced), MIN_DELAY_MS, cause?.minDelayMs ?? 0);
        attempt = failures + flaps + 1;
        health.waiting(clock.now() + delay, attempt, cause?.reason ?? null);
        await sleep(delay, { signal });
      }
      await takePlace(attempt, cause, signal);
      startedAt = clock.monotonic();
      provenAt = null;
      health.attempting(attempt, clock.now() + attemptDeadlineMs);
      return attempt;
    },
    proven(): void {
      leave();
      provenAt = clock.monotonic();
      options.onProven?.();
    },
  };
}
