/** The targets, and what a run says about them. */
import type { Cause } from './faults/fault.ts';
import type { ChaosResult } from './result.ts';
import { P99_FROM, type Spread } from './spread.ts';

export interface Verdict {
  readonly target: string;
  readonly measured: string;
  readonly verdict: 'pass' | 'short' | 'not measured';
  readonly remark: string;
}

const CHILD_MS = 250;
const GROUP_MS = 2_000;
const HANDOFF_MS = 1_000;
const BEYOND_LEASE_MS = 1_500;
const KILLS = 500;

export function verdicts(result: ChaosResult): Verdict[] {
  const { leaseMs, lost, doubled, outOfOrder, stray, killed, oldTokenWrites } = result;
  const wrong = lost.length + doubled.length + outOfOrder.length + stray.length;
  return [
    latency(result, 'SIGKILL of a child, its parent alive', 'child killed', CHILD_MS),
    latency(result, 'SIGKILL of the whole process group', 'group killed', GROUP_MS),
    latency(result, 'frozen holder (the lease runs out, as for a lost host)', 'frozen', leaseMs + BEYOND_LEASE_MS),
    latency(result, 'lost host (network cut, no FIN)', 'host lost', leaseMs + BEYOND_LEASE_MS),
    withoutIdentify(latency(result, 'SIGTERM', 'drained', HANDOFF_MS), result),
    {
      target: `0 lost, 0 doubled, 0 out of order over at least ${KILLS} kills`,
      measured: `${lost.length} lost, ${doubled.length} doubled, ${outOfOrder.length} out of order, ${stray.length} unasked for; ${killed} processes killed`,
      verdict: wrong === 0 && killed >= KILLS ? 'pass' : 'short',
      remark:
        wrong === 0 && killed < KILLS ? `the run ended after ${killed} kills; a longer one is --kills ${KILLS}` : '',
    },
    {
      target: 'writes accepted under an old token: 0',
      measured: `${oldTokenWrites.accepted} of ${oldTokenWrites.tried} tried`,
      verdict: oldTokenWrites.accepted === 0 && oldTokenWrites.tried > 0 ? 'pass' : 'short',
      remark: 'how that is measured: below',
    },
  ];
}

/** Below 100 samples there is no p99: then the longest of all must keep the bound. */
function latency(result: ChaosResult, what: string, cause: Cause, boundMs: number): Verdict {
  const target = `${what}: p99 ≤ ${boundMs} ms`;
  const found = result.causes.find((one) => one.cause === cause);
  const { takeover, untilDial } = found ?? {};
  if (!takeover || !untilDial)
    return { target, measured: '–', verdict: 'not measured', remark: 'no sample in this run' };
  const worst = takeover.p99 ?? takeover.max;
  const verdict = worst <= boundMs ? 'pass' : 'short';
  const few = takeover.p99 === null ? `no p99 below ${P99_FROM} samples: judged by the longest` : '';
  const why = verdict === 'pass' ? '' : explained(result, takeover, untilDial);
  return { target, measured: inWords(takeover), verdict, remark: [few, why].filter((text) => text !== '').join('; ') };
}

function inWords({ count, p50, p99, max }: Spread): string {
  return `p50 ${p50} ms, ${p99 === null ? '' : `p99 ${p99} ms, `}max ${max} ms (${count} samples)`;
}

function explained({ machine, driverLagMs }: ChaosResult, all: Spread, dial: Spread): string {
  return [
    `p95 is ${all.p95} ms`,
    `the longest took ${dial.max} ms until the dial`,
    `${machine.cores} cores carried a load of ${machine.load5}, since every killed process also starts anew`,
    `the measuring process itself was late by up to ${driverLagMs.max} ms`,
  ].join('; ');
}

function withoutIdentify(verdict: Verdict, { causes }: ChaosResult): Verdict {
  const identified = causes.find(({ cause }) => cause === 'drained')?.identified ?? 0;
  const target = `${verdict.target} and no Identify`;
  if (identified === 0) return { ...verdict, target };
  return { ...verdict, target, verdict: 'short', remark: `${identified} came back by Identify; ${verdict.remark}` };
}
