/**
 * Renews the leases of all connections this worker holds, and writes their heartbeats, in one batched step; stops a
 * tenure by itself when its lease can no longer be believed. One keeper per worker process.
 */
import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import { sleep, withDeadline } from '../async/abort.ts';
import type { Clock } from '../async/clock.ts';
import { explain, FencedError } from '../errors.ts';
import type { ConnectionId, FencingToken } from '../model.ts';
import type { Keys } from '../state/keys.ts';
import { RENEWALS_AT_ONCE, type RenewalAnswer, renewLeases } from '../state/leases.ts';
import type { RedisClient } from '../state/redis.ts';
import { elapsedBetween, type Instant, instant, leaseMargin } from './lease-clock.ts';

/** One tenure of one connection. */
export interface TenureName {
  readonly id: ConnectionId;
  readonly token: FencingToken;
}

/** What the keeper needs of a tenure. */
export interface KeptTenure extends TenureName {
  /** When the claim that granted the lease was sent. */
  readonly claimedAt: Instant;
  heartbeat(): string;
  /** The change of state since the last call, JSON, or `null`. */
  takeChange(): string | null;
  /** The lease is gone or no longer believable: stop at once, write nothing more. */
  onFenced(error: FencedError): void;
  /** The operator's wishes as Redis has them. */
  onWishes(wishes: { readonly wanted: boolean; readonly restartWish: number; readonly fingerprint: string }): void;
}

export interface LeaseKeeperOptions {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** False only in a demonstration of what fencing prevents: leases are then believed for ever. */
  readonly selfFence: boolean;
}

/** How often believability is looked at besides the check before each write, ms. */
const FENCE_CHECK_MS = 100;
/** State changes are written at once, but gathered for this long, ms: a flapping connection costs no more. */
const GATHER_MS = 20;

/** Of a call that renews. */
interface Failure {
  readonly reason: string;
}

interface Kept {
  /** {@link keyOf} its tenure. */
  readonly name: string;
  readonly tenure: KeptTenure;
  renewedAt: Instant;
}

