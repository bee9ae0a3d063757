/** The result as tables for people, as one JSON line for scripts, and as a verdict. */
import Table from 'cli-table3';
import { PLATFORMS, type PlatformName, TITLES } from './crowd.ts';
import { seconds } from './narrator.ts';
import type { Recovery } from './recovery.ts';
import { isClean, type Said, type Tally } from './tally.ts';
import { type Counts, sum } from './traffic.ts';
import type { Sabotage } from './world.ts';

/** How long people of each platform waited during an act without seeing any answer, ms. */
export interface Silence extends Readonly<Record<PlatformName, number>> {
  readonly act: string;
}

export interface Result {
  readonly sabotage: Sabotage | null;
  readonly counts: Counts;
  /** Resumes and Identifies that QQ accepted. */
  readonly resumed: number;
  readonly identified: number;
  /** Of both connections, as Holdfast counts them; `null` when its status could not be read. */
  readonly takeovers: number | null;
  /** Writes of overtaken workers that Redis refused. */
  readonly staleWrites: number | null;
  readonly recoveries: readonly Recovery[];
  readonly silences: readonly Silence[];
  /** Acts that did not end as they should, in words. */
  readonly failures: readonly string[];
}

const EXAMPLES = 5;
const NOTHING = '–';
const PLAIN = { style: { head: [], border: [] } };

const ROWS: readonly (readonly [title: string, of: (tally: Tally) => number])[] = [
  ['sent', ({ sent }) => sent],
  ['answered', ({ answered }) => answered],
  ['lost', ({ lost }) => lost.length],
  ['outcome unknown, told to the operator', ({ unknown }) => unknown.length],
  ['answered twice', ({ doubled }) => doubled.length],
  ['out of order', ({ outOfOrder }) => outOfOrder.length],
  ['never asked for', ({ stray }) => stray.length],
];

/**
 * Nothing lost, doubled, out of order or unasked for, and every act healed in time. A send whose outcome nobody can know
 * is no loss as long as it is told: Telegram has no key by which it would know a repeated one.
 */
export function isGood({ counts, failures }: Result): boolean {
  return PLATFORMS.every((name) => isClean(counts[name])) && failures.length === 0;
}

export function tableOf(result: Result): string {
  return [
    countsTable(result),
    recoveryTable(result.recoveries),
    silenceTable(result.silences),
    ...remarks(result),
  ].join('\n');
}

function countsTable({ counts, resumed, identified, takeovers, staleWrites }: Result): string {
  const table = new Table({
    ...PLAIN,
    head: ['what users saw', ...PLATFORMS.map((name) => TITLES[name]), 'both'],
    colAligns: ['left', 'right', 'right', 'right'],
  });
  for (const [title, of] of ROWS) table.push([title, ...PLATFORMS.map((name) => of(counts[name])), sum(counts, of)]);
  table.push(
    ['sessions resumed', resumed, NOTHING, NOTHING],
    ['sessions identified', identified, NOTHING, NOTHING],
    ['takeovers', NOTHING, NOTHING, takeovers ?? 'unknown'],
    ['stale writes refused', NOTHING, NOTHING, staleWrites ?? 'unknown'],
  );
  return String(table);
}

function recoveryTable(recoveries: readonly Recovery[]): string {
  const columns = PLATFORMS.flatMap((name) => [`${TITLES[name]} back`, 'first answer']);
  const table = new Table({
    ...PLAIN,
    head: ['recovery', ...columns],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
  });
  const cell = (ms: number | undefined) => (ms === undefined ? NOTHING : seconds(ms));
  for (const act of new Set(recoveries.map((each) => each.act))) {
    const of = (platform: PlatformName) => recoveries.find((each) => each.act === act && each.platform === platform);
    table.push([act, ...PLATFORMS.flatMap((name) => [cell(of(name)?.ms), cell(of(name)?.answeredMs)])]);
  }
  const spreads = PLATFORMS.flatMap((name) => {
    const own = recoveries.filter(({ platform }) => platform === name);
    return [spreadOf(own.map(({ ms }) => ms)), spreadOf(own.map(({ answeredMs }) => answeredMs))];
  });
  table.push(['median', ...spreads.map((spread) => cell(spread?.median))]);
  table.push(['longest', ...spreads.map((spread) => cell(spread?.max))]);
  return String(table);
}

function silenceTable(silences: readonly Silence[]): string {
  const table = new Table({
    ...PLAIN,
    head: ['longest silence for people who wait', ...PLATFORMS.map((name) => TITLES[name])],
    colAligns: ['left', 'right', 'right'],
  });
  for (const each of silences) table.push([each.act, ...PLATFORMS.map((name) => seconds(each[name]))]);
  return String(table);
}

/** The last lines of the output; scripts look for them. */
export function verdictOf({ counts }: Result): string {
  return `${sum(counts, ({ lost }) => lost.length)} lost\n${sum(counts, ({ doubled }) => doubled.length)} doubled`;
}

export function jsonOf(result: Result): string {
  const { counts, recoveries, ...rest } = result;
  const spread = spreadOf(recoveries.map(({ ms }) => ms));
  const platforms = PLATFORMS.map((name) => [name, numbers((of) => of(counts[name]))]);
  return JSON.stringify({
    ...rest,
    ...numbers((of) => sum(counts, of)),
    platforms: Object.fromEntries(platforms),
    recoveries,
    medianMs: spread?.median ?? null,
    maxMs: spread?.max ?? null,
    timings: 'scaled',
  });
}

function numbers(count: (of: (tally: Tally) => number) => number) {
  return {
    sent: count(({ sent }) => sent),
    answered: count(({ answered }) => answered),
    lost: count(({ lost }) => lost.length),
    unknown: count(({ unknown }) => unknown.length),
    doubled: count(({ doubled }) => doubled.length),
    outOfOrder: count(({ outOfOrder }) => outOfOrder.length),
    stray: count(({ stray }) => stray.length),
  };
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

function remarks({ counts, failures, sabotage }: Result): string[] {
  const some = (what: string, of: (tally: Tally) => readonly Said[]) => {
    const said = PLATFORMS.flatMap((name) => of(counts[name]).map(({ text }) => `"${text}" (${TITLES[name]})`));
    if (said.length === 0) return [];
    return [`${what}: ${said.slice(0, EXAMPLES).join(', ')}${said.length > EXAMPLES ? ', …' : ''}`];
  };
  return [
    ...some('Lost', ({ lost }) => lost),
    ...some('Outcome unknown (`holdfast messages dead` lists it)', ({ unknown }) => unknown),
    ...some('Answered twice', ({ doubled }) => doubled),
    ...some('Out of order', ({ outOfOrder }) => outOfOrder),
    ...failures.map((failure) => `FAILED: ${failure}`),
    ...(sabotage === null ? [] : [`The safeguard "${sabotage}" was switched off: loss or doubling is what to expect.`]),
  ];
}
