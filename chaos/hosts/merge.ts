/** The run about lost hosts joins the report of the other faults: it needs hosts of its own, so it is a run of its own. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
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

/** What a folder's earlier report says about lost hosts stays there, with its own date, while the other faults are made anew. */
export async function withKeptHosts(folder: string, report: ChaosResult): Promise<ChaosResult> {
  const earlier = await readReport(folder);
  if (earlier?.hosts == null || earlier.hosts.leaseMs !== report.leaseMs) return report;
  return withHosts(report, earlier.hosts);
}

/** The report in a folder; `undefined` where there is none. */
export async function readReport(folder: string): Promise<ChaosResult | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, 'chaos-report.json'), 'utf8')) as ChaosResult;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
