/** What becomes of the messages of one connection, link by link. Pure; instants are Redis ms. */
import type { LaneStanding, OutboxStanding } from '../state/backlog.ts';
import { LETTERS_COUNTED } from '../state/backlog.ts';
import type { WorkerRecord } from '../state/workers.ts';
import type { ChainState, TroubleKind } from './chain.ts';
import type { ChainEvidence } from './chain-evidence.ts';
import type { ConnectionEvidence } from './derive.ts';
import type { ConnectionStatus } from './document.ts';
import { type Found, inWords, plural } from './found-trouble.ts';
import { allPlacesTaken, turnLimitMs } from './judge-agents.ts';
import {
  AGENT_FAILING_MS,
  DISCONNECTED,
  FORGOTTEN_MS,
  HELD,
  INBOUND_STUCK_MS,
  TURN,
  UNSENT,
  UNTAKEN,
} from './thresholds.ts';

/** @param status - the connection's own, as derived from the same evidence */
export function* judgeMessages(
  evidence: ChainEvidence,
  connection: ConnectionEvidence,
  status: ConnectionStatus,
): Generator<Found> {
  const { id } = status;
  const { now } = evidence.moment;
  yield* judgeReceived(status, now);
  yield* judgeInbound(connection, now);
  const lanes = evidence.lanes.get(id) ?? [];
  yield* worstOfEach(
    id,
    lanes.flatMap((lane) => laneTrouble(evidence, lane)),
  );
  const outboxes = evidence.outboxes.get(id) ?? [];
  yield* worstOfEach(
    id,
    outboxes.flatMap((box) => outboxTrouble(box, now)),
  );
  yield* judgeSends(evidence.workers, id, now);
  const letters = evidence.backlogs.get(id)?.newDeadLetters ?? 0;
  if (letters > 0) {
    const count = letters >= LETTERS_COUNTED ? `${letters} messages or more` : plural(letters, 'message');
    const reason = `${count} could not be answered or sent within the last 10 min`;
    const advice = '"holdfast messages dead" says why; "holdfast messages retry ID" tries one again';
    yield { kind: 'dead-letters', link: 'sent', state: 'watch', subject: id, connection: id, reason, advice };
  }
}

function* judgeReceived(
  { id, state, since, reason, attempt, nextAttemptAt }: ConnectionStatus,
  now: number,
): Generator<Found> {
  if (state === 'live' || state === 'paused') return;
  const sinceAt = since === null ? null : Date.parse(since);
  const lasts = sinceAt !== null && now - sinceAt >= DISCONNECTED.failingMs;
  const failing = state === 'parked' || lasts || attempt >= DISCONNECTED.attempts || sinceAt === null;
  yield {
    kind: 'disconnected',
    link: 'received',
    state: failing ? 'failing' : 'watch',
    subject: id,
    connection: id,
    reason: `${id} is ${state}: ${reason ?? 'no reason was given'}`,
    advice: `see docs/runbook.md, "State by state"; "holdfast connections show ${id}" has more`,
    since: sinceAt,
    until: nextAttemptAt === null ? null : Date.parse(nextAttemptAt),
  };
}

function* judgeInbound({ desired: { id }, lease, heartbeat }: ConnectionEvidence, now: number): Generator<Found> {
  const inbound = heartbeat?.heartbeat.inbound;
  if (heartbeat === null || inbound == null || heartbeat.token !== lease.token || lease.until <= now) return;
  const since = heartbeat.at - inbound.forMs;
  yield {
    kind: 'inbound-stuck',
    link: 'stored',
    state: now - since >= INBOUND_STUCK_MS ? 'failing' : 'watch',
    subject: id,
    connection: id,
    reason: `what comes is not stored, for ${inWords(now - since)}: ${inbound.reason}`,
    advice: 'see docs/runbook.md, "Redis is full, or messages pile up"; nothing is lost, it waits at the platform',
    since,
  };
}

/** Found of one conversation. */
interface OfLane {
  readonly kind: TroubleKind;
  readonly link: 'turn' | 'answer' | 'sent';
  readonly state: Exclude<ChainState, 'ok'>;
  /** With how many conversations: how it goes on. */
  readonly words: string;
  readonly advice: string;
  readonly since: number;
  readonly until?: number | null;
}

