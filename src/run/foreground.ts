/**
 * What every foreground command does with signals: the first SIGTERM or SIGINT drains, the second forces. The exit code
 * says how it went: 0 drained, 1 forced or too late.
 */
import type { Logger } from 'pino';
import { explain } from '../errors.ts';

/** `holdfast` promises to be gone within 10 s of the first signal, ms. */
const GONE_WITHIN_MS = 9_500;

export interface Foreground {
  /** Resolves with the name of what asked for the end: a signal, or a reason given to `end`. */
  readonly ending: Promise<string>;
  /** Asks for the end from inside. Only the first call counts. */
  end(reason: string): void;
}

export function foreground(log: Logger): Foreground {
  let asked = false;
  let resolve: (reason: string) => void = () => undefined;
  const ending = new Promise<string>((done) => {
    resolve = done;
  });
  const end = (reason: string): void => {
    if (asked) return;
    asked = true;
    log.info({ event: 'draining', reason }, `draining: ${reason}`);
    setTimeout(() => {
      log.error({ event: 'drain-deadline' }, 'not drained in time: leaving');
      process.exit(1);
    }, GONE_WITHIN_MS).unref();
    resolve(reason);
  };
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (asked) {
        log.warn({ event: 'forced' }, `${name} again: leaving at once`);
        process.exit(1);
      }
      end(name);
    });
  }
  return { ending, end };
}

/** A defect that reached the top is logged with its stack before the process ends; nothing dies without a last word. */
export function reportUncaught(log: Logger): void {
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error, event: 'uncaught' }, 'uncaught exception: this process ends and will be replaced');
    process.exit(70);
  });
  process.on('unhandledRejection', (reason) => {
    const error = reason instanceof Error ? reason : new Error(explain(reason));
    log.fatal({ err: error, event: 'unhandled' }, 'unhandled rejection: this process ends and will be replaced');
    process.exit(70);
  });
}
