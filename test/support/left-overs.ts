/**
 * Finds processes by a mark that a test put into their environment. Children inherit it, and so does the embedded
 * Redis, which leaves the process group: what bears the mark was started by that test and by nobody else.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

const VARIABLE = 'HOLDFAST_TEST_MARK';

export interface MarkedProcess {
  readonly pid: number;
  readonly command: string;
}

export interface ProcessMark {
  /** To be added to the environment of each process of the test. */
  readonly env: Readonly<Record<string, string>>;
  /** Those alive now, oldest pid first. Empty where the system has no /proc. */
  find(): MarkedProcess[];
}

export function markProcesses(): ProcessMark {
  const value = randomBytes(8).toString('hex');
  return {
    env: { [VARIABLE]: value },
    find: () => processIds().flatMap((pid) => readProcess(pid, `${VARIABLE}=${value}`)),
  };
}

function processIds(): number[] {
  try {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => Number.isInteger(pid) && pid > 0)
      .sort((a, b) => a - b);
  } catch {
    return [];
  }
}

function readProcess(pid: number, assignment: string): MarkedProcess[] {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
    if (!environment.includes(assignment)) return [];
    return [{ pid, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() }];
  } catch {
    // It ended meanwhile, or it is not ours to look at.
    return [];
  }
}
