/** History records as the lease scripts write them. */
import type { HistoryRecord } from '../../../src/state/history.ts';

const NOTHING: HistoryRecord = {
  at: 0,
  what: '',
  token: null,
  worker: null,
  detail: null,
  events: null,
  last: null,
  heardAt: null,
  why: null,
};

export const entry = (at: number, what: string, more: Partial<HistoryRecord> = {}): HistoryRecord => ({
  ...NOTHING,
  at,
  what,
  ...more,
});

export const claimed = (at: number, worker: string, token: number, more: Partial<HistoryRecord> = {}): HistoryRecord =>
  entry(at, 'claimed', { worker, token, ...more });

export const turned = (
  at: number,
  token: number,
  state: 'live' | 'connecting' | 'waiting',
  how: 'identified' | 'resumed' | null = null,
): HistoryRecord => entry(at, 'state', { token, detail: JSON.stringify({ state, reason: null, how }) });
