/** What stands out in a connection's day. Pure. */
import { type HistoryRecord, parseChange } from '../state/history.ts';
import type { Mark } from './timeline.ts';

type At = Omit<Mark, 'at'> & { readonly at: number };

/** @param history - oldest first */
export function marksOf(history: readonly HistoryRecord[]): At[] {
  return history.flatMap((record, n) => {
    const { at, what } = record;
    if (what === 'claimed') return claimed(record, history[n - 1]);
    const change = parseChange(record);
    if (change?.state !== 'live' || change.how !== 'identified') return [];
    return [{ at, kind: 'identified', text: 'a new session: what came before it is not replayed' }];
  });
}

function claimed(record: HistoryRecord, before: HistoryRecord | undefined): At[] {
  const { at, worker, last, heardAt } = record;
  const moved = last !== null && last !== worker;
  const why = before?.detail ?? null;
  const because = before === undefined || before.what === 'state' || why === null ? '' : `: ${why}`;
  if (last === null) return [];
  if (heardAt !== null) {
    return moved
      ? [{ at, kind: 'takeover', text: `${worker} took over from ${last}${because}` }]
      : [{ at, kind: 'restart', text: `${worker} took it again${because}` }];
  }
  if (before?.why === 'process') return [{ at, kind: 'deploy', text: `${last} left, ${worker} has it${because}` }];
  if (moved) return [{ at, kind: 'handoff', text: `from ${last} to ${worker}${because}` }];
  return [{ at, kind: 'restart', text: `${worker} started it again${because}` }];
}
