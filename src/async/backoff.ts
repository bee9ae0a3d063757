/** How long to wait between attempts: exponential growth, full jitter, a cap, and no last attempt. */
export interface BackoffPolicy {
  /** Upper bound of the first delay, ms. */
  readonly baseMs: number;
  /** Upper bound of every delay, ms. */
  readonly capMs: number;
  /** Growth per attempt. The default is gentle, so that a 3 s outage is not followed by a long wait. */
  readonly factor: number;
}

/** Shortest delay ever drawn, ms: full jitter alone could draw 0, and no loop may be free of delay. */
export const MIN_DELAY_MS = 100;

/**
 * The delay before attempt number `attempt` (0-based since the last proof of health).
 *
 * @param random - a number in [0, 1)
 * @returns ms in [{@link MIN_DELAY_MS}, cap]
 */
export function backoffDelay(policy: BackoffPolicy, attempt: number, random: number): number {
  // 2 ** 1024 overflows to Infinity, which the cap absorbs: attempts may count for ever.
  const ceiling = Math.min(policy.capMs, policy.baseMs * policy.factor ** attempt);
  return Math.max(Math.min(MIN_DELAY_MS, policy.capMs), Math.floor(random * ceiling));
}
