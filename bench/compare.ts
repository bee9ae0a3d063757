/** Two sides of a measurement side by side: medians, spread, the ratio of each round, and whether the goal is met. */

/** What one side measured, one number per round. */
export interface Side {
  readonly name: string;
  readonly samples: readonly number[];
}

export interface Goal {
  readonly kind: 'at least' | 'at most';
  readonly ratio: number;
}

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface Comparison {
  readonly what: string;
  readonly unit: string;
  readonly subject: Spread & { readonly name: string };
  /** `null`: the number stands by itself. */
  readonly against: (Spread & { readonly name: string }) | null;
  /** Subject by floor or peer, of each round. */
  readonly ratio: Spread | null;
  readonly goal: Goal | null;
  readonly rounds: number;
}

/** @throws RangeError when a side has no samples, or one that is no number */
export function compare(options: {
  readonly what: string;
  readonly unit: string;
  readonly subject: Side;
  readonly against: Side | null;
  readonly goal?: Goal;
}): Comparison {
  const { what, unit, subject, against, goal = null } = options;
  const pairs = Math.min(subject.samples.length, against?.samples.length ?? Number.POSITIVE_INFINITY);
  const ratios = against?.samples.slice(0, pairs).map((sample, n) => (subject.samples[n] ?? Number.NaN) / sample);
  return {
    what,
    unit,
    subject: { name: subject.name, ...spread(what, subject.samples) },
    against: against === null ? null : { name: against.name, ...spread(what, against.samples) },
    ratio: ratios === undefined ? null : spread(what, ratios),
    goal,
    rounds: subject.samples.length,
  };
}

export function isMet({ goal, ratio }: Comparison): boolean | null {
  if (goal === null || ratio === null) return null;
  return goal.kind === 'at least' ? ratio.median >= goal.ratio : ratio.median <= goal.ratio;
}

export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** By nearest rank. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

function spread(what: string, samples: readonly number[]): Spread {
  if (samples.length === 0 || samples.some((sample) => !Number.isFinite(sample))) {
    throw new RangeError(`${what}: not everything was measured (${samples.join(', ')})`);
  }
  return { median: median(samples), least: Math.min(...samples), most: Math.max(...samples) };
}
