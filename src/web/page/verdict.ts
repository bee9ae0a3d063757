/**
 * The top line: does my bot answer, and if not, why, and what do I do? Said from the newest document alone; whether that may
 * still be believed is {@link judgeFreshness}'s. Pure.
 */
import { type Advice, adviseOn } from './advice.ts';
import type { ConnectionStateName, ConnectionStatus, OverviewDocument, Trouble } from './documents.ts';
import { plural, span } from './words.ts';

export interface Verdict {
  readonly tone: 'well' | 'recovering' | 'trouble';
  readonly headline: string;
  /** What is not well, worst first. */
  readonly troubled: readonly TroubledConnection[];
  /** Why people are not answered all the same, worst first. */
  readonly broken: readonly Trouble[];
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
  const broken = overview.status.chain.troubles.filter(({ state, kind }) => state === 'failing' && !SAID.has(kind));
  const notices = [...noticesOf(overview)];
  const onlyConnecting = broken.length === 0 && troubled.every(({ connection }) => connection.state === 'connecting');
  return {
    tone: broken.length + troubled.length === 0 ? 'well' : onlyConnecting ? 'recovering' : 'trouble',
    headline: headlineOf(connections, troubled, broken),
    troubled,
    broken,
    notices,
  };
}

/** Shown as connections, or as a notice. */
const SAID: ReadonlySet<Trouble['kind']> = new Set(['disconnected', 'no-sweep']);

function headlineOf(
  all: readonly ConnectionStatus[],
  troubled: readonly TroubledConnection[],
  broken: readonly Trouble[],
): string {
  const connected = connectedOf(all, troubled);
  if (broken.length === 0) return connected;
  if (troubled.length > 0) return `${connected}, and people are not answered`;
  const ofAll = broken.some(({ connection }) => connection === null);
  const ids = new Set(broken.map(({ connection }) => connection));
  return `${connected}, but ${ofAll || ids.size === all.length ? 'people are not answered' : `people are not answered on ${[...ids].slice(0, 3).join(', ')}`}`;
}

function connectedOf(all: readonly ConnectionStatus[], troubled: readonly TroubledConnection[]): string {
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

/** As `/readyz` has it with the default timings. */
const SWEEP_LATE_MS = 5_000;
const LAG_HIGH_MS = 1_000;
/** What to do about a link that is broken. */
export const ANSWERED = '/docs/runbook.html#live-and-nobody-is-answered';

function* noticesOf({ status, deadLetters }: OverviewDocument): Generator<Notice> {
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
  for (const { kind, state, reason } of status.chain.troubles) {
    // Dead letters have a line of their own, which goes on for as long as there are some.
    if (state === 'watch' && kind !== 'disconnected' && kind !== 'dead-letters') {
      yield { text: `${reason}.`, href: ANSWERED };
    }
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
