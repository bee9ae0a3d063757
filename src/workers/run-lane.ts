/**
 * One job of a lane, as a story: take a turn → ask the agent → store its answer and remove the messages in one step →
 * next, until the lane is empty, has had its share, or must wait.
 *
 * Everything a successor needs is in Redis before the agent is called. Whoever runs the same turn again has the same id
 * and messages; whoever was overtaken can store nothing.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Sender } from '../adapters/adapter.ts';
import type { Agent, AgentReply } from '../agents/agent.ts';
import { withDeadline } from '../async/abort.ts';
import { type BackoffPolicy, backoffDelay } from '../async/backoff.ts';
import { explain, GatewayError, ProcessStopping, TransientError } from '../errors.ts';
import { connectionId } from '../model.ts';
import type { NewDeadLetter } from '../state/dead-letters.ts';
import type { DesiredConnection } from '../state/desired.ts';
import { insist } from '../state/insist.ts';
import type { Keys } from '../state/keys.ts';
import { addLaneJobs, type LaneQueue } from '../state/lane-jobs.ts';
import {
  type BegunTurn,
  beginTurn,
  commitTurn,
  countCut,
  type HistoryEntry,
  type LaneRef,
  postponeTurn,
  type Turn,
  type TurnResult,
  yieldLane,
} from '../state/lanes.ts';
import type { LaneJobData } from '../state/queues.ts';
import type { RedisClient } from '../state/redis.ts';
import type { Safeguards } from '../state/safeguards.ts';
import { boundReplies, type Shown } from './cut-answer.ts';
import type { LaneEnd, LaneStop } from './lane-worker.ts';
import { planReplies } from './reply-plan.ts';
import { isOver, MAX_STARTS, sendsLate, sortTurn, type TurnMessage, turnLetter } from './sort-turn.ts';
import type { TurnRunners } from './turn-runners.ts';
import type { Typing } from './typing.ts';

export interface LaneDeps {
  /** A client of profile `fenced`. */
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly agent: Agent;
  readonly turns: LaneQueue;
  readonly deliveries: LaneQueue;
  senderFor(connection: DesiredConnection): LaneSender;
  readonly log: Logger;
  readonly safeguards: Safeguards;
  readonly backoff: BackoffPolicy;
  readonly typing: Typing;
  readonly runners: TurnRunners;
  /** Most parts of the answer to one message. */
  maxReplyParts(): number;
  /** A turn was ended `ms` after it was taken; must not throw. */
  took?(platform: string, ms: number): void;
}

export type LaneSender =
  | { readonly kind: 'ready'; readonly sender: Pick<Sender, 'split' | 'typing'>; readonly dedupeWindowMs: number }
  | { readonly kind: 'none'; readonly reason: string };

/** Then the lane queues up again behind the others. */
const TURNS_PER_JOB = 20;
/** A conversation that was silent for this long starts anew for agents without memory, ms. */
const HISTORY_MS = 24 * 3_600_000;
/** While no process here can reply for the connection, ms. */
const ELSEWHERE_MS = 5_000;
/** An agent's wish for a longer wait is cut to this, ms. */
const MAX_WAIT_MS = 15 * 60_000;
/** Whether somebody else is still at work on a turn is looked at again after this, ms. */
const HELD_MS = 1_000;
/** How long letting go of a turn is tried when the process stops, ms. */
const LET_GO_MS = 1_000;

const DONE: LaneEnd = { kind: 'done' };

/** @throws the signal's reason when it aborts because the job is somebody else's now */
export async function runLane(deps: LaneDeps, job: LaneJobData, stop: LaneStop): Promise<LaneEnd> {
  using run = deps.runners.begin();
  return await new LaneRun(deps, job, stop, run.runner).run();
}

/** A turn that was taken, and who can reply for its connection. */
interface Taken {
  readonly turn: Turn;
  readonly route: Extract<LaneSender, { kind: 'ready' }>;
  /** Monotonic ms. */
  readonly takenAt: number;
}

