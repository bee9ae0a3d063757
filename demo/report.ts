/** The result as a table for people, as one JSON line for scripts, and as a verdict. */
import Table from 'cli-table3';
import { seconds } from './narrator.ts';
import type { Recovery } from './recovery.ts';
import { isClean, type Said, type Tally } from './tally.ts';
import type { Sabotage } from './world.ts';

export interface Result {
  readonly sabotage: Sabotage | null;
  readonly tally: Tally;
  /** Resumes and Identifies that the platform accepted. */
  readonly resumed: number;
  readonly identified: number;
  /** As Holdfast counts them; `null` when its status could not be read. */
  readonly takeovers: number | null;
  /** Writes of overtaken workers that Redis refused. */
  readonly staleWrites: number | null;
  readonly recoveries: readonly Recovery[];
  /** Acts that did not end as they should, in words. */
  readonly failures: readonly string[];
}

const EXAMPLES = 5;

/** Nothing lost, doubled, out of order or unasked for, and every act healed in time. */
export function isGood({ tally, failures }: Result): boolean {
  return isClean(tally) && failures.length === 0;
}

export function tableOf(result: Result): string {
  const { tally, recoveries } = result;
  const plain = { style: { head: [], border: [] } };
  const counts = new Table({ ...plain, head: ['what users saw', ''], colAligns: ['left', 'right'] });
  counts.push(
    ['sent', tally.sent],
    ['answered', tally.answered],
    ['lost', tally.lost.length],
    ['answered twice', tally.doubled.length],
    ['out of order', tally.outOfOrder.length],
    ['never asked for', tally.stray.length],
    ['sessions resumed', result.resumed],
    ['sessions identified', result.identified],
    ['takeovers', result.takeovers ?? 'unknown'],
    ['stale writes refused', result.staleWrites ?? 'unknown'],
  );
  const times = new Table({
    ...plain,
    head: ['recovery', 'session back', 'first answer'],
    colAligns: ['left', 'right', 'right'],
  });
  times.push(...recoveries.map(({ act, ms, answeredMs }) => [act, seconds(ms), seconds(answeredMs)]));
  const spread = spreadOf(recoveries.map(({ ms }) => ms));
  const answers = spreadOf(recoveries.map(({ answeredMs }) => answeredMs));
  if (spread !== null && answers !== null) {
    times.push(['median', seconds(spread.median), seconds(answers.median)]);
    times.push(['longest', seconds(spread.max), seconds(answers.max)]);
  }
  return [String(counts), String(times), ...remarks(result)].join('\n');
}

/** The last lines of the output; scripts look for them. */
export function verdictOf({ tally }: Result): string {
  return `${tally.lost.length} lost\n${tally.doubled.length} doubled`;
}

export function jsonOf(result: Result): string {
  const { tally, recoveries, ...rest } = result;
  const spread = spreadOf(recoveries.map(({ ms }) => ms));
  return JSON.stringify({
    ...rest,
    sent: tally.sent,
    answered: tally.answered,
    lost: tally.lost.length,
    doubled: tally.doubled.length,
    outOfOrder: tally.outOfOrder.length,
    stray: tally.stray.length,
    recoveries,
    medianMs: spread?.median ?? null,
    maxMs: spread?.max ?? null,
    timings: 'scaled',
  });
}

/** `null` of nothing. */
export function spreadOf(values: readonly number[]): { readonly median: number; readonly max: number } | null {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1];
  const high = sorted[Math.floor(middle)];
  const max = sorted.at(-1);
  return low === undefined || high === undefined || max === undefined ? null : { median: (low + high) / 2, max };
}

function remarks({ tally, failures, sabotage }: Result): string[] {
  const some = (what: string, said: readonly Said[]) => {
    if (said.length === 0) return [];
    const names = said.slice(0, EXAMPLES).map(({ text }) => `"${text}"`);
    return [`${what}: ${names.join(', ')}${said.length > EXAMPLES ? ', …' : ''}`];
  };
  return [
    ...some('Lost', tally.lost),
    ...some('Answered twice', tally.doubled),
    ...some('Out of order', tally.outOfOrder),
    ...failures.map((failure) => `FAILED: ${failure}`),
    ...(sabotage === null ? [] : [`The safeguard "${sabotage}" was switched off: loss or doubling is what to expect.`]),
  ];
}
