/**
 * An agent with somebody beside it who remembers how it does: whether it answers at all, since when not, and how long it has
 * been busy. It is told with the worker's report, so that status can say that the bot is live and answers nobody.
 */
import type { Clock } from '../async/clock.ts';
import { explain, GatewayError, TransientError } from '../errors.ts';
import type { Agent } from './agent.ts';

/**
 * - `away`: it cannot be reached, or does not answer in time
 * - `refuses`: it answers that it will not: key, model, address
 * - `fails`: it answers with an error of its own, or with what is no answer
 */
export type AgentFailure = 'away' | 'refuses' | 'fails';

export interface AgentStanding {
  readonly kind: string;
  /** Turns that it works on for this process. */
  readonly running: number;
  /** Since the one of them that has lasted longest began, ms; `null`: none runs. */
  readonly longestMs: number | null;
  /** A turn is given up after this many ms. */
  readonly limitMs: number;
  /** Since it last answered, ms; `null`: not since this process began, or since it was configured otherwise. */
  readonly answeredMs: number | null;
  /** What came instead of each answer since the last one; `null`: an answer, or nothing yet. */
  readonly failing: {
    readonly kind: AgentFailure;
    /** The last one's, in words. */
    readonly reason: string;
    /** HTTP status of the last one; `null`: there was none. */
    readonly status: number | null;
    /** How often in a row. */
    readonly count: number;
    /** Since the first and since the last of them, ms. */
    readonly forMs: number;
    readonly agoMs: number;
  } | null;
}

export interface WatchedAgent extends Agent {
  standing(): AgentStanding;
  /** It was configured otherwise: what was known of it is of another one. */
  forget(): void;
}

/** Of a reason; the log has it whole. */
const REASON_CHARS = 300;

export function watchAgent(agent: Agent, clock: Pick<Clock, 'monotonic'>): WatchedAgent {
  const running = new Set<{ readonly at: number }>();
  let answeredAt: number | null = null;
  let failing: Failing | null = null;

  const failed = (error: unknown): void => {
    const { kind, status } = failureOf(error);
    const now = clock.monotonic();
    const reason = explain(error).slice(0, REASON_CHARS);
    failing = { kind, reason, status, count: (failing?.count ?? 0) + 1, since: failing?.since ?? now, lastAt: now };
  };

  return {
    get kind() {
      return agent.kind;
    },
    get maxMessagesPerTurn() {
      return agent.maxMessagesPerTurn;
    },
    get historyMessages() {
      return agent.historyMessages;
    },
    get timeoutMs() {
      return agent.timeoutMs;
    },
    async reply(turn, { signal }) {
      const call = { at: clock.monotonic() };
      running.add(call);
      try {
        const replies = await agent.reply(turn, { signal });
        answeredAt = clock.monotonic();
        failing = null;
        return replies;
      } catch (error) {
        // Cut by us, as for a drain: that says nothing of the agent. A deadline does.
        if (!signal.aborted || signal.reason instanceof TransientError) failed(signal.aborted ? signal.reason : error);
        throw error;
      } finally {
        running.delete(call);
      }
    },
    standing() {
      const now = clock.monotonic();
      const [longest] = running;
      return {
        kind: agent.kind,
        running: running.size,
        longestMs: longest === undefined ? null : Math.round(now - longest.at),
        limitMs: agent.timeoutMs,
        answeredMs: answeredAt === null ? null : Math.round(now - answeredAt),
        failing: failing === null ? null : asAges(failing, now),
      };
    },
    forget() {
      answeredAt = null;
      failing = null;
    },
  };
}

/** Instants are monotonic ms. */
type Failing = Omit<NonNullable<AgentStanding['failing']>, 'forMs' | 'agoMs'> & {
  readonly since: number;
  readonly lastAt: number;
};

function asAges({ since, lastAt, ...rest }: Failing, now: number): AgentStanding['failing'] {
  return { ...rest, forMs: Math.round(now - since), agoMs: Math.round(now - lastAt) };
}

function failureOf(error: unknown): { kind: AgentFailure; status: number | null } {
  if (!(error instanceof GatewayError)) return { kind: 'fails', status: null };
  const status = error.status ?? null;
  if (error.code === 'AGENT_REFUSED') return { kind: 'refuses', status };
  return { kind: status === null ? 'away' : 'fails', status };
}
