/**
 * What a scheduler's sweeps see of every connection, gathered for its ring of minutes. The state is derived as for
 * `status`. Pure but for what it remembers, which may be lost: then a minute has less, and never something untrue.
 */
import type { StoredEvidence } from '../state/evidence.ts';
import { MINUTE_MS, type MinuteNote } from '../state/minutes.ts';
import { stateOf } from './derive.ts';
import { STATE_BITS, timelineState } from './timeline-state.ts';

/** What is new within a minute is written after this at the latest, ms: a scheduler that dies takes no more with it. */
const WRITE_EVERY_MS = 15_000;

interface Gathered extends MinuteNote {
  /** What of it was given out by {@link WatchedMinutes.take}. */
  readonly written: Pick<MinuteNote, 'states' | 'events'> | null;
}

/** One per scheduler. */
export class WatchedMinutes {
  readonly #staleAfterMs: number;
  #running = new Map<string, Gathered>();
  /** Minutes that are over. */
  #over: MinuteNote[] = [];
  #minute = 0;
  #takenAt = 0;

  constructor(staleAfterMs: number) {
    this.#staleAfterMs = staleAfterMs;
  }

  /** @param now - Redis ms, at which the evidence was read */
  look(now: number, connections: readonly StoredEvidence[]): void {
    this.#turnTo(Math.floor(now / MINUTE_MS));
    for (const { desired, ...one } of connections) {
      if (desired === null) continue;
      const state = stateOf(
        { ...one, desired, unfit: [] },
        { now, nextSweepAt: null, staleAfterMs: this.#staleAfterMs },
      );
      const known = this.#running.get(one.id);
      const states = (known?.states ?? 0) | STATE_BITS[timelineState(state)];
      // A counter that Redis lost begins anew: what is written is the highest, and the next minute shows the loss.
      const events = Math.max(known?.events ?? 0, Number(one.counters.events ?? 0));
      if (known !== undefined && known.states === states && known.events === events) continue;
      this.#running.set(one.id, { id: one.id, minute: this.#minute, states, events, written: known?.written ?? null });
    }
  }

  /** @param now - as above. @returns what is to be written now, often nothing */
  take(now: number): MinuteNote[] {
    const due = now - this.#takenAt >= WRITE_EVERY_MS || now < this.#takenAt;
    if (this.#over.length === 0 && !due) return [];
    this.#takenAt = now;
    // How many messages there were is written when the minute is over.
    return this.#collect((one) => one.written?.states !== one.states);
  }

  /** All that is not written yet: before the scheduler ends. */
  takeAll(): MinuteNote[] {
    return this.#collect(isNew);
  }

  #collect(wanted: (one: Gathered) => boolean): MinuteNote[] {
    const notes = this.#over;
    this.#over = [];
    for (const one of this.#running.values()) {
      if (!wanted(one)) continue;
      notes.push(one);
      this.#running.set(one.id, { ...one, written: one });
    }
    return notes;
  }

  #turnTo(minute: number): void {
    if (minute === this.#minute) return;
    for (const one of this.#running.values()) if (isNew(one)) this.#over.push(one);
    this.#running = new Map();
    this.#minute = minute;
  }
}

function isNew({ written, states, events }: Gathered): boolean {
  return written === null || written.states !== states || written.events !== events;
}
