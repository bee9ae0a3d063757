/**
 * The outbox: one ordered list of unsent parts per conversation, and the state of its head.
 *
 * Whoever delivers an outbox first takes its *delivery token*; a newer token fences the older one in every later step. An
 * attempt is recorded before its bytes go out, so that a successor knows that one may have arrived. Steps that a
 * lost answer leaves in doubt can be repeated: attempts and settlements carry ids of their own.
 */

import { TransientError } from '../errors.ts';
import type { ConnectionId, OutboundPart } from '../model.ts';
import { asReason } from '../text/foreign-text.ts';
import { AUDIT_KEPT_MS } from './audits.ts';
import type { BucketLimit } from './buckets.ts';
import { DEAD_LETTERS_KEPT, type DeadLetter, deadLetterFields, type NewDeadLetter } from './dead-letters.ts';
import { type DesiredConnection, parseDesired } from './desired.ts';
import { type Keys, laneId } from './keys.ts';
import type { LaneJobData } from './queues.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const appendScript = loadScript('append-parts');
const beginScript = loadScript('begin-delivery');
const startScript = loadScript('start-attempt');
const settleScript = loadScript('settle-part');
const retryScript = loadScript('retry-send');

/** Longer than any reply window, so that ordinals of one inbound message are never given twice, ms. */
const REPLY_COUNT_KEPT_MS = 7 * 24 * 3_600_000;

/** Long enough that no job of an old activation is left when the numbers start again, ms. */
const IDLE_OUTBOX_MS = 7 * 24 * 3_600_000;

/** A lane that does not come back for its permits this long after it should have loses its place, ms. */
const WAITER_GRACE_MS = 5_000;

/** A part as it lies in an outbox: its ordinal stands before it, given in the step that stored it. */
export type UnsentPart = Omit<OutboundPart, 'ordinal'> & {
  /** Cut from a part that the platform called too long: not to be cut again. */
  readonly cutFrom?: string;
  /** It may be too long: whoever delivers it knows the platform's limit. */
  readonly whole?: true;
  /** Sent in place of this text, which the platform refused. */
  readonly insteadOf?: string;
  /** Tells people that something could not be shown. Not worth a dead letter, nor a notice of its own. */
  readonly isNotice?: true;
};

/**
 * Appends parts that do not come from a turn, in order. Afterwards the outbox must be woken
 * (`addLaneJobs`; again is harmless); the sweep does it when this process dies in between.
 *
 * @param parts - of one conversation and one reply key
 * @throws TransientError when Redis gave no answer or is full; without an answer the parts may be stored all the same
 */
export async function appendParts(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  parts: readonly UnsentPart[],
): Promise<LaneJobData> {
  const job = await append(client, keys, id, parts, 'always');
  if (job === null) throw new Error('unreachable: nothing was asked to be left out');
  return job;
}

/**
 * As {@link appendParts}, unless parts were appended under this reply key before, which is remembered for 7 days: safe to
 * repeat when no answer came, by anybody.
 *
 * @returns what to wake, or `null` when the reply key was known and nothing was done
 * @throws TransientError as `appendParts`
 */
export async function appendPartsOnce(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  parts: readonly UnsentPart[],
): Promise<LaneJobData | null> {
  return await append(client, keys, id, parts, 'once');
}

async function append(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  parts: readonly UnsentPart[],
  how: 'always' | 'once',
): Promise<LaneJobData | null> {
  const first = parts[0];
  if (first === undefined) throw new RangeError('appendParts: no parts');
  if (parts.some((part) => part.conversation !== first.conversation || part.reply.key !== first.reply.key)) {
    throw new RangeError('appendParts: all parts must be of one conversation and one reply key');
  }
  const lane = laneId(id, first.conversation);
  const k = keys.connection(id);
  const answer = (await asking('append parts', () =>
    runScript(
      client,
      appendScript,
      [k.outbox(lane), k.outboxState(lane), k.activeOutboxes, k.replies(first.reply.key)],
      [lane, REPLY_COUNT_KEPT_MS, how === 'once' ? '1' : '', ...parts.map((part) => JSON.stringify(part))],
    ),
  )) as [string, string] | null;
  return answer === null ? null : { connectionId: id, lane, activation: Number(answer[0]) };
}

