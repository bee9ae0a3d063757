/**
 * What keeps people from being answered, as conditions of alerts. Judged where status judges it (status/chain.ts), so that the
 * two never differ; here is only decided what is told, under which rule, and when. Pure.
 */

import type { Trouble, TroubleKind } from '../status/chain.ts';
import type { StatusDocument } from '../status/document.ts';
import type { AlertSettings, Condition, Rule } from './alert.ts';

type ChainRule = Extract<Rule, 'backlog' | 'agent' | 'sending' | 'queue'>;

/** `null`: told by another rule, or nothing that somebody should be woken for. */
const RULES: Readonly<Record<TroubleKind, ChainRule | null>> = {
  disconnected: null,
  'no-sweep': null,
  // A Redis that takes no writes keeps no alerts either: redis-away.ts tells it.
  storage: null,
  // Told by the rule about Redis.
  'data-lost': null,
  unseen: null,
  'inbound-stuck': 'backlog',
  'queue-settings': 'queue',
  'queue-settled': 'queue',
  'no-agent-worker': 'backlog',
  untaken: 'backlog',
  'agent-away': 'agent',
  'agent-refuses': 'agent',
  'agent-fails': 'agent',
  unanswered: 'agent',
  'turn-long': 'backlog',
  'no-delivery-worker': 'sending',
  unsent: 'sending',
  held: 'sending',
  'sends-failing': 'sending',
  'dead-letters': null,
};

/** What does not pass by waiting, ms. */
const SOON_MS = 10_000;
const SOON = new Set<TroubleKind>(['agent-refuses', 'queue-settings', 'sends-failing']);

export function watchChain(
  { chain: { troubles } }: StatusDocument,
  now: number,
  watchedSince: number,
  settings: AlertSettings,
): Condition[] {
  const agentIsTold = troubles.some(({ kind, state }) => kind.startsWith('agent-') && state === 'failing');
  return troubles.flatMap((trouble) => {
    const rule = RULES[trouble.kind];
    if (rule === null || !isTold(trouble)) return [];
    // The same once more, conversation by conversation.
    if (trouble.kind === 'unanswered' && agentIsTold) return [];
    return conditionOf(trouble, rule, now, watchedSince, settings);
  });
}

/** What was put right is over, and told all the same: somebody did it, and will again. */
function isTold({ kind, state }: Trouble): boolean {
  return state === 'failing' || kind === 'queue-settled';
}

function conditionOf(
  { kind, subject, reason, since }: Trouble,
  rule: ChainRule,
  now: number,
  watchedSince: number,
  { downAfterMs }: AlertSettings,
): Condition {
  const began = since === null ? now : Math.min(Date.parse(since), now);
  // What lasted while nobody watched gets its time to pass, as connections do.
  const countedFrom = Math.max(began, watchedSince);
  const waitMs = kind === 'queue-settled' ? 0 : SOON.has(kind) ? Math.min(SOON_MS, downAfterMs) : downAfterMs;
  return {
    key: `chain:${kind}:${subject}`,
    rule,
    subject,
    cause: kind,
    reason,
    since: began,
    dueAt: countedFrom + waitMs,
    before: null,
  };
}
