/**
 * Shows a tenure in Bull Board: the job's progress and log lines. For eyes, never evidence, so a failure to write is
 * only noted.
 */
import type { Job } from 'bullmq';
import type { Logger } from 'pino';
import { explain } from '../errors.ts';

/**
 * What is shown gathers for this long, ms, the first time as well: a start goes through several states within a second,
 * and a worker that starts hundreds of connections has better things to do.
 */
const GATHER_MS = 1_000;

export interface JobView {
  show(progress: Readonly<Record<string, string | number | null>>, line: string): void;
  close(): void;
}

export function createJobView(job: Job, log: Logger): JobView {
  let progress: Readonly<Record<string, string | number | null>> | null = null;
  let lines: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  const note = (error: unknown) => log.debug({ reason: explain(error) }, 'job view not written');
  const write = () => {
    timer = undefined;
    if (progress === null) return;
    job.updateProgress(progress).catch(note);
    job.log(lines.join('\n')).catch(note);
    progress = null;
    lines = [];
  };
  return {
    show(shown, line) {
      progress = shown;
      lines.push(`${new Date().toISOString()} ${line}`);
      timer ??= setTimeout(write, GATHER_MS);
    },
    close() {
      clearTimeout(timer);
      progress = null;
      // How it ended is what people look for.
      if (lines.length > 0) job.log(lines.join('\n')).catch(note);
      lines = [];
    },
  };
}
