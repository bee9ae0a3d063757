/**
 * Guards that can be taken away, one at a time, to show that the checks of the simulation would notice. Production code is
 * not touched: a mutation changes what the simulator hands to it, or the text of a script before it is compiled.
 */

import { ALL_SAFEGUARDS, type Safeguards } from '../../src/state/safeguards.ts';
import { leaseMargin } from '../../src/workers/lease-clock.ts';

export const MUTATIONS = [
  /** Redis takes writes of holders, turns and deliveries that were overtaken. */
  'fencing-check',
  /** A holder believes its lease for as long as Redis does, and a little longer. */
  'self-fence-margin',
  /** Ids that were seen are not remembered. */
  'dedupe',
  /** A batch is taken although the one before it is missing. */
  'batch-chaining',
  /** The job of a lane has the same name every time. */
  'activation-number',
  /** The cursor is not kept. */
  'cursor',
  /** Jobs that nobody works on are left to BullMQ's check, whose pace Redis's clock keeps. */
  'abandoned-jobs',
  /** A postponed turn waits until its instant, also when the clock was set back. */
  'postponed-turn',
  /** A turn is taken from whoever is at work on it, as soon as its job lock ran out. */
  'turn-runner',
  /** Deaths of those who read an event are not counted. */
  'reading-note',
  /** Deaths of those who had read it already are. */
  'note-closed',
  /** Whoever comes after a holder that died without progress is not told. */
  'careful-claim',
] as const;

export type Mutation = (typeof MUTATIONS)[number];

export function safeguardsWith(mutation: Mutation | null): Safeguards {
  return {
    ...ALL_SAFEGUARDS,
    ...(mutation === 'fencing-check' ? { fence: false } : {}),
    ...(mutation === 'dedupe' ? { dedupe: false } : {}),
    ...(mutation === 'cursor' ? { cursor: false } : {}),
  };
}

/** Guards that stand in scripts: the text that is replaced. */
const IN_SCRIPTS: Partial<Record<Mutation, { readonly script: string; readonly from: string; readonly to: string }>> = {
  'batch-chaining': {
    script: 'ingest',
    from: "if not position or position < from then\n  return { 'gap' }",
    to: 'if not position or position < from then\n  position = from',
  },
  'abandoned-jobs': {
    script: 'check-locks',
    from: 'for i = 1, #KEYS do',
    to: 'for i = 1, #KEYS do\n  left[i] = 1\nend\nfor i = 1, 0 do',
  },
  'postponed-turn': {
    script: 'begin-turn',
    from: 'if left > told then',
    to: 'if false then',
  },
  'reading-note': {
    script: 'begin-reading',
    from: "'deaths ' .. was[1], 1)",
    to: "'deaths ' .. was[1], 0)",
  },
  'note-closed': {
    script: 'begin-reading',
    from: "if was[3] == '1' and was[2] ~= ARGV[1] then",
    to: 'if was[1] and was[2] ~= ARGV[1] then',
  },
  'careful-claim': {
    script: 'claim',
    from: "lost, careful and '1' or '' }",
    to: "lost, '' }",
  },
};

/** @throws when the script no longer has the guard in the form known here: the mutation would change nothing */
export function mutateScript(mutation: Mutation | null, name: string, source: string): string {
  const change = mutation === null ? undefined : IN_SCRIPTS[mutation];
  if (change?.script !== name) return source;
  if (!source.includes(change.from)) throw new Error(`${name}.lua has changed: the mutation must follow`);
  return source.replace(change.from, change.to);
}

/** Job ids of lanes end in the activation. */
export function mutateJobId(mutation: Mutation | null, id: string): string {
  return mutation === 'activation-number' ? id.replace(/-\d+$/, '') : id;
}

/** What the lease keeper is told the lease is, so that its margin is used up; Redis is told the truth all the same. */
export function believedLeaseMs(mutation: Mutation | null, leaseMs: number): number {
  if (mutation !== 'self-fence-margin') return leaseMs;
  let toldMs = leaseMs;
  while (toldMs - leaseMargin(toldMs) < 1.1 * leaseMs) toldMs += 10;
  return toldMs;
}
