/** What a row of the bench is: something of Holdfast measured beside its floor or a peer, in the same run. */
import type { Comparison } from './compare.ts';

export interface Bench {
  /** Few events and one round: numbers that prove only that the row still works. */
  readonly brief: boolean;
  /** Says what is being done. */
  say(text: string): void;
  /** Path of a program of `bench/programs`, made ready to run by plain Node. */
  program(name: string): string;
}

export interface Plot {
  /** Name of the SVG file, without extension. */
  readonly name: string;
  readonly title: string;
  readonly x: { readonly title: string; readonly scale: 'log' | 'linear' };
  readonly y: { readonly title: string; readonly scale: 'log' | 'linear' };
  readonly series: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[];
}

export interface Outcome {
  readonly comparisons: readonly Comparison[];
  readonly plots?: readonly Plot[];
  /** Printed below the table: how it was measured, what stands beside it. */
  readonly notes?: readonly string[];
}

export interface Row {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  /** Not part of a run of everything. @defaultValue false */
  readonly onlyWhenAsked?: boolean;
  run(bench: Bench): Promise<Outcome>;
}
