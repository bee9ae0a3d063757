/** How much of each connection waits for agents, senders and people, and what it waits for, in a few calls for all of them. */
import type { ConnectionId } from '../model.ts';
import { inChunks, readFields } from './evidence.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const readBacklogScript = loadScript('read-backlog');

/** A conversation with something that waits. */
export interface Waiting {
  /** Lane id. */
  readonly lane: string;
  /** Redis ms: since when it is active. */
  readonly at: number;
}

export interface Backlog {
  readonly id: ConnectionId;
  /** Conversations with messages that wait for their turn, or whose turn runs. */
  readonly lanes: number;
  /** The few of them that are active for longest, oldest first. */
  readonly oldestLanes: readonly Waiting[];
  /** Conversations with parts that are not sent yet. */
  readonly outboxes: number;
  /** The few of them that are active for longest, oldest first. */
  readonly oldestOutboxes: readonly Waiting[];
  readonly deadLetters: number;
  /** Of these, new ones; counted up to {@link LETTERS_COUNTED}. */
  readonly newDeadLetters: number;
  /** Waiting in lanes. */
  readonly pendingBytes: number;
}

/** Of lanes and of outboxes, per connection. */
const OLDEST_NAMED = 10;
/** Each has its text, and all of them pass through the script. */
export const LETTERS_COUNTED = 3;
const LETTERS_NEW_MS = 600_000;

/** @param now - Redis ms. @throws the client's errors */
export async function readBacklogs(
  client: RedisClient,
  keys: Keys,
  ids: readonly ConnectionId[],
  now: number,
): Promise<Backlog[]> {
  const args = [OLDEST_NAMED, Math.max(0, Math.round(now - LETTERS_NEW_MS)), LETTERS_COUNTED];
  return await inChunks(ids, async (some) => {
    const scriptKeys = some.flatMap((id) => {
      const { activeLanes, activeOutboxes, deadLetters, cursor } = keys.connection(id);
      return [activeLanes, activeOutboxes, deadLetters, cursor];
    });
    const answers = (await runScript(client, readBacklogScript, scriptKeys, args)) as Answer[];
    return some.flatMap((id, n) => {
      const answer = answers[n];
      if (answer === undefined) return [];
      const [lanes, oldestLanes, outboxes, oldestOutboxes, deadLetters, bytes, newDeadLetters] = answer;
      return {
        id,
        lanes,
        oldestLanes: waitingOf(oldestLanes),
        outboxes,
        oldestOutboxes: waitingOf(oldestOutboxes),
        deadLetters,
        newDeadLetters,
        pendingBytes: Number(bytes),
      };
    });
  });
}

type Answer = [number, string[], number, string[], number, string, number];

function waitingOf(flat: readonly string[]): Waiting[] {
  return flat.flatMap((lane, n) => (n % 2 === 0 ? [{ lane, at: Number(flat[n + 1]) }] : []));
}

/** How the turn of a conversation stands. Instants are Redis ms. */
export interface LaneStanding extends Waiting {
  /** Since when the messages of the turn wait for an answer; `null`: no turn was taken yet, or by an older release. */
  readonly beganAt: number | null;
  /** Since when the agent has been at it; `null`: it is not, or an older release asked it. */
  readonly takenAt: number | null;
  /** Somebody has taken the turn and neither ended nor let go of it. */
  readonly running: boolean;
  /** How often it was given up and put off. */
  readonly attempt: number;
  readonly nextAttemptAt: number | null;
  readonly lastError: string | null;
}

/** How the head of an outbox stands. Instants are Redis ms. */
export interface OutboxStanding extends Waiting {
  /** Since when its first part is the one to be sent; `null`: nobody has looked at it. */
  readonly headSince: number | null;
  readonly attempts: number;
  /** Not before; and why: the platform refused it so, paused what it draws from, or our permits are used up. */
  readonly heldUntil: number | null;
  readonly heldBy: 'retry' | 'pause' | 'permits' | null;
  readonly code: string | null;
  readonly reason: string | null;
}

/** The lanes among `waiting` that are still active. @throws the client's errors */
export async function readLaneStandings(
  client: RedisClient,
  keys: Keys,
  waiting: readonly (Waiting & { readonly id: ConnectionId })[],
): Promise<(LaneStanding & { readonly id: ConnectionId })[]> {
  if (waiting.length === 0) return [];
  const hashes = waiting.map(({ id, lane }) => keys.connection(id).laneState(lane));
  const fields = ['active', 'turnId', 'began', 'runner', 'taken', 'attempt', 'nextAttemptAt', 'lastError'];
  const found = await readFields(client, hashes, fields);
  return waiting.flatMap((one, n) => {
    const [active, turnId, began, runner, taken, attempt, nextAttemptAt, lastError] = found[n] ?? [];
    if (active !== '1') return [];
    return {
      ...one,
      beganAt: stampOf(began, turnId),
      takenAt: stampOf(taken, runner),
      running: runner != null && runner !== '',
      attempt: Number(attempt ?? 0),
      nextAttemptAt: numberOrNull(nextAttemptAt),
      lastError: lastError ?? null,
    };
  });
}

/** The outboxes among `waiting` that are still active. @throws the client's errors */
export async function readOutboxStandings(
  client: RedisClient,
  keys: Keys,
  waiting: readonly (Waiting & { readonly id: ConnectionId })[],
): Promise<(OutboxStanding & { readonly id: ConnectionId })[]> {
  if (waiting.length === 0) return [];
  const hashes = waiting.map(({ id, lane }) => keys.connection(id).outboxState(lane));
  const fields = ['active', 'since', 'attempts', 'heldUntil', 'heldBy', 'code', 'reason'];
  const found = await readFields(client, hashes, fields);
  return waiting.flatMap((one, n) => {
    const [active, since, attempts, heldUntil, heldBy, code, reason] = found[n] ?? [];
    if (active !== '1') return [];
    return {
      ...one,
      headSince: numberOrNull(since),
      attempts: Number(attempts ?? 0),
      heldUntil: numberOrNull(heldUntil),
      heldBy: heldBy === 'retry' || heldBy === 'pause' || heldBy === 'permits' ? heldBy : null,
      code: code ?? null,
      reason: reason ?? null,
    };
  });
}

/** `<of> <instant>`, believed only of what is there now. */
function stampOf(stamp: string | null | undefined, of: string | null | undefined): number | null {
  if (stamp == null || of == null || of === '' || !stamp.startsWith(`${of} `)) return null;
  return Number(stamp.slice(of.length + 1));
}

function numberOrNull(text: string | null | undefined): number | null {
  return text == null || text === '' || !Number.isFinite(Number(text)) ? null : Number(text);
}
