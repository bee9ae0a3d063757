/**
 * When a connection changed its state, to the millisecond, by what the lease scripts wrote into its history. That knows
 * ups and downs and nothing of the attempts between them, and nothing at all of what nobody could write. Pure.
 */
import { type HistoryRecord, parseChange } from '../state/history.ts';
import { type SeenState, timelineState } from './timeline-state.ts';

export interface Step {
  /** Redis ms. */
  readonly at: number;
  readonly state: SeenState;
}

/** @param history - oldest first. @returns in the order of time; what repeats a state is left out */
export function stepsOf(history: readonly HistoryRecord[]): Step[] {
  const steps: Step[] = [];
  const add = (at: number, state: SeenState) => {
    const last = steps.at(-1);
    // What was last heard of a holder may be older than what it wrote itself.
    if (last?.state !== state) steps.push({ at: Math.max(at, last?.at ?? at), state });
  };
  for (const record of history) for (const { at, state } of stepsOfRecord(record)) add(at, state);
  return steps;
}

function* stepsOfRecord(record: HistoryRecord): Generator<Step> {
  const { at, what, heardAt, why } = record;
  switch (what) {
    case 'claimed':
      if (heardAt !== null) yield { at: heardAt, state: 'down' };
      yield { at, state: 'connecting' };
      return;
    case 'state': {
      const state = parseChange(record)?.state;
      if (state === 'live' || state === 'connecting' || state === 'waiting') yield { at, state: timelineState(state) };
      return;
    }
    case 'declared-dead':
      yield { at: heardAt ?? at, state: 'down' };
      return;
    case 'parked':
      yield { at, state: 'parked' };
      return;
    case 'released':
      yield { at, state: why === 'nobody-wants' ? 'paused' : 'down' };
      return;
    case 'bug':
      yield { at, state: 'down' };
      return;
    default:
    // Of a newer release: it says nothing that is known here.
  }
}
