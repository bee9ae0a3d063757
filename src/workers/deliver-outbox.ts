/**
 * One activation of an outbox, as a story: take the delivery token → may the head be sent now? → permits of its buckets
 * and the record of the attempt, in one step → send → store what became of it → next.
 *
 * The worker slot is given back whenever there is more than a moment to wait. Nothing here knows BullMQ.
 */
import { randomUUID } from 'node:crypto';
import type { Sender } from '../adapters/adapter.ts';
import { sleep, withDeadline } from '../async/abort.ts';
import type { BackoffPolicy } from '../async/backoff.ts';
import type { Clock } from '../async/clock.ts';
import { explain, TransientError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { ConnectionId, OutboundPart, SendOutcome } from '../model.ts';
import { pauseBuckets } from '../state/buckets.ts';
import type { DesiredConnection } from '../state/desired.ts';
import type { Keys } from '../state/keys.ts';
import { countCut } from '../state/lanes.ts';
import { type Head, type Next, Outbox } from '../state/outbox.ts';
import type { LaneJobData } from '../state/queues.ts';
import type { RedisClient } from '../state/redis.ts';
import type { Safeguards } from '../state/safeguards.ts';
import type { ConnectionSlots } from './connection-slots.ts';
import { boundParts } from './cut-answer.ts';
import {
  type Candidate,
  divide,
  giveUpAt,
  judgeAfter,
  judgeBefore,
  judgeDefect,
  judgeTime,
  judgeUnsendable,
  type Verdict,
} from './delivery-verdict.ts';
import type { LaneEnd, LaneStop } from './lane-worker.ts';
import type { SenderAnswer } from './senders.ts';

export interface DeliveryDeps {
  readonly client: RedisClient;
  readonly keys: Keys;
  senderFor(connection: DesiredConnection): SenderAnswer;
  readonly slots: ConnectionSlots;
  readonly clock: Clock;
  readonly log: Logger;
  readonly safeguards: Safeguards;
  readonly backoff: BackoffPolicy;
  /** How long a part without a reply window is tried, ms. */
  readonly giveUpAfterMs: number;
  /** Most parts of a message that was stored whole. */
  maxReplyParts(): number;
  /** Bound of one send, whatever the adapter's own deadlines are, ms. */
  readonly sendTimeoutMs: number;
  /** What came of a send; must not throw. */
  saw?(connection: ConnectionId, outcome: SendOutcome): void;
  /** A part was delivered `ms` after it had come up for sending; must not throw. */
  took?(platform: string, ms: number): void;
}

type Step = { readonly kind: 'next'; readonly next: Next } | { readonly kind: 'again'; readonly afterMs: number };

/** Waits up to this long keep the slot: giving it back would cost more, ms. */
const MOMENT_MS = 100;
/** Then the conversation queues up again behind the others. */
const PARTS_PER_JOB = 50;
/** A connection that can't be sent for here, or has all its slots, is looked at again after this, ms. */
const ELSEWHERE_MS = 500;
const UNSENDABLE_MS = 5_000;
/** How long Redis is waited for before the job is given back, ms. */
const REDIS_PATIENCE_MS = 20_000;

/**
 * @throws the signal's reason; TransientError when Redis stays away. The outbox is whole in both cases, and a later
 *   activation job goes on with it
 */
export async function deliverOutbox(deps: DeliveryDeps, job: LaneJobData, stop: LaneStop): Promise<LaneEnd> {
  const id = job.connectionId as ConnectionId;
  if (!deps.slots.enter(id)) return { kind: 'again', afterMs: ELSEWHERE_MS * (1 + Math.random()) };
  try {
    return await new Delivery(deps, job, stop).run();
  } finally {
    deps.slots.leave(id);
  }
}

class Delivery {
  readonly #deps: DeliveryDeps;
  readonly #stop: LaneStop;
  readonly #id: ConnectionId;
  readonly #lane: string;
  readonly #outbox: Outbox;
  readonly #log: Logger;

  constructor(deps: DeliveryDeps, job: LaneJobData, stop: LaneStop) {
    this.#deps = deps;
    this.#stop = stop;
    this.#id = job.connectionId as ConnectionId;
    this.#lane = job.lane;
    this.#outbox = new Outbox(deps.client, deps.keys, job, deps.safeguards.fence);
    this.#log = deps.log.child({ connection: this.#id, lane: job.lane });
  }

  async run(): Promise<LaneEnd> {
    const begun = await this.#insist(() => this.#outbox.begin());
    const { desired } = begun;
    let next: Next = begun;
    for (let parts = 0; ; parts += 1) {
      const { head } = next;
      if (head === 'gone' || head === 'idle') return { kind: 'done' };
      // Whoever fenced us has the job. Coming back is for the case that it has not.
      if (head === 'fenced') return { kind: 'again', afterMs: ELSEWHERE_MS };
      if (this.#stop.draining() || parts === PARTS_PER_JOB) return { kind: 'again', afterMs: 0 };
      const step = await this.#guardedStep(desired, head, next.now);
      if (step.kind === 'again') return step;
      next = step.next;
    }
  }

  /** A part that makes our own code fail must not come back with every retry. */
  async #guardedStep(desired: DesiredConnection | null, head: Head, redisNow: number): Promise<Step> {
    try {
      return await this.#step(desired, head, redisNow);
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      if (error instanceof TransientError) throw error;
      this.#log.error({ event: 'delivery-defect', part: head.part?.id, err: error }, 'delivering a part failed');
      return this.#carryOut(head, judgeDefect(head, explain(error)));
    }
  }

  async #step(desired: DesiredConnection | null, head: Head, redisNow: number): Promise<Step> {
    const { part } = head;
    if (part === null) return this.#carryOut(head, judgeDefect(head, 'the outbox entry can not be read'));
    const now = this.#redisClock(redisNow);
    const answer: SenderAnswer =
      desired === null ? { kind: 'none', reason: 'the connection was removed' } : this.#deps.senderFor(desired);
    const candidate = (): Candidate => ({
      part,
      head,
      now: now(),
      repeatable: answer.kind === 'ready' && answer.repeatable(part),
      policy: { ...this.#deps, lateReply: desired?.lateReply ?? 'drop' },
    });
    if (answer.kind === 'none') {
      const unsendable = candidate();
      const verdict = judgeUnsendable(unsendable, answer.reason);
      if (verdict !== null) return this.#carryOut(head, verdict);
      this.#log.warn({ event: 'unsendable', part: part.id, reason: answer.reason }, 'a part can not be sent here');
      return { kind: 'again', afterMs: Math.min(UNSENDABLE_MS, giveUpAt(unsendable) - unsendable.now) };
    }

    const before = judgeBefore(candidate());
    if (before !== null) return this.#carryOut(head, before);
    const divided = head.isWhole ? this.#divide(part, answer.sender) : null;
    if (divided !== null) return this.#carryOut(head, divided);
    const buckets = answer.sender.buckets(part);
    const deadlineAt = giveUpAt(candidate());
    const attemptId = randomUUID();
    for (;;) {
      const started = await this.#insist(() => this.#outbox.start(head, attemptId, buckets, deadlineAt));
      if (started.kind === 'fenced') return { kind: 'again', afterMs: ELSEWHERE_MS };
      if (started.kind === 'started') break;
      const leftMs = Math.max(1, Math.min(started.ms, deadlineAt - now()));
      if (leftMs > MOMENT_MS) return { kind: 'again', afterMs: leftMs };
      await sleep(leftMs, { signal: this.#stop.signal });
      // No permit in time.
      const late = judgeTime(candidate());
      if (late !== null) return this.#carryOut(head, late);
    }
    const outcome = await this.#send(answer.sender, part, answer.repeatable(part));
    this.#report(part, head, outcome);
    this.#deps.saw?.(this.#id, outcome);
    const verdict = judgeAfter(candidate(), outcome, Math.random());
    const step = await this.#carryOut(head, verdict, attemptId, buckets[0]?.key);
    const isOurs = step.kind === 'next' && step.next.head !== 'fenced';
    if (desired !== null && isOurs && verdict.settlement.kind === 'done') {
      this.#deps.took?.(desired.platform, now() - head.since);
    }
    return step;
  }

  #divide(part: OutboundPart, sender: Pick<Sender, 'split'>): Verdict | null {
    const { parts, cut } = boundParts(part.text, sender, this.#deps.maxReplyParts());
    if (cut === null && parts.length < 2) return null;
    if (cut !== null) {
      const { client, keys } = this.#deps;
      countCut(client, keys, this.#id).catch((error: unknown) => {
        this.#log.debug({ reason: explain(error) }, 'a cut message was not counted');
      });
      this.#log.warn(
        { event: 'part-cut', part: part.id, ...cut },
        'the message has more parts than agent.maxReplyParts; it was cut, and says so',
      );
    }
    return divide(part, parts);
  }

  /** Stores the verdict; then the next head, or the wait it asks for. */
  async #carryOut(
    head: Head,
    verdict: Verdict,
    settlementId: string = randomUUID(),
    bucket: string | null = null,
  ): Promise<Step> {
    const { settlement, waitMs, pause } = verdict;
    const { client, keys } = this.#deps;
    if (pause !== null) {
      const reason = 'rate-limited by the platform';
      await this.#insist(() => pauseBuckets(client, keys, this.#id, this.#lane, pause, reason));
    }
    const next = await this.#insist(() => this.#outbox.settle(head, settlementId, settlement, { waitMs, bucket }));
    if (next.head !== 'fenced') this.#reportEnd(head, verdict);
    return waitMs > 0 ? { kind: 'again', afterMs: waitMs } : { kind: 'next', next };
  }

  async #send(
    sender: { send(part: OutboundPart, options: { signal: AbortSignal }): Promise<SendOutcome> },
    part: OutboundPart,
    repeatable: boolean,
  ): Promise<SendOutcome> {
    const { signal } = this.#stop;
    try {
      return await withDeadline('send', this.#deps.sendTimeoutMs, signal, (inner) =>
        sender.send(part, { signal: inner }),
      );
    } catch (error) {
      signal.throwIfAborted();
      const reason = explain(error);
      if (error instanceof TransientError && repeatable) {
        return { kind: 'retry', afterMs: null, code: error.code, reason, maybeDelivered: true };
      }
      if (error instanceof TransientError) return { kind: 'unknown', code: error.code, reason };
      // A sender must not throw: a defect would come back with every retry, so there is none.
      this.#log.error({ event: 'sender-threw', part: part.id, err: error }, 'a sender threw');
      return { kind: 'unknown', code: 'BUG', reason };
    }
  }

  #report(part: OutboundPart, head: Head, outcome: SendOutcome): void {
    const { slots } = this.#deps;
    if (outcome.kind === 'retry' || outcome.kind === 'unknown') slots.failed(this.#id);
    else slots.answered(this.#id);
    if ('code' in outcome) {
      const { kind, code, reason } = outcome;
      const facts = { event: 'send-refused', part: part.id, attempt: head.attempts + 1, outcome: kind, code, reason };
      this.#log.warn(facts, 'a send was refused or failed');
    } else if (outcome.kind === 'duplicate' && head.attempts === 0) {
      // Our books know of no earlier try: they fell back (Redis lost a second), or a rival uses the same account.
      this.#log.warn({ event: 'send-duplicate', part: part.id }, 'the platform already had this part');
    }
  }

  #reportEnd(head: Head, { settlement }: Verdict): void {
    const part = head.part?.id ?? 'unreadable';
    if (settlement.kind === 'dead') {
      const { outcome, code, reason } = settlement.letter;
      this.#log.warn({ event: 'dead-letter', part, outcome, code, reason }, 'a part became a dead letter');
    } else if (settlement.kind === 'replace') {
      const into = settlement.parts.map(({ id, mode }) => `${id} (${mode})`);
      this.#log.info({ event: 'part-replaced', part, into }, 'a part goes out in another form');
    } else if (settlement.kind === 'drop') {
      this.#log.warn({ event: 'notice-lost', part }, 'people could not be told that a part was refused');
    } else if (settlement.kind === 'keep' && settlement.toldMs !== null) {
      const { code, toldMs } = settlement;
      this.#log.warn({ event: 'held', part, code, toldMs }, 'the platform told us to wait with this conversation');
    }
  }

  /** Redis time as it goes on from `redisNow`: deadlines must not depend on how this host's clock is set. */
  #redisClock(redisNow: number): () => number {
    const { clock } = this.#deps;
    const from = clock.monotonic();
    return () => redisNow + (clock.monotonic() - from);
  }

  /** Asks Redis again until it answers: a result that is known must not become unknown by a short outage. */
  async #insist<T>(ask: () => Promise<T>): Promise<T> {
    const { clock } = this.#deps;
    const until = clock.monotonic() + REDIS_PATIENCE_MS;
    for (let pauseMs = 50; ; pauseMs = Math.min(2 * pauseMs, 1_000)) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof TransientError) || clock.monotonic() > until) throw error;
        this.#log.debug({ reason: explain(error) }, 'waiting for Redis');
      }
      await sleep(pauseMs, { signal: this.#stop.signal });
    }
  }
}
