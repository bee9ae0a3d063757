/** Counters: sessions a bot may still create, and plain sliding windows. */
import type { IdentifyLimit, Rate } from './options.ts';

/** A sliding window; `take` counts an attempt, also a refused one only if it fits. */
export class RateWindow {
  readonly #rate: Rate;
  #taken: number[] = [];

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  take(now: number): boolean {
    this.#taken = this.#taken.filter((at) => now - at < this.#rate.windowMs);
    if (this.#taken.length >= this.#rate.max) return false;
    this.#taken.push(now);
    return true;
  }
}

/** `session_start_limit` of one bot (bot-docs, openapi/wss/shard_url_get.md). */
export class IdentifyQuota {
  readonly #limit: IdentifyLimit;
  readonly #burst: RateWindow;
  #remaining: number;
  #resetsAt: number;

  constructor(limit: IdentifyLimit, now: number) {
    this.#limit = limit;
    this.#burst = new RateWindow({ max: limit.maxConcurrency, windowMs: limit.windowMs });
    this.#remaining = limit.total;
    this.#resetsAt = now + limit.resetAfterMs;
  }

  /** @returns false when the day's total or the burst limit is used up: the Identify is then refused */
  take(now: number): boolean {
    this.#renew(now);
    if (this.#remaining <= 0 || !this.#burst.take(now)) return false;
    this.#remaining--;
    return true;
  }

  exhaust(now: number): void {
    this.#renew(now);
    this.#remaining = 0;
  }

  /** The object under `session_start_limit`, on the wire. */
  describe(now: number): object {
    this.#renew(now);
    return {
      total: this.#limit.total,
      remaining: this.#remaining,
      reset_after: Math.round(this.#resetsAt - now),
      max_concurrency: this.#limit.maxConcurrency,
    };
  }

  #renew(now: number): void {
    if (now < this.#resetsAt) return;
    this.#remaining = this.#limit.total;
    this.#resetsAt = now + this.#limit.resetAfterMs;
  }
}
