/**
 * The one place where re-dials wait. Every way an attempt can fail comes through here, so there is no loop without a
 * delay and no cause that uses a budget up: the count grows for ever, the delay does not.
 */

import type { AttemptCause, AttemptGate } from '../adapters/adapter.ts';
import { sleep } from '../async/abort.ts';
import { type BackoffPolicy, backoffDelay, MIN_DELAY_MS } from '../async/backoff.ts';
import type { Clock } from '../async/clock.ts';
import type { HealthRecorder } from './health-recorder.ts';

export interface AttemptGateOptions {
  readonly backoff: BackoffPolicy;
  /** A proof counts only when no new attempt follows within this time, ms. */
  readonly healthyAfterMs: number;
  /** Shown as the deadline of an attempt until the adapter names its phases, ms. */
  readonly attemptDeadlineMs: number;
  readonly clock: Clock;
  readonly health: HealthRecorder;
  /** In [0, 1). @defaultValue Math.random */
  readonly random?: () => number;
}

export function createAttemptGate(options: AttemptGateOptions): AttemptGate {
  const { clock, health, backoff, healthyAfterMs, attemptDeadlineMs, random = Math.random } = options;
  let attempt = 0;
  let startedAt: number | null = null;
  let provenAt: number | null = null;

  return {
    async pass(cause: AttemptCause | null, { signal }): Promise<number> {
      signal.throwIfAborted();
      if (startedAt !== null) {
        const now = clock.monotonic();
        if (provenAt !== null && now - provenAt >= healthyAfterMs) attempt = 0;
        // Counted from the start of the attempt before, or from the loss when it had been live.
        const from = provenAt === null ? startedAt : now;
        const paced = backoffDelay(backoff, attempt, random()) - (now - from);
        const delay = Math.max(Math.round(paced), MIN_DELAY_MS, cause?.minDelayMs ?? 0);
        attempt += 1;
        health.waiting(clock.now() + delay, attempt, cause?.reason ?? null);
        await sleep(delay, { signal });
      }
      startedAt = clock.monotonic();
      provenAt = null;
      health.attempting(attempt, clock.now() + attemptDeadlineMs);
      return attempt;
    },
    proven(): void {
      provenAt = clock.monotonic();
    },
  };
}
