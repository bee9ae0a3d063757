/**
 * One bot's updates until they are confirmed. It follows the platform's queue (tdlib/td, TQueue.cpp, read 2026-11-22):
 * reading never deletes but below an offset, ids rise by one, and after an idle week they start anew.
 */
import type { PlatformClock } from './clock.ts';
import type { TelegramSettings } from './options.ts';

export interface StoredUpdate {
  readonly id: number;
  /** The update as it goes over the wire. */
  readonly json: string;
  readonly expiresAt: number;
}

export interface Batch {
  readonly updates: readonly StoredUpdate[];
  /** Ids deleted on the way: confirmed by the offset. */
  readonly confirmed: readonly number[];
}

const weekMs = 7 * 24 * 3_600_000;
/** How far below the head and above the tail an offset is still taken at its word. */
const reach = { below: 100_000, above: 10 };
const firstIds = { from: 2_000_001, to: 1_000_000_000 };

export class UpdateQueue {
  readonly #clock: PlatformClock;
  readonly #settings: TelegramSettings;
  #updates: StoredUpdate[] = [];
  /** Confirmed ones, for a platform that hands them out again. */
  readonly #deleted = new Map<number, StoredUpdate>();
  /** The next id to be given; null before the first update. */
  #tail: number | null = null;
  #lastPushAt = 0;

  constructor(clock: PlatformClock, settings: TelegramSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  /** Updates that would be handed out now. */
  get size(): number {
    this.#expire();
    return this.#updates.length;
  }

  /** Id of the oldest update kept, or the next to be given; null before the first update. */
  get head(): number | null {
    return this.#updates[0]?.id ?? this.#tail;
  }

  get tail(): number | null {
    return this.#tail;
  }

  ids(): number[] {
    this.#expire();
    return this.#updates.map(({ id }) => id);
  }

  /** @returns the id given, or null where the queue is full: the update is lost without notice */
  push(type: string, payload: object, expiresAt: number): number | null {
    return this.pushText(JSON.stringify({ [type]: payload }).slice(1, -1), expiresAt);
  }

  /** @param members - what follows `{"update_id":N,`, without the last brace; it need not be JSON */
  pushText(members: string, expiresAt: number): number | null {
    this.#expire();
    if (this.#updates.length >= this.#settings.queueLimit) return null;
    const id = this.#nextId();
    this.#updates.push({ id, json: `{"update_id":${id},${members}}`, expiresAt });
    this.#tail = id + 1;
    this.#lastPushAt = this.#clock.now();
    return id;
  }

  /** Puts deleted updates back at their places, as if they had never been confirmed. @throws Error for unknown ids */
  putBack(ids: readonly number[]): void {
    const again = ids.map((id) => {
      const update = this.#deleted.get(id);
      if (update === undefined) throw new Error(`update ${id} was never confirmed`);
      return update;
    });
    this.#updates = [...this.#updates, ...again].sort((a, b) => a.id - b.id);
    for (const id of ids) this.#deleted.delete(id);
  }

  /** What getUpdates with that offset reads: at most `limit` updates, and what the offset confirmed. */
  read(offset: number, limit: number): Batch {
    const confirmed = offset < 0 ? this.#keepNewest(-offset) : this.#confirm(offset);
    this.#expire();
    return { updates: this.#updates.slice(0, limit), confirmed };
  }

  /** @returns the ids deleted */
  clear(): number[] {
    return this.#cut(this.#updates.length);
  }

  #keepNewest(count: number): number[] {
    this.#expire();
    return this.#cut(Math.max(0, this.#updates.length - count));
  }

  /** Deletes what lies below a valid offset. Outside the valid range nothing happens. */
  #confirm(offset: number): number[] {
    const { head } = this;
    if (offset === 0 || head === null || this.#tail === null) return [];
    if (offset < head - reach.below || offset > this.#tail + reach.above) return [];
    const kept = this.#updates.findIndex(({ id }) => id >= offset);
    return this.#cut(kept === -1 ? this.#updates.length : kept);
  }

  #cut(count: number): number[] {
    const cut = this.#updates.splice(0, count);
    for (const update of cut) this.#deleted.set(update.id, update);
    return cut.map(({ id }) => id);
  }

  #expire(): void {
    const now = this.#clock.now();
    if (this.#updates.some(({ expiresAt }) => expiresAt < now))
      this.#updates = this.#updates.filter(({ expiresAt }) => expiresAt >= now);
  }

  #nextId(): number {
    if (this.#tail === null) return this.#settings.firstUpdateId ?? between(firstIds.from, firstIds.to);
    const isIdle = this.#updates.length === 0 && this.#clock.now() - this.#lastPushAt >= weekMs;
    if (!isIdle) return this.#tail;
    if (this.#settings.afterIdleWeek === 'random') return between(firstIds.from, firstIds.to);
    return between(this.#tail > firstIds.from + 1 ? firstIds.from : 1, this.#tail - 1);
  }
}

function between(from: number, to: number): number {
  return from + Math.floor(Math.random() * (to - from));
}
