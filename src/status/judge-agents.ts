/** How the agents do, from what their workers report. Pure; instants are Redis ms. */
import type { AgentReport, WorkerRecord } from '../state/workers.ts';
import type { AgentStatus } from './chain.ts';
import type { ChainEvidence } from './chain-evidence.ts';
import { type Found, inWords } from './found-trouble.ts';
import { AGENT_FAILING_MS, AGENT_REFUSES, FORGOTTEN_MS } from './thresholds.ts';

interface Asking {
  readonly worker: WorkerRecord;
  readonly report: AgentReport;
}

export function agentsOf(evidence: ChainEvidence): AgentStatus[] {
  const { now } = evidence.moment;
  const conversations = [...evidence.backlogs.values()].reduce((total, { lanes }) => total + lanes, 0);
  return [...byName(evidence.workers)].map(([name, asking]) => {
    const running = sum(asking, ({ running: count }) => count);
    const longest = asking.flatMap(({ worker, report: { longestMs } }) =>
      longestMs === null ? [] : [longestMs + Math.max(0, now - worker.at)],
    );
    const answered = asking.flatMap((one) => answeredAt(one) ?? []);
    const failing = worstOf(asking);
    return {
      name,
      kind: asking[0]?.report.kind ?? null,
      workers: asking.length,
      running,
      places: sum(asking, ({ places }) => places),
      // So far there is one agent, which all of them wait for.
      waiting: Math.max(0, conversations - running),
      oldestSignAgeMs: longest.length === 0 ? null : Math.max(...longest),
      lastAnswerAgeMs: answered.length === 0 ? null : Math.max(0, now - Math.max(...answered)),
      failing: failing === null ? null : failingOf(failing),
      connected: null,
    };
  });
}

function failingOf({ worker, failing }: Failing): AgentStatus['failing'] {
  const { kind, reason, status, count, forMs } = failing;
  return { kind, reason, status, count, since: new Date(worker.at - forMs).toISOString() };
}

const ADVICE = {
  away: 'start the agent, or correct agent.url; messages wait and are given to it when it answers',
  refuses: 'check agent.apiKey, agent.model and agent.url; "holdfast messages dead" has what it refused',
  fails: 'look at the log of the agent; messages wait and are given to it again',
} as const;

const WORDS = { away: 'is out of reach', refuses: 'refuses', fails: 'fails' } as const;

export function* judgeAgents(evidence: ChainEvidence): Generator<Found> {
  const { now } = evidence.moment;
  const waits = [...evidence.backlogs.values()].some(({ lanes }) => lanes > 0);
  for (const [name, asking] of byName(evidence.workers)) {
    const found = worstOf(asking);
    if (found === null) continue;
    const { kind, reason, count, forMs, agoMs } = found.failing;
    const since = found.worker.at - forMs;
    // One process may be cut off from an agent that answers all others.
    const answers = asking.some((one) => (answeredAt(one) ?? 0) > since);
    const old = agoMs + (now - found.worker.at) > FORGOTTEN_MS && !waits;
    const where = answers ? ` (seen by ${found.worker.id}; others are answered)` : '';
    yield {
      kind: `agent-${kind}`,
      link: 'answer',
      state: isFailing(found.failing, now - since) && !answers && !old ? 'failing' : 'watch',
      subject: name,
      reason: `the agent ${WORDS[kind]}, ${count === 1 ? 'asked once' : `asked ${count} times`} within ${inWords(now - since)}: ${reason}${where}`,
      advice: ADVICE[kind],
      since,
    };
  }
}

function isFailing({ kind, status, count }: NonNullable<AgentReport['failing']>, ageMs: number): boolean {
  if (kind !== 'refuses') return ageMs >= AGENT_FAILING_MS;
  const decisive = AGENT_REFUSES.decisive.some((one) => one === status);
  return count >= (decisive ? 1 : AGENT_REFUSES.inARow);
}

interface Failing {
  readonly worker: WorkerRecord;
  readonly failing: NonNullable<AgentReport['failing']>;
}

/** The one that has lasted longest. */
function worstOf(asking: readonly Asking[]): Failing | null {
  const failing = asking.flatMap(({ worker, report }) =>
    report.failing === null ? [] : [{ worker, failing: report.failing }],
  );
  return failing.sort((a, b) => b.failing.forMs - a.failing.forMs)[0] ?? null;
}

function answeredAt({ worker, report }: Asking): number | null {
  return report.answeredMs === null ? null : worker.at - report.answeredMs;
}

function byName(workers: readonly WorkerRecord[]): Map<string, Asking[]> {
  const found = new Map<string, Asking[]>();
  for (const worker of workers) {
    const report = worker.agent;
    if (report == null || worker.draining) continue;
    found.set(report.name, [...(found.get(report.name) ?? []), { worker, report }]);
  }
  return found;
}

function sum(asking: readonly Asking[], of: (report: AgentReport) => number): number {
  return asking.reduce((total, { report }) => total + of(report), 0);
}

/** The longest that a turn may take; `null`: nobody says. */
export function turnLimitMs(workers: readonly WorkerRecord[]): number | null {
  const limits = workers.flatMap(({ agent }) => agent?.limitMs ?? []);
  return limits.length === 0 ? null : Math.max(...limits);
}

/** All places for turns are taken by turns that run. */
export function allPlacesTaken(workers: readonly WorkerRecord[]): boolean {
  const asking = [...byName(workers).values()].flat();
  return asking.length > 0 && asking.every(({ report: { running, places } }) => running >= places);
}
