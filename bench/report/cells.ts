/** The table's cells, the same on a terminal and in the document. */
import { type Comparison, isMet, type Spread } from '../compare.ts';
import type { RowResult } from './result.ts';

export const HEADINGS = ['row', 'Holdfast', 'against', 'ratio', 'goal', ''] as const;

export function cellsOf(rows: readonly RowResult[]): string[][] {
  return rows.flatMap(({ comparisons }) => comparisons.map(cells));
}

function cells(each: Comparison): string[] {
  const { what, unit, subject, against, ratio, goal, rounds } = each;
  const digits = ratio === null || Math.abs(ratio.median) >= 10 ? 1 : 2;
  return [
    `${what}, ${unit}`,
    withSpread(subject, rounds),
    against === null ? '' : `${withSpread(against, rounds)}: ${against.name}`,
    ratio === null ? '' : `${ratio.median.toFixed(ratio.median < 0.1 ? 4 : digits)} ×${spreadOf(ratio, rounds, 2)}`,
    goal === null ? '' : `${goal.kind === 'at least' ? '≥' : '≤'} ${goal.ratio} ×`,
    verdict(each),
  ];
}

function verdict(each: Comparison): string {
  const met = isMet(each);
  if (met === null) return '';
  return met ? 'met' : 'missed';
}

function withSpread(spread: Spread, rounds: number): string {
  return `${figure(spread.median)}${spreadOf(spread, rounds)}`;
}

function spreadOf({ least, most }: Spread, rounds: number, digits?: number): string {
  if (rounds < 2) return '';
  const write = (value: number) => (digits === undefined ? figure(value) : value.toFixed(digits));
  return ` (${write(least)} to ${write(most)})`;
}

/** Three significant digits, thousands apart. */
function figure(value: number): string {
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en-US').replaceAll(',', '\u202f');
  return String(Number(value.toPrecision(3)));
}