/**
 * Puts the part of a dead letter of kind `send` back at the end of its outbox, and removes the letter, in one step. A reply
 * whose window is over goes out as a message of its own: a person asked for it.
 *
 * @param now - Redis ms
 * @returns what to wake, or `null` when the letter was gone (someone else retried it) or holds no readable part
 * @throws TransientError when Redis gave no answer or is full
 */
export async function retrySendLetter(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  letter: DeadLetter,
  now: number,
): Promise<LaneJobData | null> {
  const part = letter.body as unknown as OutboundPart | string | null;
  if (letter.kind !== 'send' || part === null || typeof part === 'string') return null;
  const { ordinal, ...rest } = part;
  const isLate = part.reply.deadlineAt !== null && now >= part.reply.deadlineAt;
  const again: UnsentPart = { ...rest, mode: isLate ? 'active' : part.mode, whole: true };
  const lane = laneId(id, part.conversation);
  const k = keys.connection(id);
  const activation = await asking('retry send', () =>
    runScript(
      client,
      retryScript,
      [k.deadLetters, k.outbox(lane), k.outboxState(lane), k.activeOutboxes],
      [letter.id, lane, `${ordinal}\n${JSON.stringify(again)}`],
    ),
  );
  return activation === 0 ? null : { connectionId: id, lane, activation: Number(activation) };
}

/** The part to be sent next, and what is known about earlier tries. */
export interface Head {
  readonly kind: 'head';
  readonly deliveryToken: string;
  /** `null`: the entry can't be read. */
  readonly part: OutboundPart | null;
  readonly entry: string;
  /** Attempts started so far. */
  readonly attempts: number;
  /** When it became the head, Redis ms. */
  readonly since: number;
  /** An attempt was started and nobody stored its result. */
  readonly interrupted: boolean;
  /** An earlier attempt may have been delivered. */
  readonly doubt: boolean;
  readonly isCut: boolean;
  readonly isWhole: boolean;
  /** The text in whose place it goes out; `null`: none. */
  readonly insteadOf: string | null;
  readonly isNotice: boolean;
  /** Until when the platform told us to wait with this conversation, Redis ms; 0: it did not. */
  readonly toldUntil: number;
}

/** `gone`: this activation is over; `idle`: nothing is left, the outbox is inactive; `fenced`: someone newer delivers. */
export interface Next {
  readonly head: Head | 'idle' | 'gone' | 'fenced';
  /** Redis ms. */
  readonly now: number;
}

/** What {@link Outbox.begin} found. */
export interface Begun extends Next {
  /** As it is wanted now; `null`: it was removed, or nothing is to be sent. */
  readonly desired: DesiredConnection | null;
}

export type Started =
  /** The permits are taken, and the attempt is recorded. */
  | { readonly kind: 'started' }
  /** A bucket is exhausted or paused: no permit was taken. Worth asking again after `ms`. */
  | { readonly kind: 'wait'; readonly ms: number }
  /** Someone newer delivers: nothing may be sent. */
  | { readonly kind: 'fenced' };

/** One outbox under one activation, as its deliverer sees it. */
export class Outbox {
  readonly #client: RedisClient;
  readonly #fence: '1' | '';
  readonly #lane: string;
  readonly #activation: number;
  readonly #keys: ReturnType<Keys['connection']>;

  /** @param fence - false only where tests show what the delivery token is for */
  constructor(client: RedisClient, keys: Keys, job: LaneJobData, fence: boolean) {
    this.#client = client;
    this.#fence = fence ? '1' : '';
    this.#lane = job.lane;
    this.#activation = job.activation;
    this.#keys = keys.connection(job.connectionId as ConnectionId);
  }

