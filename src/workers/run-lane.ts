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
import { type DesiredConnection, readDesired } from '../state/desired.ts';
import { insist } from '../state/insist.ts';
import type { Keys } from '../state/keys.ts';
import { addLaneJobs, type LaneQueue } from '../state/lane-jobs.ts';
import {
  beginTurn,
  commitTurn,
  type HistoryEntry,
  type LaneRef,
  postponeTurn,
  repliesUsed,
  type Turn,
  type TurnResult,
  yieldLane,
} from '../state/lanes.ts';
import type { LaneJobData } from '../state/queues.ts';
import type { RedisClient } from '../state/redis.ts';
import type { Safeguards } from '../state/safeguards.ts';
import type { LaneEnd, LaneStop } from './lane-worker.ts';
import { planReplies } from './reply-plan.ts';
import { MAX_CRASHES, sendsLate, sortTurn, type TurnMessage, turnLetter } from './sort-turn.ts';
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
/** How long letting go of a turn is tried when the process stops, ms. */
const LET_GO_MS = 1_000;

const DONE: LaneEnd = { kind: 'done' };

/** @throws the signal's reason when it aborts because the job is somebody else's now */
export async function runLane(deps: LaneDeps, job: LaneJobData, stop: LaneStop): Promise<LaneEnd> {
  const connection = connectionId(job.connectionId);
  const log = deps.log.child({ connection, lane: job.lane });
  const desired = await insist(stop.signal, () => readDesired(deps.client, deps.keys, connection));
  if (desired === null) {
    // Its lane stays as it is: a connection that comes back goes on where it was.
    log.warn({ event: 'turn.no-connection' }, 'the connection was removed; its messages wait');
    return DONE;
  }
  const route = deps.senderFor(desired);
  if (route.kind === 'none') {
    log.warn({ event: 'turn.no-sender', reason: route.reason }, 'this process cannot reply for the connection');
    return { kind: 'again', afterMs: ELSEWHERE_MS };
  }
  return new LaneRun(deps, { desired, route, job, log, stop }).run();
}

interface LaneContext {
  readonly desired: DesiredConnection;
  readonly route: Extract<LaneSender, { kind: 'ready' }>;
  readonly job: LaneJobData;
  readonly log: Logger;
  readonly stop: LaneStop;
}

class LaneRun {
  readonly #deps: LaneDeps;
  readonly #context: LaneContext;
  readonly #at: LaneRef;
  readonly #log: Logger;
  /** When the present turn was taken, monotonic ms. */
  #takenAt = 0;

  constructor(deps: LaneDeps, context: LaneContext) {
    this.#deps = deps;
    this.#context = context;
    this.#at = { connection: context.desired.id, lane: context.job.lane };
    this.#log = context.log;
  }

  async run(): Promise<LaneEnd> {
    for (let turns = 0; ; turns += 1) {
      if (this.#context.stop.draining()) return { kind: 'again', afterMs: 0 };
      if (turns === TURNS_PER_JOB) return this.#yield();
      const begun = await this.#begin();
      if (begun.kind === 'over') return DONE;
      if (begun.kind === 'waiting') return { kind: 'again', afterMs: begun.forMs };
      const end = await this.#take(begun);
      if (end !== 'next') return end;
    }
  }

  #begin() {
    const { client, keys, agent } = this.#deps;
    const options = {
      activation: this.#context.job.activation,
      runner: randomUUID(),
      turnId: randomUUID(),
      maxMessages: agent.maxMessagesPerTurn,
      historyEntries: agent.historyMessages,
    };
    return insist(this.#context.stop.signal, () => beginTurn(client, keys, this.#at, options));
  }

  /** One turn, from its messages to its end. */
  async #take(turn: Turn): Promise<LaneEnd | 'next'> {
    const takenAt = performance.now();
    this.#takenAt = takenAt;
    const redisNow = () => turn.now + (performance.now() - takenAt);
    const { desired, route, job } = this.#context;
    const { messages, letters } = sortTurn(turn, job.lane, desired.lateReply);
    try {
      const replies = messages.length === 0 ? [] : await this.#ask(turn, messages);
      const used = await this.#used(replies);
      const plan = planReplies({
        turnId: turn.id,
        replies,
        used,
        sender: route.sender,
        sendsLate: (event) => sendsLate(event, desired.lateReply),
        now: redisNow(),
      });
      const history = [...messages.map(said), ...replies.map(answered)];
      return await this.#commit(turn, { parts: plan.parts, letters: [...letters, ...plan.letters], history });
    } catch (error) {
      return await this.#failed(turn, messages, letters, error);
    }
  }

