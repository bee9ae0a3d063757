/** Sliding windows on the platform's clock: flood limits and the limit on bots that have to be loaded. */
import type { Chat } from '@grammyjs/types';
import { tooManyRequests } from './answers.ts';
import type { PlatformClock } from './clock.ts';
import type { ColdStartLimits, FloodLimits, Rate } from './options.ts';

class Window {
  readonly #rate: Rate;
  #taken: number[] = [];

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** @returns ms until there is room; 0 where there is now */
  waitMs(now: number): number {
    this.#taken = this.#taken.filter((at) => now - at < this.#rate.windowMs);
    const oldest = this.#taken.at(-this.#rate.max);
    return oldest === undefined ? 0 : oldest + this.#rate.windowMs - now;
  }

  take(now: number): void {
    this.#taken.push(now);
  }
}

/** One bot's sends and edits. */
export class FloodControl {
  readonly #limits: FloodLimits | null;
  readonly #clock: PlatformClock;
  readonly #bot: Window | null;
  readonly #chats = new Map<number, Window>();

  constructor(limits: FloodLimits | null, clock: PlatformClock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#bot = limits === null ? null : new Window(limits.bot);
  }

  /** @throws ApiRefusal 429 with the whole seconds to wait; nothing is used up then */
  take(chat: Chat): void {
    if (this.#limits === null || this.#bot === null) return;
    const now = this.#clock.now();
    const isGroup = chat.type === 'group' || chat.type === 'supergroup';
    const window = this.#chats.get(chat.id) ?? new Window(isGroup ? this.#limits.group : this.#limits.chat);
    this.#chats.set(chat.id, window);
    const waitMs = Math.max(this.#bot.waitMs(now), window.waitMs(now));
    if (waitMs > 0) throw tooManyRequests(Math.ceil(waitMs / 1000));
    this.#bot.take(now);
    window.take(now);
  }
}

/** Per client address; the emulator's clients all have their own loopback address. */
export class ColdStarts {
  readonly #limits: ColdStartLimits | null;
  readonly #clock: PlatformClock;
  readonly #windows = new Map<string, readonly [Window, Window]>();

  constructor(limits: ColdStartLimits | null, clock: PlatformClock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** @throws ApiRefusal 429 where that address has had too many bots loaded */
  take(address: string): void {
    if (this.#limits === null) return;
    const { perMinute, perHour } = this.#limits;
    const windows = this.#windows.get(address) ?? [
      new Window({ max: perMinute, windowMs: 60_000 }),
      new Window({ max: perHour, windowMs: 3_600_000 }),
    ];
    this.#windows.set(address, windows);
    const now = this.#clock.now();
    const waitMs = Math.max(...windows.map((window) => window.waitMs(now)));
    if (waitMs > 0) throw tooManyRequests(Math.floor(waitMs / 1000) + 1);
    for (const window of windows) window.take(now);
  }
}
