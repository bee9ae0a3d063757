/** What becomes of the BullMQ job when its tenure has ended: the only place that translates one into the other. */
import type { Job } from 'bullmq';
import type { Logger } from 'pino';
import { sleep } from '../async/abort.ts';
import { explain } from '../errors.ts';
import type { TenureEnd } from './tenure-end.ts';

/** A job that can't be held here comes back after this, ms; sooner would return it thousands of times a second. */
const ELSEWHERE_MS = 500;
/** A job that others should take comes back soon, ms: this worker stands aside for longer. */
const MEANT_FOR_OTHERS_MS = 150;
/** A job handed over on purpose is taken up at once, but not by the fetch that is still blocking here, ms. */
const HANDOVER_MS = 50;
/** How long settling is tried, ms: with Redis away, the job's lock runs out by itself. */
const SETTLE_FOR_MS = 20_000;

/**
 * Never throws. A job whose lock is gone is somebody else's by now and is left alone.
 *
 * @param signal - gives up waiting for Redis
 */
export async function settleJob(
  job: Job,
  jobToken: string,
  end: TenureEnd,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + SETTLE_FOR_MS;
  for (;;) {
    try {
      await move(job, jobToken, end);
      return;
    } catch (error) {
      const reason = explain(error);
      if (/lock|missing key|not in the active state/i.test(reason)) {
        log.debug({ reason }, 'the job is no longer ours');
        return;
      }
      if (performance.now() > deadline) {
        log.warn({ event: 'settle-failed', reason }, 'the job could not be given back; its lock will run out');
        return;
      }
    }
    try {
      await sleep(250, { signal });
    } catch {
      return;
    }
  }
}

async function move(job: Job, token: string, end: TenureEnd): Promise<void> {
  const later = (ms: number) => job.moveToDelayed(Date.now() + ms, token);
  switch (end.kind) {
    case 'busy':
      return later(Math.min(Math.max(end.leftMs, 100), ELSEWHERE_MS) + Math.random() * 100);
    case 'elsewhere':
      return later(MEANT_FOR_OTHERS_MS);
    case 'unfit':
    case 'host-refused':
      return later(MEANT_FOR_OTHERS_MS + Math.random() * MEANT_FOR_OTHERS_MS);
    case 'unreachable':
      return later(ELSEWHERE_MS + Math.random() * ELSEWHERE_MS);
    case 'handed-over':
      return end.again ? later(HANDOVER_MS) : void (await job.moveToCompleted('', token, false));
    case 'fenced':
      // Full jitter: after a Redis outage every connection of every worker comes through here at once.
      return later(HANDOVER_MS + Math.random() * ELSEWHERE_MS);
    case 'not-wanted':
      await job.moveToCompleted('', token, false);
      return;
    case 'fatal':
    case 'bug':
      await job.moveToFailed(end.error, token, false);
      return;
    default:
      return end satisfies never;
  }
}
