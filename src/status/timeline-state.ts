/** The states of the timeline: coarser than those of `status`, and as bits for the ring of minutes. */
import type { ConnectionStateName } from './document.ts';

/** `down`: it waits for its next attempt or for a worker. */
export const SEEN_STATES = ['live', 'paused', 'connecting', 'down', 'parked'] as const;
export type SeenState = (typeof SEEN_STATES)[number];

/** As they stand in Redis: a state keeps its bit for ever. */
export const STATE_BITS: Readonly<Record<SeenState, number>> = {
  live: 1,
  connecting: 2,
  down: 4,
  parked: 8,
  paused: 16,
};

export function timelineState(state: ConnectionStateName): SeenState {
  return state === 'waiting' || state === 'unowned' ? 'down' : state;
}

/** The one that matters most of those seen; `null`: none was. */
export function worstOf(bits: number): SeenState | null {
  return SEEN_STATES.findLast((state) => (bits & STATE_BITS[state]) !== 0) ?? null;
}
