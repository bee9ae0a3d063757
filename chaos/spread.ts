/** Percentiles as measured, none of them invented: p99 needs 100 samples. */

export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  /** `null` below {@link P99_FROM} samples. */
  readonly p99: number | null;
  readonly max: number;
}

export const P99_FROM = 100;

/** By nearest rank. `null` of nothing. */
export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  const [p50, p95, p99, max] = [rank(0.5), rank(0.95), rank(0.99), sorted.at(-1)];
  if (p50 === undefined || p95 === undefined || p99 === undefined || max === undefined) return null;
  return { count: sorted.length, p50, p95, p99: sorted.length < P99_FROM ? null : p99, max };
}