function laneTrouble({ moment: { now }, workers }: ChainEvidence, lane: LaneStanding): OfLane[] {
  const { at, beganAt, takenAt, running, attempt, nextAttemptAt, lastError } = lane;
  const base = { link: 'answer' as const };
  const began = beganAt ?? at;
  if (attempt > 0) {
    const state = now - began >= AGENT_FAILING_MS ? 'failing' : 'watch';
    const words = `waits for an answer of the agent, asked ${attempt + Number(running)} times: ${lastError ?? 'no reason is known'}`;
    const advice = 'look after the agent: see "turn.agent-failed" in the log';
    return [{ ...base, kind: 'unanswered', state, words, advice, since: began, until: running ? null : nextAttemptAt }];
  }
  if (running) {
    if (takenAt === null || now - takenAt < TURN.watchMs) return [];
    const limit = turnLimitMs(workers);
    const over = limit !== null && now - takenAt > limit + TURN.overLimitMs;
    const bound = limit === null ? '' : `; the agent may take ${inWords(limit)}`;
    const words = `has a turn that has been running for ${inWords(now - takenAt)}${bound}`;
    const advice = over ? 'restart the process with the role "agent", and report it' : 'nothing: the agent is at it';
    return [{ ...base, kind: 'turn-long', state: over ? 'failing' : 'watch', words, advice, since: takenAt }];
  }
  const waits = nextAttemptAt !== null && nextAttemptAt > now;
  const since = waits ? began : Math.max(at, nextAttemptAt ?? 0);
  if (now - since < UNTAKEN.watchMs) return [];
  const state = now - since >= UNTAKEN.failingMs ? 'failing' : 'watch';
  const why = waits
    ? (lastError ?? 'it was put off')
    : allPlacesTaken(workers)
      ? 'all places are taken by turns that run'
      : 'no process takes it';
  const advice = waits
    ? 'give the processes with the role "agent" the same configuration as those that hold the connection'
    : 'see docs/runbook.md, "Live, and nobody is answered"; more processes with the role "agent" have more places';
  return [
    {
      ...base,
      link: 'turn',
      kind: 'untaken',
      state,
      words: `waits for a turn since ${inWords(now - since)}: ${why}`,
      advice,
      since,
    },
  ];
}

function outboxTrouble(box: OutboxStanding, now: number): OfLane[] {
  const { at, headSince, attempts, heldUntil, heldBy, code, reason } = box;
  const base = { link: 'sent' as const, since: headSince ?? at };
  const ageMs = now - base.since;
  const held = heldUntil !== null && heldUntil > now ? heldUntil : null;
  const said = code === null && reason === null ? '' : `: ${[code, reason].filter((part) => part !== null).join(' ')}`;
  if (held !== null && (heldBy !== 'retry' || held - now > HELD.watchMs)) {
    const paced = heldBy === 'permits';
    if (held - base.since < HELD.watchMs) return [];
    const failing = held - base.since >= (paced ? HELD.pacedFailingMs : HELD.failingMs);
    const words = paced
      ? `waits for ${inWords(held - now)} more, for the number of messages that the platform allows`
      : `is held for ${inWords(held - now)} more, as the platform asked for${said}`;
    const advice = 'nothing to be done here: it goes on by itself; send less at a time if it happens often';
    return [{ ...base, kind: 'held', state: failing ? 'failing' : 'watch', words, advice, until: held }];
  }
  if (ageMs < UNSENT.watchMs) return [];
  const state = ageMs >= UNSENT.failingMs ? 'failing' : 'watch';
  const words =
    attempts > 0
      ? `has an answer that does not go out, tried ${attempts} times in ${inWords(ageMs)}${said}`
      : `has an answer that nobody sends, for ${inWords(ageMs)}`;
  const advice =
    attempts > 0
      ? 'look after what the reason names; it is tried again by itself'
      : 'see that a process with the role "delivery" runs and has the credentials of the connection';
  return [{ ...base, kind: 'unsent', state, words, advice, until: held }];
}

/** One trouble of each kind: the worst of the conversations that have it, with how many there are. */
function* worstOfEach(connection: string, all: readonly OfLane[]): Generator<Found> {
  const rank = ({ state, since }: OfLane) => [state === 'failing' ? 0 : 1, since] as const;
  const sorted = [...all].sort((a, b) => rank(a)[0] - rank(b)[0] || rank(a)[1] - rank(b)[1]);
  for (const kind of new Set(sorted.map((one) => one.kind))) {
    const same = sorted.filter((one) => one.kind === kind);
    const [first] = same as [OfLane, ...OfLane[]];
    const { words, ...rest } = first;
    const others = same.length > 1 ? ` (and ${same.length - 1} more at least)` : '';
    yield { ...rest, connection, subject: connection, reason: `a conversation ${words}${others}` };
  }
}

function* judgeSends(workers: readonly WorkerRecord[], id: string, now: number): Generator<Found> {
  const found = workers.flatMap(({ sending = [], at }) =>
    sending.filter(({ connection }) => connection === id).map((one) => ({ ...one, at })),
  );
  const [worst] = found.sort((a, b) => b.count - a.count);
  if (worst === undefined) return;
  const old = worst.agoMs + (now - worst.at) > FORGOTTEN_MS;
  yield {
    kind: 'sends-failing',
    link: 'sent',
    state: old ? 'watch' : 'failing',
    subject: id,
    connection: id,
    reason: `the last ${worst.count} sends of ${id} all failed: ${worst.code} ${worst.reason}`,
    advice:
      'look after what the reason names: rights of the bot, its credentials, the network; "holdfast messages dead" has the texts',
    since: worst.at - worst.forMs,
  };
}
