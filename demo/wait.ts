import { sleep } from '../src/async/abort.ts';

const LOOK_EVERY_MS = 20;

/**
 * Looks until there is something to see.
 *
 * @returns the first value that is neither `undefined` nor `false`
 * @throws Error naming `what` after `timeoutMs`; the signal's reason when it aborts
 */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  signal: AbortSignal,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    signal.throwIfAborted();
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > until) throw new Error(`${what}: not within ${timeoutMs / 1_000} s`);
    await sleep(LOOK_EVERY_MS, { signal });
  }
}