class LaneRun {
  readonly #deps: LaneDeps;
  readonly #job: LaneJobData;
  readonly #stop: LaneStop;
  readonly #at: LaneRef;
  readonly #log: Logger;
  readonly #runner: string;

  constructor(deps: LaneDeps, job: LaneJobData, stop: LaneStop, runner: string) {
    this.#runner = runner;
    this.#deps = deps;
    this.#job = job;
    this.#stop = stop;
    this.#at = { connection: connectionId(job.connectionId), lane: job.lane };
    this.#log = deps.log.child({ connection: job.connectionId, lane: job.lane });
  }

  async run(): Promise<LaneEnd> {
    for (let turns = 0; ; turns += 1) {
      if (this.#stop.draining()) return { kind: 'again', afterMs: 0 };
      if (turns === TURNS_PER_JOB) return this.#yield();
      const begun = await this.#begin();
      if (begun.kind === 'over') return DONE;
      if (begun.kind === 'removed') {
        // A connection that comes back goes on where it was.
        this.#log.warn({ event: 'turn.no-connection' }, 'the connection was removed; its messages wait');
        return DONE;
      }
      if (begun.kind === 'waiting') return { kind: 'again', afterMs: begun.forMs };
      const takenAt = performance.now();
      const route = this.#deps.senderFor(begun.desired);
      const end =
        route.kind === 'none'
          ? await this.#leaveToOthers(begun, route.reason)
          : await this.#takeOnce({ turn: begun, route, takenAt });
      if (end !== 'next') return end;
    }
  }

  /** Takes the next turn, also from whoever is known not to be at work on it any more. */
  async #begin(): Promise<Exclude<BegunTurn, { kind: 'held' }>> {
    const { client, keys, agent, runners } = this.#deps;
    const options = {
      activation: this.#job.activation,
      runner: this.#runner,
      turnId: randomUUID(),
      maxMessages: agent.maxMessagesPerTurn,
      historyEntries: agent.historyMessages,
    };
    for (let from: string | null = null; ; ) {
      const begun = await insist(this.#stop.signal, () => beginTurn(client, keys, this.#at, { ...options, from }));
      if (begun.kind !== 'held') return begun;
      const { runner, foundForMs } = begun;
      if (await runners.isAtWork(runner, foundForMs)) {
        if (foundForMs === 0)
          this.#log.info({ event: 'turn.at-work', runner }, 'somebody is still at work on the turn');
        return { kind: 'waiting', forMs: HELD_MS };
      }
      from = runner;
    }
  }

  /** A turn whose process died at all starts but one may be why: it is started while no other such turn is. */
  async #takeOnce(taken: Taken): Promise<LaneEnd | 'next'> {
    const { crashes } = taken.turn;
    if (crashes !== MAX_STARTS - 1 || this.#deps.runners.mayStartLast(this.#runner)) return await this.#take(taken);
    const reason = 'its last start waits for that of another turn';
    const held = await this.#postpone(taken.turn, { forMs: HELD_MS, counts: false, reason });
    return held ? { kind: 'again', afterMs: HELD_MS } : DONE;
  }

  async #leaveToOthers(turn: Turn, reason: string): Promise<LaneEnd> {
    this.#log.warn({ event: 'turn.no-sender', reason }, 'this process cannot reply for the connection');
    const held = await this.#postpone(turn, { forMs: ELSEWHERE_MS, counts: false, reason });
    return held ? { kind: 'again', afterMs: ELSEWHERE_MS } : DONE;
  }

  /** One turn, from its messages to its end. */
  async #take(taken: Taken): Promise<LaneEnd | 'next'> {
    const { turn } = taken;
    const { messages, letters } = sortTurn(turn, this.#job.lane, turn.desired.lateReply);
    try {
      const replies = messages.length === 0 ? [] : await this.#ask(taken, messages);
      return await this.#answer(taken, messages, letters, replies);
    } catch (error) {
      return await this.#failed(taken, messages, letters, error);
    }
  }

