/** What was asked of a connection, and whether it shows yet. Pure. */
import type { ConnectionStatus } from './documents.ts';
import { span } from './words.ts';

export const VERBS = ['pause', 'resume', 'restart', 'handoff'] as const;
export type Verb = (typeof VERBS)[number];

export interface Asked {
  readonly verb: Verb;
  /** Redis's clock, ms. */
  readonly at: number;
  /** It should show within this, ms. */
  readonly withinMs: number;
  readonly tokenBefore: number | null;
  readonly ownerBefore: string | null;
}

export const VERB_WORDS: Readonly<
  Record<Verb, { readonly title: string; readonly button: string; readonly means: string }>
> = {
  pause: {
    title: 'Pause',
    button: 'Pause',
    means:
      'It is taken down, and the platform keeps its session. It stays down until it is resumed, over restarts and changes of the configuration.',
  },
  resume: {
    title: 'Resume',
    button: 'Resume',
    means: 'It may run again: a pause or a parking ends, and a worker takes it at once.',
  },
  restart: {
    title: 'Restart',
    button: 'Restart',
    means:
      'It is let go and taken anew, also when it is parked. Its session is kept, so nothing is lost; it is down for a moment.',
  },
  handoff: {
    title: 'Hand over',
    button: 'Hand over',
    means:
      'Another worker takes it, with its session. It is down for a moment; when nobody takes it within 5 s, anyone may, its present owner included.',
  },
};

/** What an operator would ask of it now. */
export function verbsFor({ state, owner }: Pick<ConnectionStatus, 'state' | 'owner'>): readonly Verb[] {
  switch (state) {
    case 'paused':
      return ['resume'];
    case 'parked':
      return ['resume', 'restart', 'pause'];
    default:
      return owner === null ? ['pause', 'restart'] : ['pause', 'restart', 'handoff'];
  }
}

function shows({ verb, tokenBefore, ownerBefore }: Asked, { state, owner, fencingToken }: ConnectionStatus): boolean {
  const isNew = fencingToken !== null && fencingToken > (tokenBefore ?? 0);
  switch (verb) {
    case 'pause':
      return state === 'paused';
    case 'resume':
      return state !== 'paused' && state !== 'parked';
    case 'restart':
      return isNew;
    case 'handoff':
      return isNew && owner !== ownerBefore;
    default:
      return verb satisfies never;
  }
}

/** Patience beyond what was promised: reading takes its time, too. */
const GRACE_MS = 3_000;

export interface Answer {
  readonly done: boolean;
  readonly text: string;
}

/** @param at - the time that asking is told with, in words */
export function answerTo(asked: Asked, connection: ConnectionStatus, now: number, at: string): Answer {
  const what = `${VERB_WORDS[asked.verb].title} was asked for at ${at}.`;
  if (shows(asked, connection)) {
    const { state, owner } = connection;
    const where = owner !== null && asked.verb !== 'pause' ? `, held by ${owner}` : '';
    return { done: true, text: `${what} It shows: ${state}${where}.` };
  }
  const late = now - asked.at > asked.withinMs + GRACE_MS;
  if (!late) {
    return {
      done: false,
      text: `${what} It shows here within ${span(asked.withinMs + 999)}, while workers and a scheduler run.`,
    };
  }
  const since = `${what} It does not show yet, after ${span(now - asked.at)}`;
  return {
    done: false,
    text:
      asked.verb === 'handoff'
        ? `${since}: nobody else took it, or its owner kept it.`
        : `${since}: are workers and a scheduler alive?`,
  };
}
