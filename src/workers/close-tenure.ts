/** The end of a tenure: said once in the log, and written once to Redis, fenced like every write of a holder. */
import type { Logger } from 'pino';
import { withDeadline } from '../async/abort.ts';
import { type BackoffPolicy, backoffDelay } from '../async/backoff.ts';
import { explain } from '../errors.ts';
import { endTenure, LONGEST_RESTART_DELAY_MS, type TenureClose } from '../state/leases.ts';
import type { HoldDeps, Tenure } from './tenure.ts';
import type { TenureEnd } from './tenure-end.ts';

/** Delay before a connection is started again after a defect: grows with the number of defects in a row. */
const BUG_BACKOFF: BackoffPolicy = { baseMs: 2_000, capMs: LONGEST_RESTART_DELAY_MS, factor: 2 };
/** After this long without one, earlier defects no longer count, ms. */
const BUG_FORGOTTEN_AFTER_MS = 600_000;
/** How long the last write of a tenure is tried, ms; after that the lease runs out by itself. */
const CLOSE_DEADLINE_MS = 2_000;

/** Never throws: with Redis away the lease runs out by itself, and the scheduler moves the job. */
export async function closeTenure(
  deps: HoldDeps,
  tenure: Tenure,
  log: Logger,
  end: TenureEnd,
  heldMs: number,
): Promise<void> {
  const { claim, desired } = tenure;
  report(log, end, heldMs);
  const record = closeRecord(deps, tenure, end, heldMs);
  if (record === null) return;
  try {
    await withDeadline('end of the tenure', CLOSE_DEADLINE_MS, new AbortController().signal, () =>
      endTenure(deps.client, deps.keys, desired.id, claim.token, record),
    );
  } catch (error) {
    // Nothing depends on it: the lease runs out, and the scheduler moves the job.
    log.warn({ event: 'release-failed', reason: explain(error) }, 'the end of the tenure could not be written');
  }
}

function closeRecord(deps: HoldDeps, tenure: Tenure, end: TenureEnd, heldMs: number): TenureClose | null {
  switch (end.kind) {
    case 'handed-over':
      return { end: 'released', reason: end.reason, why: end.leaving ? 'process' : end.again ? null : 'nobody-wants' };
    case 'fenced':
      // By ourselves the lease may still be ours for a moment; by another worker this write is refused.
      return { end: 'released', reason: end.reason };
    case 'host-refused':
      return { end: 'released', reason: end.reason };
    case 'fatal':
      return {
        end: 'parked',
        reason: explain(end.error),
        code: end.code,
        fingerprint: tenure.desired.fingerprint,
        probeAfterMs: deps.timings.probeEveryMs,
      };
    case 'bug': {
      const countFromZero = heldMs > BUG_FORGOTTEN_AFTER_MS;
      const delayMs = backoffDelay(BUG_BACKOFF, countFromZero ? 0 : tenure.claim.bugs, Math.random());
      return { end: 'bug', reason: explain(end.error), delayMs, countFromZero };
    }
    case 'busy':
    case 'not-wanted':
    case 'elsewhere':
    case 'unfit':
    case 'unreachable':
      return null;
    default:
      return end satisfies never;
  }
}

function report(log: Logger, end: TenureEnd, heldMs: number): void {
  const fields = { event: 'tenure-ended', end: end.kind, heldMs: Math.round(heldMs) };
  switch (end.kind) {
    case 'bug':
      log.error({ ...fields, err: end.error }, 'a defect ended the tenure; it will be started again');
      return;
    case 'fatal':
      log.error({ ...fields, code: end.code, err: end.error }, 'the connection needs a person and is parked');
      return;
    case 'host-refused':
      log.warn({ ...fields, reason: end.reason }, 'the platform refuses this host; another host is tried');
      return;
    case 'handed-over':
    case 'fenced':
      log.info({ ...fields, reason: end.reason }, 'tenure ended');
      return;
    default:
      log.info(fields, 'tenure ended');
  }
}
