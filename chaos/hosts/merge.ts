/** The run about lost hosts joins the report of the other faults: it needs hosts of its own, so it is a run of its own. */
import type { ChaosResult } from '../result.ts';
import type { HostsResult } from './result.ts';

/** @throws RangeError when the two runs had other timings: their numbers would stand under one lease */
export function withHosts(report: ChaosResult, hosts: HostsResult): ChaosResult {
  if (report.leaseMs !== hosts.leaseMs) {
    throw new RangeError(
      `the report is of a lease of ${report.leaseMs} ms, the run about hosts of ${hosts.leaseMs} ms: make both on the same timings`,
    );
  }
  const others = report.causes.filter(({ cause }) => cause !== hosts.cause.cause);
  return { ...report, causes: [...others, hosts.cause], hosts };
}