  async #ask({ turn, route }: Taken, messages: readonly TurnMessage[]): Promise<readonly AgentReply[]> {
    const { agent, typing } = this.#deps;
    const { connection, lane } = this.#at;
    const events = messages.map(({ event }) => event);
    using _shown = typing.show(route.sender, events.at(-1)?.reply ?? null, lane, this.#stop);
    const request = {
      id: turn.id,
      connectionId: connection,
      conversation: events[0]?.conversation ?? '',
      session: `holdfast-${connection}-${lane}`,
      messages: events,
      // Also of what an earlier release stored.
      history: turn.history.filter(isSaid),
    };
    return await withDeadline(`agent ${agent.kind}`, agent.timeoutMs, this.#stop.signal, (signal) =>
      agent.reply(request, { signal }),
    );
  }

  /**
   * Hardly ever was a message replied to before, so the first plan takes that for given instead of asking; what was used
   * is checked in the step that stores the plan.
   */
  async #answer(
    taken: Taken,
    messages: readonly TurnMessage[],
    letters: readonly NewDeadLetter[],
    given: readonly AgentReply[],
  ): Promise<LaneEnd | 'next'> {
    const { turn, route, takenAt } = taken;
    const most = this.#deps.maxReplyParts() * Math.max(1, messages.length);
    const { replies, cut } = boundReplies(given, route.sender, most);
    const history = [...messages.map(said), ...replies.map(answered)].filter(isSaid);
    const limited = replies.flatMap(({ to: { reply } }) => (reply === null || reply.quota === null ? [] : reply.key));
    let used: ReadonlyMap<string, number> = new Map(limited.map((key) => [key, 0]));
    for (;;) {
      const plan = planReplies({
        turnId: turn.id,
        replies,
        used,
        sender: route.sender,
        sendsLate: (event) => sendsLate(event, turn.desired.lateReply),
        isOver: (event) => isOver(event, turn.now + (performance.now() - takenAt)),
      });
      const stored = await this.#commit(taken, {
        parts: plan.parts,
        letters: [...letters, ...plan.letters],
        history,
        used,
      });
      if (stored.kind === 'ended') {
        if (cut !== null && stored.end !== 'stale') this.#reportCut(turn, cut);
        return stored.end === 'stale' ? DONE : stored.end;
      }
      const found = stored.used;
      used = new Map(limited.map((key) => [key, found.get(key) ?? 0]));
    }
  }

  async #commit(
    { turn, route, takenAt }: Taken,
    result: TurnResult,
  ): Promise<{ kind: 'ended'; end: LaneEnd | 'next' | 'stale' } | { kind: 'used'; used: ReadonlyMap<string, number> }> {
    const { client, keys, agent, deliveries, safeguards } = this.#deps;
    const limits = {
      historyEntries: agent.historyMessages,
      historyMs: HISTORY_MS,
      replyMemoryMs: 2 * route.dedupeWindowMs,
    };
    const done = await insist(this.#stop.signal, () =>
      commitTurn(client, keys, this.#at, turn, result, limits, safeguards),
    );
    if (done.kind === 'used') return done;
    if (done.kind === 'stale') {
      this.#log.info(
        { event: 'turn.stale', turn: turn.id },
        'someone else took this turn; its result is not stored here',
      );
      return { kind: 'ended', end: 'stale' };
    }
    this.#deps.took?.(turn.desired.platform, performance.now() - takenAt);
    for (const letter of result.letters) {
      const level = letter.outcome === 'too-late' ? 'warn' : 'error';
      const facts = { event: 'turn.dead-letter', turn: turn.id, outcome: letter.outcome, code: letter.code };
      this.#log[level](facts, `not answered: ${letter.reason}`);
    }
    if (done.outboxActivation !== null) this.#wake(deliveries, 'out', done.outboxActivation);
    return { kind: 'ended', end: done.more ? 'next' : DONE };
  }

  #reportCut(turn: Turn, { shown, of }: Shown): void {
    const { client, keys } = this.#deps;
    this.#log.warn(
      { event: 'turn.answer-cut', turn: turn.id, shown, of },
      'the answer has more parts than agent.maxReplyParts; it was cut, and says so',
    );
    countCut(client, keys, this.#at.connection).catch((error: unknown) => {
      this.#log.debug({ reason: explain(error) }, 'a cut answer was not counted');
    });
  }

  async #failed(
    taken: Taken,
    messages: readonly TurnMessage[],
    letters: readonly NewDeadLetter[],
    error: unknown,
  ): Promise<LaneEnd | 'next'> {
    const { turn } = taken;
    const { signal } = this.#stop;
    if (signal.aborted) return this.#cut(turn, signal.reason);
    const facts = { event: 'turn.agent-failed', turn: turn.id, attempt: turn.attempt + 1, err: error };
    const isKnown = error instanceof GatewayError;
    // A defect of ours or the agent's is given as many tries as a crash.
    const givesUp = isKnown ? error.disposition !== 'retry' : turn.attempt + 1 >= MAX_STARTS;
    if (givesUp) {
      const [outcome, code] = isKnown ? (['agent-refused', error.code] as const) : (['crashed', 'BUG'] as const);
      this.#log.error(facts, 'the agent will not answer; the messages are kept as dead letters');
      const refused = messages.map((message) => turnLetter(this.#at.lane, message, outcome, code, explain(error)));
      return this.#answer(taken, [], [...letters, ...refused], []);
    }
    const wish = error instanceof TransientError ? error.retryAfterMs : undefined;
    const forMs = Math.min(wish ?? backoffDelay(this.#deps.backoff, turn.attempt, Math.random()), MAX_WAIT_MS);
    this.#log.warn({ ...facts, retryInMs: forMs }, 'the agent could not answer; it will be asked again');
    const held = await this.#postpone(turn, { forMs, counts: true, reason: explain(error) });
    return held ? { kind: 'again', afterMs: forMs } : DONE;
  }

  /** @returns false when someone took the turn after us */
  #postpone(turn: Turn, options: Parameters<typeof postponeTurn>[4]): Promise<boolean> {
    const { client, keys, safeguards } = this.#deps;
    return insist(this.#stop.signal, () => postponeTurn(client, keys, this.#at, turn.token, options, safeguards));
  }

  /** The agent's call was cut. @throws when the job was taken over: then nothing may be written */
  async #cut(turn: Turn, reason: unknown): Promise<LaneEnd> {
    if (!(reason instanceof ProcessStopping)) throw reason;
    const { client, keys, safeguards } = this.#deps;
    const options = { forMs: 0, counts: false, reason: 'the worker stopped' };
    await withDeadline('letting go of the turn', LET_GO_MS, new AbortController().signal, () =>
      postponeTurn(client, keys, this.#at, turn.token, options, safeguards),
    ).catch((error: unknown) => {
      this.#log.warn({ event: 'turn.not-let-go', reason: explain(error) }, 'the turn will count as crashed once');
    });
    return { kind: 'again', afterMs: 0 };
  }

  async #yield(): Promise<LaneEnd> {
    const { client, keys, turns } = this.#deps;
    const next = await insist(this.#stop.signal, () => yieldLane(client, keys, this.#at, this.#job.activation));
    if (next !== null) this.#wake(turns, 'lane', next);
    return DONE;
  }

  /** Not waited for: while BullMQ's connection is away the sweep does it. */
  #wake(queue: LaneQueue, kind: 'lane' | 'out', activation: number): void {
    const { connection, lane } = this.#at;
    addLaneJobs(queue, kind, connection, [{ lane, activation }]).catch((error: unknown) => {
      this.#log.warn({ event: 'turn.wake-failed', kind, err: error }, 'the sweep will wake it');
    });
  }
}

function said({ event }: TurnMessage): HistoryEntry {
  return { role: 'user', name: event.sender?.name ?? event.sender?.id ?? null, text: event.text };
}

/** Many an API refuses a conversation with a blank message in it, also long afterwards; a photo may have no words. */
function isSaid({ text }: HistoryEntry): boolean {
  return text.trim() !== '';
}

function answered({ text }: AgentReply): HistoryEntry {
  return { role: 'assistant', name: null, text };
}
