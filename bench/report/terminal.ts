/** The table on a terminal. */
import Table from 'cli-table3';
import { cellsOf, HEADINGS } from './cells.ts';
import type { RowResult } from './result.ts';

const WIDTHS = [34, 26, 44, 24, 9, 8];

export function tableOf(rows: readonly RowResult[]): string {
  const table = new Table({ head: [...HEADINGS], colWidths: WIDTHS, wordWrap: true, style: { head: [], border: [] } });
  table.push(...cellsOf(rows));
  return table.toString();
}
