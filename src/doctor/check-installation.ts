/** What runs, judged from what Redis has, as `status` does. Pure. */
import type { BudgetUse } from '../state/budget.ts';
import type { TroubleKind } from '../status/chain.ts';
import type { ConnectionStatus, StatusDocument, WorkerStatus } from '../status/document.ts';
import { SWEEP_LATE_MS } from '../status/thresholds.ts';
import { type Finding, fail, ok, skipped, warn } from './finding.ts';

const LAG_MS = 200;
const NEARLY_USED = 0.8;

export function judgeInstallation(status: StatusDocument, budgets: readonly BudgetUse[]): Finding[] {
  const { lastSweepAgeMs } = status.scheduler;
  if (lastSweepAgeMs === null && status.workers.length === 0) {
    return [skipped('scheduler', 'nothing runs yet: start "holdfast up"')];
  }
  return [
    scheduler(lastSweepAgeMs),
    ...(status.workers.length === 0 ? [noWorker()] : status.workers.flatMap(worker)),
    ...status.connections.map(connection),
    ...chain(status),
    ...budgets.map(budget),
  ];
}

function scheduler(ageMs: number | null): Finding {
  if (ageMs !== null && ageMs < SWEEP_LATE_MS) return ok('scheduler', `last sweep ${Math.round(ageMs)} ms ago`);
  const when = ageMs === null ? 'no scheduler has ever swept' : `the last sweep was ${Math.round(ageMs / 1_000)} s ago`;
  return fail('scheduler', `${when}: nothing is restarted`, 'start "holdfast up" or "holdfast scheduler"');
}

function noWorker(): Finding {
  return fail('worker', 'no worker is alive', 'start "holdfast up", or "holdfast worker"');
}

function worker({ id, eventLoopLagMs, configRefused, restartNeeded, notSharing }: WorkerStatus): Finding[] {
  const about = { subject: id };
  const findings: Finding[] = [];
  if (configRefused !== null) {
    findings.push(
      fail(
        'worker',
        `its configuration is refused, the one before goes on: ${configRefused}`,
        'correct the file; it is taken over by itself',
        about,
      ),
    );
  }
  if (restartNeeded.length > 0) {
    findings.push(warn('worker', `works by older values of: ${restartNeeded.join(', ')}`, 'restart it', about));
  }
  if (notSharing !== null) {
    const fix =
      'look at the log of the workers for why they cannot fetch or hold, and at the network between them and Redis';
    findings.push(warn('worker', notSharing, fix, about));
  }
  if (eventLoopLagMs > LAG_MS) {
    const fix = 'give it a core, or start more workers: keepalives and renewals wait for this';
    findings.push(warn('worker', `its event loop lags ${eventLoopLagMs} ms`, fix, about));
  }
  return findings.length > 0 ? findings : [ok('worker', 'alive', about)];
}

/** These have findings of their own. */
const SAID = new Set<TroubleKind>(['disconnected', 'no-sweep']);

function chain({ chain: { troubles, more } }: StatusDocument): Finding[] {
  const found = troubles
    .filter(({ kind }) => !SAID.has(kind))
    .map(({ state, subject, reason, advice }) =>
      (state === 'failing' ? fail : warn)('chain', reason, advice, { subject }),
    );
  if (found.length === 0)
    return [ok('chain', 'what comes is stored, taken up, answered and sent, as far as anything waits')];
  return more === 0 ? found : [...found, warn('chain', `and ${more} more`, 'see "holdfast status"')];
}

const FIXES: Readonly<Record<Exclude<ConnectionStatus['state'], 'live' | 'paused'>, string>> = {
  connecting: 'wait for the attempt to end, and ask again',
  waiting: 'look after what the reason names; it is tried again by itself',
  unowned: 'see "scheduler" and "worker", and docs/runbook.md, Unowned',
  parked: 'do what the reason says; a corrected configuration is tried at once, else: holdfast connections resume ID',
};

function connection({ id, state, reason }: ConnectionStatus): Finding {
  const about = { subject: id };
  if (state === 'live') return ok('connection', 'live', about);
  if (state === 'paused') return skipped('connection', reason ?? 'paused', about);
  const words = `${state}: ${reason ?? 'no reason is known'}`;
  return state === 'connecting'
    ? warn('connection', words, FIXES[state], about)
    : fail('connection', words, FIXES[state], about);
}

function budget({ platform, account, name, used, count, windowMs }: BudgetUse): Finding {
  const words = `${used} of ${count} permits (${name}) used within ${windowMs / 1_000} s, by our own count`;
  const about = { subject: `${platform} ${account}` };
  // A window of seconds is there to be used up.
  if (used < count * NEARLY_USED || windowMs < 3_600_000) return ok('budget', words, about);
  const fix = 'find out what reconnects so often (holdfast connections show ID); with none left, connections wait';
  return warn('budget', words, fix, about);
}
