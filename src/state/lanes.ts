/**
 * The inbound lanes: one ordered mailbox per conversation, and the turns taken from it.
 *
 * A lane sleeps or is active. Ingest wakes it (a new activation number, and a job of that name); commit puts it to sleep
 * in the step that empties it. Between the two, a turn: its messages and id are frozen when it is first taken, and every
 * taking has a new turn token, so that only the last taker can end it.
 */

import type { ConnectionId, OutboundPart } from '../model.ts';
import { asReason } from '../text/foreign-text.ts';
import { DEAD_LETTERS_KEPT, type DeadLetter, deadLetterFields, type NewDeadLetter } from './dead-letters.ts';
import { type DesiredConnection, parseDesired } from './desired.ts';
import { decodeEntry, markRetried } from './ingest.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import type { Safeguards } from './safeguards.ts';
import { loadScript, runScript } from './scripts.ts';

export interface LaneRef {
  readonly connection: ConnectionId;
  readonly lane: string;
}

/** One thing that was said, for agents that keep no session of their own. */
export interface HistoryEntry {
  readonly role: 'user' | 'assistant';
  readonly name: string | null;
  readonly text: string;
}

export type BegunTurn =
  /** The connection is no longer wanted; the lane stays as it is. */
  | { readonly kind: 'removed' }
  /** The activation has passed, or the lane is empty: nothing to do. */
  | { readonly kind: 'over' }
  /** The turn was postponed. */
  | { readonly kind: 'waiting'; readonly forMs: number }
  /** Somebody has taken it, and may be at work on it. */
  | { readonly kind: 'held'; readonly runner: string; readonly foundForMs: number }
  | Turn;

export interface Turn {
  readonly kind: 'turn';
  readonly token: number;
  readonly id: string;
  /** How often whoever took it died before it was ended or postponed. */
  readonly crashes: number;
  /** How often it was postponed after an attempt. */
  readonly attempt: number;
  /** Redis clock when it was taken, ms. */
  readonly now: number;
  readonly desired: DesiredConnection;
  /** Lane entries, oldest first; see `decodeEntry`. */
  readonly entries: readonly string[];
  readonly history: readonly HistoryEntry[];
}

export type NewPart = Omit<OutboundPart, 'ordinal'>;

export interface TurnResult {
  readonly parts: readonly NewPart[];
  readonly letters: readonly NewDeadLetter[];
  readonly history: readonly HistoryEntry[];
  /** Reply parts that the plan takes for given, by reply key; a key that is not named may stand anywhere. */
  readonly used: ReadonlyMap<string, number>;
}

export interface TurnLimits {
  readonly historyEntries: number;
  /** The conversation is forgotten after this much silence, ms. */
  readonly historyMs: number;
  /** How long ordinals of replies to one message are remembered, ms: twice the dedupe window. */
  readonly replyMemoryMs: number;
}

export type CommittedTurn =
  | { readonly kind: 'stale' }
  /** Somebody replied meanwhile, and nothing was stored: plan anew with these counts, by reply key. */
  | { readonly kind: 'used'; readonly used: ReadonlyMap<string, number> }
  | {
      readonly kind: 'done';
      /** Messages are left: take the next turn. */
      readonly more: boolean;
      /** The outbox's activation when it has to be woken; else `null`. */
      readonly outboxActivation: number | null;
    };

/** Long enough that no job of an old activation is left when the numbers start again. */
const IDLE_LANE_MS = 7 * 24 * 3_600_000;

const begin = loadScript('begin-turn');
const commit = loadScript('commit-turn');
const postpone = loadScript('postpone-turn');
const yieldScript = loadScript('yield-lane');
const retry = loadScript('retry-letter');

/**
 * @param options.runner - unique per taking; repeating the call with the same one takes it once
 * @param options.turnId - the id of the turn if this call freezes a new one
 * @param options.from - who took the turn, and is known not to be at work on it any more: that counts as a crash
 */
export async function beginTurn(
  client: RedisClient,
  keys: Keys,
  { connection, lane }: LaneRef,
  options: {
    readonly activation: number;
    readonly runner: string;
    readonly turnId: string;
    readonly maxMessages: number;
    readonly historyEntries: number;
    readonly from?: string | null;
  },
): Promise<BegunTurn> {
  const at = keys.connection(connection);
  const { activation, runner, turnId, maxMessages, historyEntries, from } = options;
  const answer = (await runScript(
    client,
    begin,
    [at.laneState(lane), at.lane(lane), at.laneHistory(lane), at.activeLanes, at.desired],
    [activation, lane, runner, turnId, maxMessages, historyEntries, from ?? ''],
  )) as
    | ['removed' | 'over']
    | ['waiting', number]
    | ['held', string, number]
    | ['turn', number, string, number, number, string, string, string[], string[]];
  switch (answer[0]) {
    case 'removed':
    case 'over':
      return { kind: answer[0] };
    case 'waiting':
      return { kind: 'waiting', forMs: answer[1] };
    case 'held':
      return { kind: 'held', runner: answer[1], foundForMs: answer[2] };
    case 'turn': {
      const [, token, id, crashes, attempt, now, wanted, entries, history] = answer;
      const said = history.map((text) => JSON.parse(text) as HistoryEntry);
      const desired = parseDesired(wanted);
      if (desired === null) throw new TypeError('begin-turn.lua gave no record');
      return { kind: 'turn', token, id, crashes, attempt, now: Number(now), desired, entries, history: said };
    }
    default:
      return answer satisfies never;
  }
}

