/** What a run of the bench found, as it is printed and kept. */
import type { Comparison } from '../compare.ts';
import type { Plot } from '../row.ts';

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  readonly redis: string;
}

export interface RowResult {
  readonly name: string;
  readonly title: string;
  /** ISO 8601 */
  readonly at: string;
  /** Mean load of the last minute when the row began, before it was any of its own making. */
  readonly loadBefore: number;
  readonly tookSeconds: number;
  readonly brief: boolean;
  readonly comparisons: readonly Comparison[];
  readonly plots: readonly Plot[];
  readonly notes: readonly string[];
}

export interface BenchResult {
  readonly machine: Machine;
  readonly rows: readonly RowResult[];
}
