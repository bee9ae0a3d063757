/** What became of one connection, as text: where it was held, what happened, what was logged, what went wrong. */
import type { ConnectionDetail } from '../status/connection-detail.ts';
import type { Tenure } from '../status/tenures.ts';
import { duration } from './table.ts';
import { line } from './terminal.ts';

/** Errors are shown with this much of their stacks, lines; `--json` has all that is kept. */
const STACK_LINES = 4;
const LOG_SHOWN = 15;

/** @param now - ms since the epoch, by Redis's clock */
export function connectionStory({ tenures, history, log, errors }: ConnectionDetail, now: number): string {
  return [
    ...chapter(
      'Tenures, newest first',
      tenures.map((tenure) => describeTenure(tenure, now)),
    ),
    ...chapter(
      'History, newest first',
      history.map(({ at, what, detail }) => line`${at}  ${what}${detail === null ? '' : `: ${detail}`}`),
    ),
    ...chapter(
      'Log, newest first',
      log.slice(0, LOG_SHOWN).map(({ at, level, text }) => line`${at}  ${level}: ${text}`),
    ),
    ...chapter('Last errors', errors.flatMap(describeError)),
  ].join('\n');
}

function chapter(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...lines.map((one) => `  ${one}`)];
}

function describeTenure({ worker, startedAt, endedAt, how, endedBecause, events }: Tenure, now: number): string {
  const lasted = duration((endedAt === null ? now : Date.parse(endedAt)) - Date.parse(startedAt));
  const facts = [
    endedAt === null ? `for ${lasted} until now` : `for ${lasted}`,
    how ?? 'never live',
    ...(events === null ? [] : [`${events} ${events === 1 ? 'message' : 'messages'}`]),
    ...(endedBecause === null ? [] : [`ended: ${endedBecause}`]),
  ];
  return line`${startedAt}  ${worker}  ${facts.join(', ')}`;
}

function describeError({ at, code, message, stack }: ConnectionDetail['errors'][number]): string[] {
  const frames = stack.split('\n').filter((frame) => /^\s+at |^caused by: /.test(frame));
  return [
    line`${at}  ${code === null ? '' : `${code}: `}${message}`,
    ...frames.slice(0, STACK_LINES).map((frame) => line`    ${frame.trim()}`),
  ];
}
