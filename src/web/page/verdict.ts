/**
 * The top line: is my bot alive, and if not, why, and what do I do? Said from the newest document alone; whether that may
 * still be believed is {@link judgeFreshness}'s. Pure.
 */
import { type Advice, adviseOn } from './advice.ts';
import type { ConnectionStateName, ConnectionStatus, OverviewDocument } from './documents.ts';
import { plural, span } from './words.ts';

export interface Verdict {
  readonly tone: 'well' | 'recovering' | 'trouble';
  readonly headline: string;
  /** What is not well, worst first. */
  readonly troubled: readonly TroubledConnection[];
  /** Of the installation: what will be missed later. */
  readonly notices: readonly Notice[];
}

export interface TroubledConnection {
  readonly connection: ConnectionStatus;
  readonly advice: Advice;
}

export interface Notice {
  readonly text: string;
  readonly href: string;
}

const SEVERITY: Readonly<Record<ConnectionStateName, number>> = {
  parked: 0,
  unowned: 1,
  waiting: 2,
  connecting: 3,
  paused: 4,
  live: 5,
};

/** Whoever needs somebody first; then by name. */
export function bySeverity(a: ConnectionStatus, b: ConnectionStatus): number {
  return SEVERITY[a.state] - SEVERITY[b.state] || a.id.localeCompare(b.id);
}

export function judge(overview: OverviewDocument): Verdict {
  const { connections } = overview.status;
  const sorted = [...connections].sort(bySeverity);
  const troubled = sorted.flatMap((connection) => {
    const advice = adviseOn(connection);
    return advice === null ? [] : [{ connection, advice }];
  });
  const notices = [...noticesOf(overview)];
  const onlyConnecting = troubled.every(({ connection }) => connection.state === 'connecting');
  return {
    tone: troubled.length > 0 && !onlyConnecting ? 'trouble' : troubled.length > 0 ? 'recovering' : 'well',
    headline: headlineOf(connections, troubled),
    troubled,
    notices,
  };
}

function headlineOf(all: readonly ConnectionStatus[], troubled: readonly TroubledConnection[]): string {
  if (all.length === 0) return 'No connections are configured';
  const paused = all.filter(({ state }) => state === 'paused').length;
  const wanted = all.length - paused;
  const [first] = troubled;
  if (first === undefined) {
    if (wanted === 0)
      return paused === 1 ? `${all[0]?.id} is paused` : `All ${plural(paused, 'connection')} are paused`;
    const live =
      wanted === 1
        ? `${all.find(({ state }) => state === 'live')?.id} is live`
        : `All ${plural(wanted, 'connection')} are live`;
    return paused === 0 ? live : `${live}, ${paused} paused`;
  }
  if (troubled.length === 1) return `${first.connection.id} ${STATE_CLAUSE[first.connection.state]}`;
  const live = all.filter(({ state }) => state === 'live').length;
  return live === 0
    ? `None of ${plural(wanted, 'connection')} is live`
    : `${troubled.length} of ${plural(wanted, 'connection')} are not live`;
}

const STATE_CLAUSE: Readonly<Record<ConnectionStateName, string>> = {
  live: 'is live',
  connecting: 'is connecting',
  waiting: 'is down and waits for its next attempt',
  unowned: 'is down and nobody holds it',
  parked: 'needs a person',
  paused: 'is paused',
};

/** As `/readyz` has it with the default timings, and the alerts. */
const SWEEP_LATE_MS = 5_000;
const LANE_OLD_MS = 120_000;
const LAG_HIGH_MS = 1_000;
const MEMORY_HIGH = 0.8;

function* noticesOf({ status, queues, deadLetters, backlog, redis }: OverviewDocument): Generator<Notice> {
  const { lastSweepAgeMs } = status.scheduler;
  if (lastSweepAgeMs === null) {
    yield {
      text: 'No scheduler has ever swept: nothing is restarted. Start "holdfast up" or "holdfast scheduler".',
      href: '/docs/runbook.html#unowned',
    };
  } else if (lastSweepAgeMs > SWEEP_LATE_MS) {
    yield {
      text: `The last sweep was ${span(lastSweepAgeMs)} before this: nothing is restarted meanwhile. Start "holdfast up" or "holdfast scheduler".`,
      href: '/docs/runbook.html#unowned',
    };
  }
  if (!status.workers.some(({ roles }) => roles.includes('connections'))) {
    yield { text: 'No worker with the role "connections" is alive.', href: '/docs/runbook.html#unowned' };
  }
  for (const { id, configRefused, restartNeeded, notSharing } of status.workers) {
    const href = '/docs/configuration.html#changes-while-it-runs';
    if (configRefused !== null) {
      yield { text: `${id} refuses its configuration, and goes on with the one before: ${configRefused}`, href };
    }
    if (notSharing !== null) yield { text: `${id}: ${notSharing}.`, href };
    if (restartNeeded.length > 0) {
      yield { text: `${id} must be restarted for what changed in ${restartNeeded.join(', ')}.`, href };
    }
  }
  for (const { name } of queues.filter(({ paused }) => paused)) {
    yield {
      text: `The queue "${name}" is paused: ${PAUSED_MEANS.get(name) ?? 'its work waits'}. It can be resumed in Queues.`,
      href: '/admin/queues',
    };
  }
  if (backlog.oldestLaneAgeMs !== null && backlog.oldestLaneAgeMs > LANE_OLD_MS) {
    yield {
      text: `Messages have waited for the agent for ${span(backlog.oldestLaneAgeMs)}.`,
      href: '/docs/runbook.html#redis-is-full-or-messages-pile-up',
    };
  }
  if (redis.usedMemoryShare !== null && redis.usedMemoryShare >= MEMORY_HIGH) {
    yield {
      text: `Redis uses ${Math.round(redis.usedMemoryShare * 100)} % of its memory: from 80 % on, messages wait at the platform.`,
      href: '/docs/runbook.html#redis-is-full-or-messages-pile-up',
    };
  }
  for (const { id, eventLoopLagMs } of status.workers.filter((one) => one.eventLoopLagMs >= LAG_HIGH_MS)) {
    yield {
      text: `${id} is busy: its event loop lags by ${span(eventLoopLagMs)}.`,
      href: '/docs/runbook.html#a-process-behaves-oddly',
    };
  }
  if (deadLetters.total > 0) {
    yield { text: `${plural(deadLetters.total, 'message')} could not be answered or sent.`, href: '/dead-letters' };
  }
}

const PAUSED_MEANS: ReadonlyMap<string, string> = new Map([
  ['connections', 'nobody takes a connection over'],
  ['turns', 'the agent is asked nothing'],
  ['deliveries', 'no reply is sent'],
]);
