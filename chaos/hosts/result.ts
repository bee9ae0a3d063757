/** The result of a run about lost hosts. */
import type { CauseResult } from '../cause-result.ts';
import type { Spread } from '../spread.ts';

export interface HostsResult {
  readonly date: string;
  readonly seed: number;
  readonly timings: 'default' | 'scaled';
  readonly leaseMs: number;
  readonly tookMs: number;
  /** Mean load of the last five minutes, at the end of the run. */
  readonly load5: number;
  readonly driverLagMs: { readonly p99: number; readonly max: number };
  readonly cause: CauseResult;
  /** From the cut until the worker on the cut host had closed all its sockets by itself, ms; one sample per cut. */
  readonly letGo: Spread | null;
  readonly sent: number;
  readonly answered: number;
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  readonly outOfOrder: readonly string[];
  readonly stray: readonly string[];
  readonly oldTokenWrites: { readonly tried: number; readonly accepted: number };
  /** Sessions created after the first of each bot. */
  readonly identifies: number;
  readonly complaints: readonly string[];
}

/** Nothing lost, doubled, out of order or unasked for; no old token worked; every cut healed in time. */
export function isHostsGood(result: HostsResult): boolean {
  const { lost, doubled, outOfOrder, stray, complaints, oldTokenWrites } = result;
  return (
    [lost, doubled, outOfOrder, stray, complaints].every(({ length }) => length === 0) && oldTokenWrites.accepted === 0
  );
}
