/** Waits for a condition, with a deadline. */
import { setTimeout as delay } from 'node:timers/promises';

/** @throws Error naming `what` when `look` gives nothing within `withinMs` */
export async function untilFound<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  { withinMs = 120_000, everyMs = 2 } = {},
): Promise<T> {
  const until = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > until) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await delay(everyMs);
  }
}
