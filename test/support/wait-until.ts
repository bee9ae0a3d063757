import { setTimeout as delay } from 'node:timers/promises';

export interface WaitUntilOptions {
  /** @defaultValue 10 000 */
  readonly timeoutMs?: number;
  /** @defaultValue 25 */
  readonly everyMs?: number;
  /** Added to the error. */
  explain?(): string;
}

/**
 * Looks until the condition holds; what it throws ends the wait.
 *
 * @returns ms it took
 * @throws Error that names `what` when it does not hold in time
 */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { timeoutMs = 10_000, everyMs = 25, explain }: WaitUntilOptions = {},
): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    if (await condition()) return performance.now() - startedAt;
    if (performance.now() - startedAt > timeoutMs) {
      throw new Error(`waited ${timeoutMs} ms for ${what} in vain\n${explain?.() ?? ''}`);
    }
    await delay(everyMs);
  }
}
