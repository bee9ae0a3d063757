/**
 * A place to answer in: real Redis, real BullMQ queues, one held connection whose inbound comes from the test, and any
 * number of turn workers with the test's own agent.
 */
import { pino } from 'pino';
import type { Agent, AgentReply, AgentTurn } from '../../src/agents/agent.ts';
import type { Logger } from '../../src/log.ts';
import type { FencingToken, InboundEvent, OutboundPart } from '../../src/model.ts';
import { sweepLanes } from '../../src/scheduler/sweep-lanes.ts';
import { type DeadLetter, listDeadLetters } from '../../src/state/dead-letters.ts';
import type { DesiredConnection } from '../../src/state/desired.ts';
import { type Activation, encodeEvent, ingest } from '../../src/state/ingest.ts';
import { createKeys, type Keys, laneId } from '../../src/state/keys.ts';
import { addLaneJobs } from '../../src/state/lane-jobs.ts';
import { type LaneJobData, openQueue } from '../../src/state/queues.ts';
import type { RedisClient } from '../../src/state/redis.ts';
import { ALL_SAFEGUARDS } from '../../src/state/safeguards.ts';
import type { LaneWorker } from '../../src/workers/lane-worker.ts';
import { createTurnWorker, type TurnWorkerOptions } from '../../src/workers/turn-worker.ts';
import { credentialsWith } from './credentials.ts';
import { openDirect } from './direct-transport.ts';
import { grantLease, QQ, splittingAdapter, wantConnection } from './inbound.ts';
import { type TestRedis, uniquePrefix } from './redis.ts';

export interface LogLine {
  readonly level: number;
  readonly event?: string;
  readonly msg?: string;
  readonly [key: string]: unknown;
}

export class TurnBench implements AsyncDisposable {
  readonly keys: Keys;
  readonly client: RedisClient;
  readonly lines: LogLine[] = [];
  readonly #redis: TestRedis;
  readonly #log: Logger;
  readonly #turns;
  readonly #deliveries;
  readonly #workers: LaneWorker[] = [];
  #token: FencingToken | undefined;
  #position = 0;

  private constructor(redis: TestRedis) {
    this.#redis = redis;
    this.keys = createKeys(uniquePrefix());
    this.client = redis.client();
    const address = { path: redis.path };
    this.#turns = openQueue<LaneJobData>('turns', this.keys, address, () => {});
    this.#deliveries = openQueue<LaneJobData>('deliveries', this.keys, address, () => {});
    this.#log = pino({ level: 'debug' }, { write: (line: string) => void this.lines.push(JSON.parse(line)) }) as Logger;
  }

  static async start(redis: TestRedis, desired: Partial<DesiredConnection> = {}): Promise<TurnBench> {
    const bench = new TurnBench(redis);
    await wantConnection(bench.client, bench.keys, desired);
    bench.#token = await grantLease(bench.client, bench.keys);
    return bench;
  }

  get at() {
    return this.keys.connection(QQ);
  }

  /** Stores messages as a connection's holder does. @returns the lanes that woke; nobody has added their jobs yet */
  async store(events: readonly InboundEvent[]): Promise<readonly Activation[]> {
    if (this.#token === undefined) throw new Error('the bench has not started');
    const answer = await ingest(this.client, this.keys, {
      connection: QQ,
      token: this.#token,
      writer: 'bench',
      from: this.#position,
      startCursor: null,
      items: events.map((event) => encodeEvent(QQ, event, null)),
      dedupeWindowMs: 3_600_000,
      maxPendingBytes: 1 << 30,
      instanceFull: false,
      safeguards: ALL_SAFEGUARDS,
    });
    if (answer.kind !== 'stored') throw new Error(`not stored: ${answer.kind}`);
    this.#position = answer.next;
    return answer.activations;
  }

  /** Stores messages and wakes their lanes. */
  async receive(events: readonly InboundEvent[]): Promise<void> {
    await addLaneJobs(this.#turns, 'lane', QQ, await this.store(events));
  }

  async wake(conversation: string, activation: number): Promise<void> {
    await addLaneJobs(this.#turns, 'lane', QQ, [{ lane: laneId(QQ, conversation), activation }]);
  }

  worker(agent: Agent, change: Partial<TurnWorkerOptions> = {}): LaneWorker {
    const worker = createTurnWorker({
      address: { path: this.#redis.path },
      keys: this.keys,
      agent,
      adapters: new Map([['test', splittingAdapter()]]),
      credentialsOf: credentialsWith(),
      openTransport: openDirect,
      turns: this.#turns,
      deliveries: this.#deliveries,
      log: this.#log,
      backoff: { baseMs: 50, capMs: 200, factor: 2 },
      ...change,
    });
    this.#workers.push(worker);
    return worker;
  }

  async sweep(olderThanMs = 0, limit = 1_000): Promise<void> {
    const { signal } = new AbortController();
    const queues = { turns: this.#turns, deliveries: this.#deliveries };
    await sweepLanes({ redis: this.client, keys: this.keys, ...queues, log: this.#log, signal, olderThanMs, limit });
  }

  /** What would be sent, in order. */
  async outbox(conversation: string): Promise<OutboundPart[]> {
    const entries = await this.client.lrange(this.at.outbox(laneId(QQ, conversation)), '0', '-1');
    return entries.map((entry) => {
      const end = entry.indexOf('\n');
      return { ...JSON.parse(entry.slice(end + 1)), ordinal: Number(entry.slice(0, end)) };
    });
  }

  async said(conversation: string): Promise<string[]> {
    return (await this.outbox(conversation)).map(({ text }) => text);
  }

  letters(): Promise<DeadLetter[]> {
    return listDeadLetters(this.client, this.keys, QQ);
  }

  async counter(name: string): Promise<number> {
    return Number((await this.client.hget(this.at.counters, name)) ?? 0);
  }

  activeLanes(): Promise<number> {
    return this.client.zcard(this.at.activeLanes);
  }

  async deliveryJobs(): Promise<string[]> {
    return (await this.#deliveries.getWaiting()).map((job) => job.id ?? '');
  }

  async turnJobs(): Promise<string[]> {
    return (await this.#turns.getJobs()).map((job) => job.id ?? '');
  }

  events(name: string): LogLine[] {
    return this.lines.filter(({ event }) => event === name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close({ deadlineMs: 100 })));
    await Promise.all([this.#turns.close(), this.#deliveries.close()]);
    this.client.disconnect();
  }
}

/** An agent made of one function. */
export function agent(
  reply: (turn: AgentTurn, signal: AbortSignal) => Promise<readonly AgentReply[]> | readonly AgentReply[],
  change: Partial<Pick<Agent, 'maxMessagesPerTurn' | 'historyMessages' | 'timeoutMs'>> = {},
): Agent {
  return {
    kind: 'scripted',
    maxMessagesPerTurn: 10,
    historyMessages: 0,
    timeoutMs: 10_000,
    ...change,
    reply: async (turn, { signal }) => reply(turn, signal),
  };
}

/** Answers each message with `re: <text>`. */
export function answers(turn: AgentTurn): AgentReply[] {
  return turn.messages.map((to) => ({ to, text: `re: ${to.text}` }));
}
