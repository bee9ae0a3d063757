/**
 * What to do about a connection that is not live: the runbook's words, short, with the place where it says more. Pure.
 */
import type { ConnectionStatus } from './documents.ts';

export interface Advice {
  readonly todo: string;
  /** Of the runbook that comes with the page. */
  readonly href: string;
}

const RUNBOOK = '/docs/runbook.html';

/** The first that fits decides. The rows of "Waiting for long". */
const WAITING: readonly (readonly [RegExp, string])[] = [
  [
    /\brival\b|conflict|\b4902\b/i,
    'Another program uses the same bot. Stop it, or give it another bot: two cannot hold one.',
  ],
  [/webhook is set/i, 'A webhook takes the messages of this bot. Remove it (deleteWebhook), and polling goes on.'],
  [/[Pp]rox(y|ies)|\bCONNECT\b|SOCKS/, 'Check the proxy on the way; it comes back by itself when that does.'],
  [/whitelist|11298/i, 'List the address of this host in the QQ bot console.'],
  [/Identify refused|4903/, 'Check permissions, whitelist and the daily limit of sessions in the QQ bot console.'],
  [
    /identify (limit|budget)/i,
    'Too many new sessions today: something restarts too often, or a second program uses the bot.',
  ],
  [/storage is full|Redis/i, 'Redis is full or away: connections wait for it.'],
  [
    /E(CONN|NOTFOUND|AI_AGAIN|TIMEDOUT|HOST|NET|PIPE)|timed out|not open within|no answer within|DNS|half-open|\b1006\b|reset/i,
    'Check the network between this host and the platform. It is tried again by itself, without end.',
  ],
];
const WAIT = 'Nothing if it is young: it is tried again by itself, without end.';

const UNOWNED: readonly (readonly [RegExp, string])[] = [
  [/no scheduler/, 'Start "holdfast up" or "holdfast scheduler": without one nothing is restarted.'],
  [/no worker can hold it/, 'Give the workers the same configuration: they lack its secret or its platform.'],
  [/a defect ended it/, 'It starts again by itself, later each time. Report the stack below its history.'],
  [/has been silent/, 'Nothing: another worker takes over when the lease ends, or sooner if its process died.'],
];
const NOBODY =
  'If it stays so for more than some seconds: start a worker with the role "connections", or raise --capacity.';

/** @returns `null` while there is nothing to do */
export function adviseOn({ state, reason }: Pick<ConnectionStatus, 'state' | 'reason'>): Advice | null {
  const why = reason ?? '';
  switch (state) {
    case 'live':
    case 'paused':
      return null;
    case 'connecting':
      return {
        todo: WAITING.find(([pattern]) => pattern.test(why))?.[1] ?? 'Wait for this attempt to end.',
        href: `${RUNBOOK}#state-by-state`,
      };
    case 'waiting':
      return { todo: WAITING.find(([pattern]) => pattern.test(why))?.[1] ?? WAIT, href: `${RUNBOOK}#waiting-for-long` };
    case 'unowned':
      return { todo: UNOWNED.find(([pattern]) => pattern.test(why))?.[1] ?? NOBODY, href: `${RUNBOOK}#unowned` };
    case 'parked':
      return {
        todo: 'Only a person can help: correct what the reason names, then resume it.',
        href: `${RUNBOOK}#parked`,
      };
    default:
      return state satisfies never;
  }
}
