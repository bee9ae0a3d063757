/**
 * Shows a tenure in Bull Board: the job's progress and log lines. For eyes, never evidence, so a failure to write is
 * only noted.
 */
import type { Job } from 'bullmq';
import type { Logger } from 'pino';
import { explain } from '../errors.ts';

/** At most one progress write per this many ms; the last one wins. */
const PROGRESS_EVERY_MS = 1_000;

export interface JobView {
  show(progress: Readonly<Record<string, string | number | null>>, line: string): void;
  close(): void;
}

export function createJobView(job: Job, log: Logger): JobView {
  let pending: Readonly<Record<string, string | number | null>> | null = null;
  let timer: NodeJS.Timeout | undefined;
  const note = (error: unknown) => log.debug({ reason: explain(error) }, 'job view not written');
  const write = () => {
    if (pending === null) {
      timer = undefined;
      return;
    }
    job.updateProgress(pending).catch(note);
    pending = null;
    timer = setTimeout(write, PROGRESS_EVERY_MS);
  };
  return {
    show(progress, line) {
      pending = progress;
      job.log(`${new Date().toISOString()} ${line}`).catch(note);
      if (timer === undefined) write();
    },
    close() {
      clearTimeout(timer);
      pending = null;
    },
  };
}
