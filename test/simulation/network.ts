/** What the wires do: delays, losses, cuts. One wire leads from a process to Redis, another to the platform. */
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** How bad things are at the moment, for everybody. */
export interface Weather {
  /** One way, ms. */
  delayMs: number;
  /** Chance that a packet takes up to {@link spikeMs} longer. */
  spikes: number;
  spikeMs: number;
  /** Chance that a packet is lost. */
  losses: number;
  /** Chance that a lost request is delivered after all, seconds later. */
  strays: number;
}

export const CALM: Readonly<Weather> = { delayMs: 3, spikes: 0, spikeMs: 0, losses: 0, strays: 0 };

export class Wire {
  /** Nothing gets through before, true ms. */
  #cutUntil = 0;
  #arrivals: Record<'there' | 'back', number> = { there: 0, back: 0 };
  readonly #world: World;
  readonly #weather: Weather;
  readonly #random: Random;

  constructor(world: World, weather: Weather, random: Random) {
    this.#world = world;
    this.#weather = weather;
    this.#random = random;
  }

  get isCut(): boolean {
    return this.#world.now < this.#cutUntil;
  }

  get cutUntil(): number {
    return this.#cutUntil;
  }

  cut(ms: number): void {
    this.#cutUntil = Math.max(this.#cutUntil, this.#world.now + ms);
  }

  mend(): void {
    this.#cutUntil = 0;
  }

  /** When something sent now arrives: in the order of sending. */
  arrival(way: 'there' | 'back'): number {
    const { delayMs, spikes, spikeMs } = this.#weather;
    const spike = this.#random.chance(spikes) ? this.#random.between(0, spikeMs) : 0;
    const at = this.#world.now + this.#random.between(0.2, delayMs) + spike;
    this.#arrivals[way] = Math.max(this.#arrivals[way] + 0.001, at);
    return this.#arrivals[way];
  }

  get hasStrays(): boolean {
    return this.#weather.strays > 0;
  }

  /** @returns how late a second copy arrives, ms; `null`: there is none */
  strayMs(): number | null {
    return this.#random.chance(this.#weather.strays) ? this.#random.between(0, 3_000) : null;
  }

  /** @returns true when a packet sent now, or arriving now, is gone */
  loses(): boolean {
    return this.isCut || this.#random.chance(this.#weather.losses);
  }
}
