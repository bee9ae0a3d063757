/**
 * Judges a holder that still renews its lease by what it got done. User traffic is never looked at: a quiet chat is
 * healthy; a connection without a completed protocol round trip is not.
 */
import type { Heartbeat } from '../state/heartbeats.ts';

/** Round trips may be this many times rarer than the adapter's own bound before its holder is called wedged. */
const SILENCE_FACTOR = 2;
/** An attempt or a wait may overrun its own deadline by this much, ms. */
const OVERDUE_MS = 60_000;

/**
 * @param ageMs - of the heartbeat, by Redis time
 * @returns why the holder is stuck, in words, or `null`
 */
export function wedgedBecause(heartbeat: Heartbeat, ageMs: number): string | null {
  switch (heartbeat.state) {
    case 'live': {
      const silence = (heartbeat.roundTripAgeMs ?? heartbeat.stateAgeMs) + ageMs;
      const bound = SILENCE_FACTOR * heartbeat.maxSilenceMs;
      return silence > bound ? `wedged: no round trip for ${silence} ms (bound ${bound} ms)` : null;
    }
    case 'connecting':
    case 'waiting': {
      const overdue = ageMs - (heartbeat.dueInMs ?? 0);
      return overdue > OVERDUE_MS ? `wedged: ${heartbeat.state}, ${overdue} ms past its own deadline` : null;
    }
    default:
      return heartbeat.state satisfies never;
  }
}