  /** Takes the delivery token. @throws TransientError when Redis gave no answer; calling again is safe */
  async begin(): Promise<Begun> {
    const k = this.#keys;
    const answer = (await asking('begin delivery', () =>
      runScript(
        this.#client,
        beginScript,
        [k.outbox(this.#lane), k.outboxState(this.#lane), k.activeOutboxes, k.desired],
        [this.#lane, this.#activation, IDLE_OUTBOX_MS],
      ),
    )) as string[];
    const [kind = '', token = '', now = '0', entry = '', attempts, since, interrupted, doubt, desired, held] = answer;
    if (kind !== 'head') return { head: kind as 'idle' | 'gone', now: 0, desired: null };
    return {
      desired: parseDesired(desired || null),
      now: Number(now),
      head: {
        ...readEntry(entry),
        deliveryToken: token,
        attempts: Number(attempts),
        since: Number(since),
        interrupted: interrupted === '1',
        doubt: doubt === '1',
        toldUntil: Number(held ?? 0),
      },
    };
  }

  /**
   * Takes one permit from each bucket, or none, and records that the head is about to be sent. Among lanes that wait for
   * the same bucket, earlier deadlines go first.
   *
   * @param attemptId - unique per attempt; repeating a call whose answer was lost takes and counts once
   * @param deadlineAt - when the part is given up, Redis ms
   * @throws TransientError when Redis gave no answer: nothing may be sent
   */
  async start(
    head: Pick<Head, 'deliveryToken'>,
    attemptId: string,
    buckets: readonly BucketLimit[],
    deadlineAt: number,
  ): Promise<Started> {
    const k = this.#keys;
    const answer = (await asking('start attempt', () =>
      runScript(
        this.#client,
        startScript,
        [
          k.outboxState(this.#lane),
          ...buckets.flatMap(({ key }) => [k.bucket(key), k.bucketWaiting(key), k.bucketDue(key), k.bucketPause(key)]),
        ],
        [
          ...[head.deliveryToken, this.#fence, attemptId, this.#lane, Math.ceil(deadlineAt), WAITER_GRACE_MS],
          ...buckets.flatMap(({ count, windowMs }) => [Math.max(1, count), windowMs]),
        ],
      ),
    )) as ['started' | 'fenced'] | ['wait', number];
    return answer[0] === 'wait' ? { kind: 'wait', ms: answer[1] } : { kind: answer[0] };
  }

  /**
   * Stores what became of the head and returns the next one (the same one after `keep`).
   *
   * @param waitMs - of `keep`: not to be tried again for so long, for those who look on
   * @param settlementId - unique per settlement; repeating a call whose answer was lost changes nothing, and neither
   *   does a copy that arrives seconds late
   * @param bucket - the widest one that the part drew from; `null`: none
   * @throws TransientError when Redis gave no answer
   */
  async settle(
    head: Head,
    settlementId: string,
    settlement: Settlement,
    { waitMs = 0, bucket = null }: { readonly waitMs?: number; readonly bucket?: string | null } = {},
  ): Promise<Next> {
    const k = this.#keys;
    const replyKey = head.part?.reply.key ?? '';
    const answer = (await asking('settle part', () =>
      runScript(
        this.#client,
        settleScript,
        [
          k.outbox(this.#lane),
          k.outboxState(this.#lane),
          k.activeOutboxes,
          k.counters,
          k.deadLetters,
          k.replies(replyKey),
          k.bucketRefusals(bucket ?? ''),
          k.audit(settlement.kind === 'audit' ? settlement.auditId : ''),
        ],
        [
          ...[head.deliveryToken, this.#fence, settlementId, head.entry, this.#lane, IDLE_OUTBOX_MS],
          ...settlementArguments(settlement, waitMs),
        ],
      ),
    )) as string[];
    const [kind = '', now = '0', entry = '', held = '0'] = answer;
    if (kind !== 'head') return { head: kind as 'idle' | 'fenced', now: 0 };
    const fresh = { attempts: 0, since: Number(now), interrupted: false, doubt: false, toldUntil: Number(held) };
    return { now: Number(now), head: { ...readEntry(entry), ...fresh, deliveryToken: head.deliveryToken } };
  }
}

export type Settlement =
  | { readonly kind: 'done'; readonly counter: 'sent' | 'duplicatesSent' | 'auditsPending' | 'blanks' }
  /** The platform has it, and may still say no: then `letter` is kept. */
  | { readonly kind: 'audit'; readonly auditId: string; readonly letter: NewDeadLetter }
  /** It is over, and nobody need know. */
  | { readonly kind: 'drop' }
  /** It stays the head and will be tried again. `toldMs`: the platform told us to wait so long; `null`: it did not. */
  | {
      readonly kind: 'keep';
      readonly doubt: boolean;
      readonly code: string;
      readonly reason: string;
      readonly toldMs: number | null;
    }
  /** Others take its place. `allot`: each gets an ordinal of its own, as new content must. */
  | { readonly kind: 'replace'; readonly parts: readonly UnsentPart[]; readonly allot: boolean }
  /** `notice`: tells people, in its place, unless they were told for the same reply key; `null`: they are not. */
  | { readonly kind: 'dead'; readonly letter: NewDeadLetter; readonly notice: UnsentPart | null };

function settlementArguments(settlement: Settlement, waitMs: number): (string | number)[] {
  switch (settlement.kind) {
    case 'done':
      return ['done', settlement.counter];
    case 'audit':
      return ['audit', DEAD_LETTERS_KEPT, AUDIT_KEPT_MS, ...deadLetterFields(settlement.letter)];
    case 'drop':
      return ['drop'];
    case 'keep': {
      const { doubt, code, reason, toldMs } = settlement;
      const told = toldMs === null ? '' : Math.ceil(toldMs);
      return ['keep', doubt ? '1' : '', code, asReason(reason), Math.ceil(waitMs), told];
    }
    case 'replace':
      return ['replace', settlement.allot ? '1' : '', ...settlement.parts.map((part) => JSON.stringify(part))];
    case 'dead':
      return settlement.notice === null
        ? ['dead', DEAD_LETTERS_KEPT, ...deadLetterFields(settlement.letter)]
        : ['refused', DEAD_LETTERS_KEPT, JSON.stringify(settlement.notice), ...deadLetterFields(settlement.letter)];
    default:
      return settlement satisfies never;
  }
}

type ReadEntry = Pick<Head, 'kind' | 'part' | 'entry' | 'isCut' | 'isWhole' | 'insteadOf' | 'isNotice'>;

function readEntry(entry: string): ReadEntry {
  const plain = { kind: 'head', entry, isCut: false, isWhole: false, insteadOf: null, isNotice: false } as const;
  const unreadable = { ...plain, part: null };
  const cut = entry.indexOf('\n');
  const ordinal = Number(entry.slice(0, cut));
  if (cut < 1 || !Number.isSafeInteger(ordinal)) return unreadable;
  try {
    const { cutFrom, whole, insteadOf, isNotice, ...part } = JSON.parse(entry.slice(cut + 1)) as UnsentPart;
    if (typeof part.text !== 'string' || typeof part.reply?.key !== 'string') return unreadable;
    return {
      ...plain,
      part: { ...part, ordinal },
      isCut: cutFrom !== undefined,
      isWhole: whole === true,
      insteadOf: insteadOf ?? null,
      isNotice: isNotice === true,
    };
  } catch {
    return unreadable;
  }
}

async function asking<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    throw new TransientError('REDIS_UNAVAILABLE', `Redis did not answer "${what}"`, { cause });
  }
}
