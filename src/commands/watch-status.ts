/**
 * `holdfast status --watch`: the table again and again, and how old it is when nobody answers any more. On a terminal it
 * is drawn in place; through a pipe only what changed is written, or with --json one document per line and look.
 */
import { sleep } from '../async/abort.ts';
import { explain } from '../errors.ts';
import type { StatusDocument } from '../status/document.ts';
import { allWell } from '../status/document.ts';
import { printableJson } from '../text/printable.ts';
import { EXIT } from './exit-codes.ts';
import { duration } from './table.ts';
import { line } from './terminal.ts';

export interface WatchOptions {
  read(): Promise<StatusDocument>;
  describe(status: StatusDocument): string;
  readonly json: boolean;
  /** Drawn in place, instead of line after line. */
  readonly inPlace: boolean;
  write(text: string): void;
  /** @defaultValue 2 s */
  readonly everyMs?: number;
}

const EVERY_MS = 2_000;
/** To the top left, and everything below it away. */
const CLEAR = '\u001b[H\u001b[J';

/** Until `signal` aborts. @returns the exit code for what was seen last: 2 when nobody answered */
export async function watchStatus(options: WatchOptions, signal: AbortSignal): Promise<number> {
  let last: { readonly status: StatusDocument; readonly at: number } | null = null;
  let shown = '';
  let code: number = EXIT.cannotTell;
  const show = (text: string, essence: string): void => {
    if (options.inPlace) options.write(CLEAR + text);
    else if (options.json || essence !== shown) options.write(text);
    shown = essence;
  };
  while (!signal.aborted) {
    try {
      const status = await options.read();
      last = { status, at: performance.now() };
      code = allWell(status) ? EXIT.ok : EXIT.notWell;
      const text = options.json ? `${printableJson(JSON.stringify(status))}\n` : options.describe(status);
      show(options.inPlace ? `${text}${line`As of ${status.at}.`}\n` : text, essenceOf(status));
    } catch (error) {
      code = EXIT.cannotTell;
      const since = last === null ? 'none so far' : `the last one ${duration(performance.now() - last.at)} ago`;
      const words = line`No answer (${since}): ${explain(error)}\n`;
      // What is older than this is no status any more, so it is not shown as one.
      if (options.json) process.stderr.write(words);
      else show(words, 'no answer');
    }
    await sleep(options.everyMs ?? EVERY_MS, { signal }).catch(() => undefined);
  }
  return code;
}

/** Ages tick in every look; a change is something else. */
function essenceOf({ connections, workers, scheduler, chain }: StatusDocument): string {
  return JSON.stringify([
    chain.troubles.map(({ kind, state, subject }) => [kind, state, subject]),
    connections.map(({ id, state, owner, reason }) => [id, state, owner, state === 'live' ? null : reason]),
    workers.map(({ id, configRefused, restartNeeded, notSharing }) => [id, configRefused, restartNeeded, notSharing]),
    scheduler.worker,
  ]);
}
