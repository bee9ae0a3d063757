/** Serves the queue `turns`: each job is one activation of one conversation's lane, handed to the agent turn by turn. */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Adapter } from '../adapters/adapter.ts';
import type { Agent } from '../agents/agent.ts';
import type { BackoffPolicy } from '../async/backoff.ts';
import { type Clock, systemClock } from '../async/clock.ts';
import { explain } from '../errors.ts';
import { connectionId } from '../model.ts';
import type { DesiredConnection } from '../state/desired.ts';
import type { Keys } from '../state/keys.ts';
import type { LaneQueue } from '../state/lane-jobs.ts';
import type { Measurements } from '../state/measurements.ts';
import { connectedProcesses } from '../state/presence.ts';
import { openRedis, type RedisAddress } from '../state/redis.ts';
import { ALL_SAFEGUARDS, type Safeguards } from '../state/safeguards.ts';
import { createLaneWorker, type LaneWorker } from './lane-worker.ts';
import { type LaneDeps, type LaneSender, runLane } from './run-lane.ts';
import { createSenders, type SendersOptions } from './senders.ts';
import { TurnRunners } from './turn-runners.ts';
import { Typing } from './typing.ts';

export interface TurnWorkerOptions {
  readonly address: RedisAddress;
  readonly keys: Keys;
  readonly agent: Agent;
  /** By platform; used for splitting answers. */
  readonly adapters: ReadonlyMap<string, Adapter>;
  /** See {@link SendersOptions}. */
  credentialsOf: SendersOptions['credentialsOf'];
  /** See {@link SendersOptions}. */
  openTransport: SendersOptions['openTransport'];
  /** The queues `turns` and `deliveries`, to wake lanes and outboxes. */
  readonly turns: LaneQueue;
  readonly deliveries: LaneQueue;
  readonly log: Logger;
  /** This process, as its connections to Redis are named: `<worker>#<incarnation>`. @defaultValue nobody can tell whose a turn is */
  readonly self?: string;
  /** Shown in Bull Board. @defaultValue `agent` */
  readonly name?: string;
  /** @defaultValue the system's clock */
  readonly clock?: Clock;
  /** Conversations answered at once. @defaultValue {@link TURNS_AT_ONCE} */
  readonly concurrency?: number;
  /** Lock of a job, ms: a crashed worker's lanes rest for at most this and {@link stalledCheckMs}. @defaultValue 10_000 */
  readonly lockMs?: number;
  /** @defaultValue 1_000 */
  readonly stalledCheckMs?: number;
  /** Between tries of one turn. @defaultValue 1 s doubling to 60 s, full jitter */
  readonly backoff?: BackoffPolicy;
  /** Most parts of the answer to one message. @defaultValue 10 */
  maxReplyParts?(): number;
  /** @defaultValue all on */
  readonly safeguards?: Safeguards;
  /** @defaultValue nothing is measured */
  readonly measurements?: Measurements;
}

/** Of one process. */
export const TURNS_AT_ONCE = 100;

/** An agent is often busy for seconds, and sometimes down for hours. */
const TURN_BACKOFF: BackoffPolicy = { baseMs: 1_000, capMs: 60_000, factor: 2 };

export function createTurnWorker(options: TurnWorkerOptions): LaneWorker {
  const { address, keys, agent, turns, deliveries, log, adapters } = options;
  const self = options.self ?? `unnamed#${randomBytes(6).toString('hex')}`;
  const client = openRedis(address, 'fenced', `holdfast:agent:${self}`, (error) => {
    log.debug({ reason: explain(error) }, 'turn worker: Redis');
  });
  const senders = createSenders({ ...options, clock: options.clock ?? systemClock });
  const runners = new TurnRunners({ self, connected: () => connectedProcesses(client) });
  const deps: LaneDeps = {
    client,
    keys,
    agent,
    turns,
    deliveries,
    senderFor: (connection) => laneSender(connection, adapters, senders),
    log,
    safeguards: options.safeguards ?? ALL_SAFEGUARDS,
    took: (platform, ms) => options.measurements?.took('turn', platform, ms),
    backoff: options.backoff ?? TURN_BACKOFF,
    typing: new Typing({ log }),
    runners,
    maxReplyParts: options.maxReplyParts ?? (() => 10),
  };
  const worker = createLaneWorker({
    queue: 'turns',
    address,
    keys,
    log,
    name: options.name ?? 'agent',
    concurrency: options.concurrency ?? TURNS_AT_ONCE,
    lockMs: options.lockMs ?? 10_000,
    stalledCheckMs: options.stalledCheckMs ?? 1_000,
    cutWhenOvertaken: (options.safeguards ?? ALL_SAFEGUARDS).fence,
    // The job lock of a process that stood still ran out; the turn may be its own all the same.
    async isOurs({ connectionId: id, lane }) {
      const runner = await client.hget(keys.connection(connectionId(id)).laneState(lane), 'runner');
      return runner === null || runner === '' || runners.isRunning(runner);
    },
    run: (job, stop) => runLane(deps, job, stop),
  });
  return {
    ready: worker.ready,
    close: (how) => worker.close(how).finally(() => client.disconnect()),
  };
}

function laneSender(
  connection: DesiredConnection,
  adapters: ReadonlyMap<string, Adapter>,
  senders: ReturnType<typeof createSenders>,
): LaneSender {
  const answer = senders(connection);
  const adapter = adapters.get(connection.platform);
  if (answer.kind === 'none') return answer;
  if (adapter === undefined) return { kind: 'none', reason: `no adapter for platform "${connection.platform}"` };
  return { kind: 'ready', sender: answer.sender, dedupeWindowMs: adapter.capabilities.dedupeWindowMs };
}