const REFUSALS = {
  overtaken: 'a newer fencing token exists: another worker took over',
  forgotten: 'Redis no longer knows the lease: it has lost its data',
} as const;

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  /** By {@link keyOf}: fencing tokens alone are not unique, two connections claimed in one ms have the same. */
  readonly #tenures = new Map<string, Kept>();
  readonly #believedMs: number;
  #changed = new Set<string>();
  #gathering: NodeJS.Timeout | undefined;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#believedMs = options.leaseMs - leaseMargin(options.leaseMs);
  }

  keep(tenure: KeptTenure): void {
    const name = keyOf(tenure);
    this.#tenures.set(name, { name, tenure, renewedAt: tenure.claimedAt });
    this.writeSoon(tenure);
  }

  /** Stops renewing; safe to call twice. */
  letGo(tenure: TenureName): void {
    this.#tenures.delete(keyOf(tenure));
    this.#changed.delete(keyOf(tenure));
  }

  /** Renews everything now: somebody says that the wishes in Redis changed. */
  lookNow(): void {
    for (const { tenure } of this.#tenures.values()) this.writeSoon(tenure);
  }

  /** Writes this tenure's heartbeat within {@link GATHER_MS}, ahead of the regular renewal. */
  writeSoon(tenure: TenureName): void {
    this.#changed.add(keyOf(tenure));
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      const names = [...this.#changed];
      this.#changed = new Set();
      this.#renew(names).catch((error: unknown) => this.#options.log.error({ err: error }, 'heartbeat write failed'));
    }, GATHER_MS);
  }

  /**
   * Synchronous: called before everything a holder writes or sends.
   *
   * @throws FencedError when the lease may have run out in Redis by now
   */
  assertHeld(tenure: TenureName): void {
    const kept = this.#tenures.get(keyOf(tenure));
    if (kept === undefined) throw new FencedError('the tenure is over');
    const error = this.#expiryOf(kept, instant(this.#options.clock));
    if (error === null) return;
    this.#fence(kept.tenure, error);
    throw error;
  }

  /** @returns why its lease can no longer be believed; `null` while it can */
  #expiryOf({ renewedAt }: Kept, now: Instant): FencedError | null {
    const elapsed = elapsedBetween(renewedAt, now);
    if (elapsed < this.#believedMs || !this.#options.selfFence) return null;
    return new FencedError(`lease not renewed for ${Math.round(elapsed)} ms (it lasts ${this.#options.leaseMs} ms)`);
  }

  /** Runs until `signal` aborts. Never throws: a failed renewal is repeated, and the belief runs out by itself. */
  async run(signal: AbortSignal): Promise<void> {
    const fenceCheck = setInterval(() => this.#fenceExpired(), FENCE_CHECK_MS);
    try {
      while (!signal.aborted) {
        await this.#renew([...this.#tenures.keys()]);
        // A third of the period after a failure: a short Redis hiccup must not cost a lease.
        await sleep(this.#lastFailed ? this.#options.renewEveryMs / 3 : this.#options.renewEveryMs, { signal });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      clearInterval(fenceCheck);
      clearTimeout(this.#gathering);
    }
  }

  #lastFailed = false;

  async #renew(names: readonly string[]): Promise<void> {
    const held = names.filter((name) => this.#tenures.has(name));
    if (held.length === 0) return;
    const lots: Promise<Failure | null>[] = [];
    for (let start = 0; start < held.length; start += RENEWALS_AT_ONCE) {
      // What thousands of heartbeats take to write would keep everything else waiting, and be garbage all at once.
      if (start > 0) await setImmediate();
      lots.push(this.#renewLot(held.slice(start, start + RENEWALS_AT_ONCE)));
    }
    const failure = (await Promise.all(lots)).find((each) => each !== null);
    const { log } = this.#options;
    const failedBefore = this.#lastFailed;
    this.#lastFailed = failure !== undefined;
    if (failure === undefined && failedBefore) log.info({ event: 'renewal-recovered' }, 'leases are renewed again');
    if (failure !== undefined && !failedBefore)
      log.warn({ event: 'renewal-failed', reason: failure.reason }, 'leases not renewed');
  }

  /** Never throws. @returns why these were not renewed */
  async #renewLot(names: readonly string[]): Promise<Failure | null> {
    const batch = names.flatMap((name) => this.#tenures.get(name) ?? []);
    if (batch.length === 0) return null;
    const { client, keys, leaseMs, clock } = this.#options;
    const renewals = batch.map(({ tenure }) => ({
      id: tenure.id,
      token: tenure.token,
      heartbeat: tenure.heartbeat(),
      change: tenure.takeChange(),
    }));
    const sentAt = instant(clock);
    let answers: RenewalAnswer[];
    try {
      // A late answer must not extend anything, so the call ends well before the lease would.
      answers = await withDeadline('renewal of leases', leaseMs / 3, new AbortController().signal, () =>
        renewLeases(client, keys, renewals, leaseMs),
      );
    } catch (error) {
      return { reason: explain(error) };
    }
    for (const [index, kept] of batch.entries()) {
      const answer = answers[index];
      if (answer === undefined || this.#tenures.get(kept.name) !== kept) continue;
      if (answer.current) {
        kept.renewedAt = sentAt;
        kept.tenure.onWishes(answer);
      } else if (this.#options.selfFence) {
        this.#fence(kept.tenure, new FencedError(REFUSALS[answer.because]));
      }
    }
    return null;
  }

  #fenceExpired(): void {
    // Ten times a second over thousands of tenures: one reading of the clocks, and no name spelled out.
    const now = instant(this.#options.clock);
    for (const kept of this.#tenures.values()) {
      const error = this.#expiryOf(kept, now);
      if (error !== null) this.#fence(kept.tenure, error);
    }
  }

  #fence(tenure: KeptTenure, error: FencedError): void {
    if (!this.#tenures.has(keyOf(tenure))) return;
    this.letGo(tenure);
    tenure.onFenced(error);
  }
}

function keyOf({ id, token }: TenureName): string {
  return `${id}#${token}`;
}
