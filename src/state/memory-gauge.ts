/**
 * Watches how full Redis as a whole is, so that inbound stops at 80 % of its memory: the rest belongs to what must go on
 * when memory is short (leases, turns, deliveries).
 */
import type { Logger } from 'pino';
import { sleep } from '../async/abort.ts';
import { FULL_AT, SHORT_AT } from './kept.ts';
import type { RedisClient } from './redis.ts';

export interface MemoryGaugeOptions {
  readonly client: RedisClient;
  readonly log: Logger;
  /** @defaultValue 1000 */
  readonly everyMs?: number;
}

/** One per process. Start it with {@link watch}; until its first look Redis counts as not full. */
export class MemoryGauge {
  readonly #client: RedisClient;
  readonly #log: Logger;
  readonly #everyMs: number;
  #full = false;
  #short = false;
  #maxBytes: number | null = null;

  constructor({ client, log, everyMs = 1_000 }: MemoryGaugeOptions) {
    this.#client = client;
    this.#log = log;
    this.#everyMs = everyMs;
  }

  /** As of the last look that was answered. */
  get full(): boolean {
    return this.#full;
  }

  /** It is getting tight: what is not needed is kept short. As of the last look. */
  get short(): boolean {
    return this.#short;
  }

  /** `null`: no limit is set, or nobody has looked yet. */
  get maxBytes(): number | null {
    return this.#maxBytes;
  }

  /** Looks again and again until `signal` aborts, then resolves. */
  async watch({ signal }: { signal: AbortSignal }): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      await sleep(this.#everyMs, { signal }).catch(() => {});
    }
  }

  /** Looks once. Without an answer the last judgement stands: a Redis that is away refuses writes by itself. */
  async look(): Promise<void> {
    let info: string;
    try {
      info = await this.#client.info('memory');
    } catch {
      return;
    }
    const used = numberOf(info, 'used_memory');
    const max = numberOf(info, 'maxmemory');
    const full = max > 0 && used >= max * FULL_AT;
    if (full !== this.#full) {
      const state = { event: 'redis.memory', usedBytes: used, maxBytes: max };
      if (full) this.#log.error(state, 'Redis is nearly out of memory: inbound messages wait at the platform');
      else this.#log.info(state, 'Redis has memory again');
    }
    this.#full = full;
    this.#short = max > 0 && used >= max * SHORT_AT;
    this.#maxBytes = max > 0 ? max : null;
  }
}

function numberOf(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
}
