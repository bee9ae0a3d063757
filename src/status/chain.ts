/**
 * Whether people are answered: received → stored → turn → answer → sent, each link judged by evidence when somebody asks. A
 * connection that is live has the first link alone. Keys of what is exported here are a stable interface.
 */

/** `watch`: worth a look, and no failure; `failing`: somebody is not answered who should be. */
export const CHAIN_STATES = ['ok', 'watch', 'failing'] as const;
export type ChainState = (typeof CHAIN_STATES)[number];

/**
 * - `received`: the platform's events reach a holder
 * - `stored`: what comes is stored
 * - `turn`: what is stored is taken up
 * - `answer`: the agent answers what it is asked
 * - `sent`: answers reach the platform
 */
export const LINKS = ['received', 'stored', 'turn', 'answer', 'sent'] as const;
export type LinkName = (typeof LINKS)[number];

export const TROUBLES = [
  'disconnected',
  'no-sweep',
  'storage',
  'data-lost',
  'unseen',
  'inbound-stuck',
  'queue-settings',
  'queue-settled',
  'no-agent-worker',
  'untaken',
  'agent-away',
  'agent-refuses',
  'agent-fails',
  'unanswered',
  'turn-long',
  'no-delivery-worker',
  'unsent',
  'held',
  'sends-failing',
  'dead-letters',
] as const;
export type TroubleKind = (typeof TROUBLES)[number];

/** Something between a message and its answer that is not as it should be. */
export interface Trouble {
  readonly kind: TroubleKind;
  readonly link: LinkName;
  readonly state: Exclude<ChainState, 'ok'>;
  /** Who has it: a connection, an agent, a queue, `Redis`, `scheduler`. */
  readonly subject: string;
  /** The one connection that it is about; `null`: all of them. */
  readonly connection: string | null;
  /** In words. */
  readonly reason: string;
  /** What to do. */
  readonly advice: string;
  /** ISO 8601; `null` where nobody noted it. */
  readonly since: string | null;
  /** ISO 8601: when it goes on by itself, as far as known. */
  readonly until: string | null;
}

/** How one link stands: its worst trouble. All but `state` are `null` while it is ok. */
export interface LinkStatus {
  readonly state: ChainState;
  readonly reason: string | null;
  readonly advice: string | null;
  readonly since: string | null;
  readonly until: string | null;
}

/** How a connection's messages fare: the worst of its own troubles and of those that all connections have. */
export interface ConnectionChain extends LinkStatus {
  /** The link that is broken; `null` while all is ok. */
  readonly link: LinkName | null;
}

export interface ChainStatus {
  readonly state: ChainState;
  readonly links: Readonly<Record<LinkName, LinkStatus>>;
  /** Worst first, {@link TROUBLES_TOLD} at most. */
  readonly troubles: readonly Trouble[];
  /** Troubles beyond those. */
  readonly more: number;
}

/** An agent as its workers see it. */
export interface AgentStatus {
  readonly name: string;
  /** `null`: no worker says so. */
  readonly kind: string | null;
  /** Living processes that ask it. */
  readonly workers: number;
  /** Turns that it works on, and how many may be at a time. */
  readonly running: number;
  readonly places: number;
  /** Conversations that wait for their turn. */
  readonly waiting: number;
  /** Of the turns that run: the longest without a sign of life, ms; `null`: none runs. */
  readonly oldestSignAgeMs: number | null;
  readonly lastAnswerAgeMs: number | null;
  /** What comes instead of answers; `null`: nothing does. */
  readonly failing: {
    readonly kind: 'away' | 'refuses' | 'fails';
    readonly reason: string;
    readonly status: number | null;
    /** In a row. */
    readonly count: number;
    /** ISO 8601. */
    readonly since: string;
  } | null;
  /** Of kinds that have a connection of their own; else `null`. */
  readonly connected: boolean | null;
}

export const TROUBLES_TOLD = 100;

const SEVERITY: Readonly<Record<ChainState, number>> = { failing: 0, watch: 1, ok: 2 };

const WELL: LinkStatus = { state: 'ok', reason: null, advice: null, since: null, until: null };

/**
 * The worst first; those of which the connections themselves tell come behind, so that they push nothing else out; of equals
 * those that began first, as later ones may come of them.
 */
function byWeight(a: Trouble, b: Trouble): number {
  const shown = ({ kind }: Trouble) => Number(kind === 'disconnected');
  return SEVERITY[a.state] - SEVERITY[b.state] || shown(a) - shown(b) || (a.since ?? '').localeCompare(b.since ?? '');
}

/** @param troubles - in any order */
export function chainOf(troubles: readonly Trouble[]): ChainStatus {
  const sorted = [...troubles].sort(byWeight);
  const linkOf = (name: LinkName) => statusOf(sorted.find(({ link }) => link === name));
  return {
    state: sorted[0]?.state ?? 'ok',
    links: {
      received: linkOf('received'),
      stored: linkOf('stored'),
      turn: linkOf('turn'),
      answer: linkOf('answer'),
      sent: linkOf('sent'),
    },
    troubles: sorted.slice(0, TROUBLES_TOLD),
    more: Math.max(0, sorted.length - TROUBLES_TOLD),
  };
}

/** @returns by connection id */
export function connectionChains(troubles: readonly Trouble[]): (id: string) => ConnectionChain {
  const ofAll = worst(troubles.filter(({ connection }) => connection === null));
  const own = new Map<string, Trouble>();
  for (const trouble of troubles) {
    const { connection } = trouble;
    if (connection === null) continue;
    const known = own.get(connection);
    if (known === undefined || byWeight(trouble, known) < 0) own.set(connection, trouble);
  }
  return (id) => {
    const found = worst([ofAll, own.get(id)].filter((trouble) => trouble !== undefined));
    return { ...statusOf(found), link: found?.link ?? null };
  };
}

function worst(troubles: readonly Trouble[]): Trouble | undefined {
  return [...troubles].sort(byWeight)[0];
}

function statusOf(trouble: Trouble | undefined): LinkStatus {
  if (trouble === undefined) return WELL;
  const { state, reason, advice, since, until } = trouble;
  return { state, reason, advice, since, until };
}
