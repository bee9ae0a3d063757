/** Where a connection was held: each tenure made of what the lease scripts wrote into its history. Pure. */
import { hostOf } from '../state/fitness.ts';
import { type HistoryRecord, parseChange } from '../state/history.ts';

export interface Tenure {
  readonly worker: string;
  readonly host: string;
  /** Fencing token. */
  readonly token: number;
  /** ISO 8601, by Redis's clock. */
  readonly startedAt: string;
  /** ISO 8601; `null` while it lasts. */
  readonly endedAt: string | null;
  /** How it first became live; `null`: it never did. */
  readonly how: 'resumed' | 'identified' | null;
  /** In words. */
  readonly endedBecause: string | null;
  /** Messages stored in it; `null` where that was not written down. */
  readonly events: number | null;
}

/** What ended without a word: a host that is lost, or cut off from Redis. */
const RAN_OUT = 'its lease ran out: its host was lost, or cut off from Redis';

/**
 * @param history - newest first, as it is read; its oldest tenure is left out when its beginning is no longer there
 * @param events - messages stored until now
 * @returns newest first
 */
export function tenuresOf(history: readonly HistoryRecord[], events: number): Tenure[] {
  const tenures: Draft[] = [];
  for (const record of history.toReversed()) {
    if (record.what === 'claimed') begin(tenures, record);
    else continueWith(tenures.at(-1), record);
  }
  return tenures
    .map((draft, n) => finish(draft, tenures[n + 1]?.eventsBefore ?? (n + 1 < tenures.length ? null : events)))
    .toReversed();
}

interface Draft extends Omit<Tenure, 'startedAt' | 'endedAt' | 'events'> {
  readonly startedAt: number;
  endedAt: number | null;
  how: Tenure['how'];
  endedBecause: string | null;
  readonly eventsBefore: number | null;
}

function begin(tenures: Draft[], { at, worker, token, events, heardAt }: HistoryRecord): void {
  const before = tenures.at(-1);
  if (before !== undefined && before.endedAt === null) {
    before.endedAt = heardAt ?? at;
    before.endedBecause = RAN_OUT;
  }
  const name = worker ?? 'unknown';
  tenures.push({
    worker: name,
    host: hostOf(name),
    token: token ?? 0,
    startedAt: at,
    endedAt: null,
    how: null,
    endedBecause: null,
    eventsBefore: events,
  });
}

function continueWith(tenure: Draft | undefined, record: HistoryRecord): void {
  // Of a tenure whose beginning is cut off.
  if (tenure === undefined || tenure.token !== record.token) return;
  if (record.what === 'state') {
    const change = parseChange(record);
    if (change?.state === 'live') tenure.how ??= change.how ?? null;
    return;
  }
  tenure.endedAt = record.at;
  tenure.endedBecause = record.detail;
}

function finish({ eventsBefore, startedAt, endedAt, ...rest }: Draft, eventsAfter: number | null): Tenure {
  return {
    ...rest,
    startedAt: new Date(startedAt).toISOString(),
    endedAt: endedAt === null ? null : new Date(endedAt).toISOString(),
    // Counters that Redis lost begin anew.
    events:
      eventsBefore === null || eventsAfter === null || eventsAfter < eventsBefore ? null : eventsAfter - eventsBefore,
  };
}