/** Ends the turn. Safe to repeat; refused (and counted) when someone took the turn after us. */
export async function commitTurn(
  client: RedisClient,
  keys: Keys,
  { connection, lane }: LaneRef,
  turn: Pick<Turn, 'id' | 'token'>,
  result: TurnResult,
  limits: TurnLimits,
  safeguards: Safeguards,
): Promise<CommittedTurn> {
  const at = keys.connection(connection);
  const counters = [...new Set(result.parts.map((part) => part.reply.key))];
  const history = limits.historyEntries > 0 ? result.history : [];
  const answer = (await runScript(
    client,
    commit,
    [
      ...[at.laneState(lane), at.lane(lane), at.laneHistory(lane), at.cursor, at.activeLanes],
      ...[at.outbox(lane), at.outboxState(lane), at.activeOutboxes, at.deadLetters, at.counters],
      ...counters.map((key) => at.replies(key)),
    ],
    [
      ...[turn.token, turn.id, safeguards.fence ? '1' : '0', lane],
      ...[limits.historyEntries, limits.historyMs, limits.replyMemoryMs, DEAD_LETTERS_KEPT, IDLE_LANE_MS],
      ...[history.length, result.parts.length, result.letters.length],
      ...counters.map((key) => result.used.get(key) ?? ''),
      ...history.map((entry) => JSON.stringify(entry)),
      ...result.parts.flatMap((part) => [counters.indexOf(part.reply.key) + 1, JSON.stringify(part)]),
      ...result.letters.flatMap((letter) => {
        const fields = deadLetterFields(letter);
        return [fields.length, ...fields];
      }),
    ],
  )) as ['stale'] | ['used', ...string[]] | ['done', string, string];
  if (answer[0] === 'stale') return { kind: 'stale' };
  if (answer[0] === 'used') {
    return { kind: 'used', used: new Map(counters.map((key, n) => [key, Number(answer[1 + n])])) };
  }
  const activation = Number(answer[2]);
  return { kind: 'done', more: answer[1] === '1', outboxActivation: activation === 0 ? null : activation };
}

/** An answer was cut to the parts it may have. @throws the client's errors */
export async function countCut(client: RedisClient, keys: Keys, connection: ConnectionId): Promise<void> {
  await client.hincrby(keys.connection(connection).counters, 'answersCut', 1);
}

/**
 * Lets go of the turn without ending it.
 *
 * @param options.forMs - not to be taken again before
 * @param options.counts - true after an attempt that failed, false when we merely stop
 * @returns false when someone took the turn after us
 */
export async function postponeTurn(
  client: RedisClient,
  keys: Keys,
  { connection, lane }: LaneRef,
  token: number,
  options: { readonly forMs: number; readonly counts: boolean; readonly reason: string },
  safeguards: Safeguards,
): Promise<boolean> {
  const at = keys.connection(connection);
  const answer = await runScript(
    client,
    postpone,
    [at.laneState(lane), at.counters],
    [
      token,
      safeguards.fence ? '1' : '0',
      Math.ceil(options.forMs),
      options.counts ? '1' : '0',
      asReason(options.reason),
    ],
  );
  return answer === 1;
}

/** @returns the lane's new activation, or `null` when it has moved on without us */
export async function yieldLane(
  client: RedisClient,
  keys: Keys,
  { connection, lane }: LaneRef,
  activation: number,
): Promise<number | null> {
  const at = keys.connection(connection);
  const answer = await runScript(client, yieldScript, [at.laneState(lane), at.activeLanes], [activation, lane]);
  return answer === 0 ? null : Number(answer);
}

/** Body of a dead letter of kind `turn`: one message as it lay in its lane. */
export interface TurnLetterBody {
  readonly lane: string;
  readonly entry: string;
}

/**
 * Puts the message of a dead letter back at the end of its lane, and removes the letter, in one step. Its answer will
 * be sent even when it is too late for a reply.
 *
 * @returns the activation to wake, or `null` when the letter was gone (someone else retried it)
 */
export async function retryTurnLetter(
  client: RedisClient,
  keys: Keys,
  connection: ConnectionId,
  letter: DeadLetter,
): Promise<{ readonly lane: string; readonly activation: number } | null> {
  const { lane, entry } = letter.body as unknown as TurnLetterBody;
  const at = keys.connection(connection);
  const answer = await runScript(
    client,
    retry,
    [at.deadLetters, at.lane(lane), at.laneState(lane), at.activeLanes, at.cursor],
    [letter.id, lane, markRetried(entry)],
  );
  return answer === 0 ? null : { lane, activation: Number(answer) };
}

/** What a person sees of a lane that has messages waiting. */
export interface LaneView {
  readonly lane: string;
  /** The chat, as the platform names it; `null` when it cannot be read. */
  readonly conversation: string | null;
  readonly waiting: number;
  /** Redis ms; `null` while a turn runs or is due. */
  readonly nextAttemptAt: number | null;
  readonly attempt: number;
  readonly lastError: string | null;
}

/** The lanes that were active longest. @param limit - at most this many */
export async function listActiveLanes(
  client: RedisClient,
  keys: Keys,
  connection: ConnectionId,
  limit: number,
): Promise<LaneView[]> {
  const at = keys.connection(connection);
  const lanes = await client.zrange(at.activeLanes, '0', String(limit - 1));
  return Promise.all(
    lanes.map(async (lane) => {
      const [waiting, state, oldest] = await Promise.all([
        client.llen(at.lane(lane)),
        client.hgetall(at.laneState(lane)),
        client.lindex(at.lane(lane), 0),
      ]);
      return {
        lane,
        conversation: conversationOf(oldest),
        waiting,
        nextAttemptAt: state.nextAttemptAt === undefined ? null : Number(state.nextAttemptAt),
        attempt: Number(state.attempt ?? 0),
        lastError: state.lastError ?? null,
      };
    }),
  );
}

function conversationOf(entry: string | null): string | null {
  try {
    return entry === null ? null : decodeEntry(entry).conversation;
  } catch {
    return null;
  }
}