  async #ask(turn: Turn, messages: readonly TurnMessage[]): Promise<readonly AgentReply[]> {
    const { agent, typing } = this.#deps;
    const { connection, lane } = this.#at;
    const { route, stop } = this.#context;
    const events = messages.map(({ event }) => event);
    using _shown = typing.show(route.sender, events.at(-1)?.reply ?? null, lane, stop);
    const request = {
      id: turn.id,
      connectionId: connection,
      conversation: events[0]?.conversation ?? '',
      session: `holdfast-${connection}-${lane}`,
      messages: events,
      history: turn.history,
    };
    return await withDeadline(`agent ${agent.kind}`, agent.timeoutMs, stop.signal, (signal) =>
      agent.reply(request, { signal }),
    );
  }

  async #used(replies: readonly AgentReply[]): Promise<ReadonlyMap<string, number>> {
    const limited = replies.flatMap(({ to }) => (to.reply === null || to.reply.quota === null ? [] : to.reply.key));
    const replyKeys = [...new Set(limited)];
    const { client, keys } = this.#deps;
    const counts = await insist(this.#context.stop.signal, () =>
      repliesUsed(client, keys, this.#at.connection, replyKeys),
    );
    return new Map(replyKeys.map((key, index) => [key, counts[index] ?? 0]));
  }

  async #commit(turn: Turn, result: TurnResult): Promise<LaneEnd | 'next'> {
    const { client, keys, agent, deliveries, safeguards } = this.#deps;
    const limits = {
      historyEntries: agent.historyMessages,
      historyMs: HISTORY_MS,
      replyMemoryMs: 2 * this.#context.route.dedupeWindowMs,
    };
    const done = await insist(this.#context.stop.signal, () =>
      commitTurn(client, keys, this.#at, turn, result, limits, safeguards),
    );
    if (done.kind === 'stale') {
      this.#log.info(
        { event: 'turn.stale', turn: turn.id },
        'someone else took this turn; its result is not stored here',
      );
      return DONE;
    }
    this.#deps.took?.(this.#context.desired.platform, performance.now() - this.#takenAt);
    for (const letter of result.letters) {
      const level = letter.outcome === 'too-late' ? 'warn' : 'error';
      const facts = { event: 'turn.dead-letter', turn: turn.id, outcome: letter.outcome, code: letter.code };
      this.#log[level](facts, `not answered: ${letter.reason}`);
    }
    if (done.outboxActivation !== null) this.#wake(deliveries, 'out', done.outboxActivation);
    return done.more ? 'next' : DONE;
  }

  async #failed(
    turn: Turn,
    messages: readonly TurnMessage[],
    letters: readonly NewDeadLetter[],
    error: unknown,
  ): Promise<LaneEnd | 'next'> {
    const { signal } = this.#context.stop;
    if (signal.aborted) return this.#cut(turn, signal.reason);
    const facts = { event: 'turn.agent-failed', turn: turn.id, attempt: turn.attempt + 1, err: error };
    const isKnown = error instanceof GatewayError;
    // A defect of ours or the agent's is given as many tries as a crash.
    const givesUp = isKnown ? error.disposition !== 'retry' : turn.attempt + 1 >= MAX_CRASHES;
    if (givesUp) {
      const [outcome, code] = isKnown ? (['agent-refused', error.code] as const) : (['crashed', 'BUG'] as const);
      this.#log.error(facts, 'the agent will not answer; the messages are kept as dead letters');
      const refused = messages.map((message) => turnLetter(this.#at.lane, message, outcome, code, explain(error)));
      return this.#commit(turn, { parts: [], letters: [...letters, ...refused], history: [] });
    }
    const wish = error instanceof TransientError ? error.retryAfterMs : undefined;
    const forMs = Math.min(wish ?? backoffDelay(this.#deps.backoff, turn.attempt, Math.random()), MAX_WAIT_MS);
    this.#log.warn({ ...facts, retryInMs: forMs }, 'the agent could not answer; it will be asked again');
    const { client, keys, safeguards } = this.#deps;
    const held = await insist(signal, () =>
      postponeTurn(client, keys, this.#at, turn.token, { forMs, counts: true, reason: explain(error) }, safeguards),
    );
    return held ? { kind: 'again', afterMs: forMs } : DONE;
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
    const next = await insist(this.#context.stop.signal, () =>
      yieldLane(client, keys, this.#at, this.#context.job.activation),
    );
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

function answered({ text }: AgentReply): HistoryEntry {
  return { role: 'assistant', name: null, text };
}
