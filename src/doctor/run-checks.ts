/** Checks run side by side, each with a deadline of its own; what one of them throws is a finding like any other. */
import PQueue from 'p-queue';
import { childController, withDeadline } from '../async/abort.ts';
import { explain, GatewayError } from '../errors.ts';
import { redact } from '../text/redact.ts';
import { type Finding, fail } from './finding.ts';

export interface Check {
  /** Names its failure to answer. */
  readonly check: string;
  readonly subject: string | null;
  run(signal: AbortSignal): Promise<readonly Finding[]>;
}

/** Hundreds of connections must not dial all at once. */
const AT_ONCE = 40;
/** Longer than whatever a check waits for by itself, ms. */
const DEADLINE_MS = 15_000;

/** @returns findings in the order of the checks, without secrets. Never throws, unless `signal` aborts */
export async function runChecks(checks: readonly Check[], signal: AbortSignal): Promise<Finding[]> {
  using own = childController(signal);
  const queue = new PQueue({ concurrency: AT_ONCE });
  const all = await Promise.all(checks.map((check) => queue.add(() => runOne(check, own.signal))));
  return all.flat().map((finding) => ({
    ...finding,
    message: redact(finding.message),
    fix: finding.fix === null ? null : redact(finding.fix),
  }));
}

async function runOne({ check, subject, run }: Check, signal: AbortSignal): Promise<readonly Finding[]> {
  try {
    return await withDeadline('the check', DEADLINE_MS, signal, run);
  } catch (error) {
    signal.throwIfAborted();
    const fix =
      error instanceof GatewayError
        ? 'look after what the message names'
        : 'a defect of Holdfast: report it with this message';
    return [fail(check, explain(error), fix, { subject })];
  }
}
