/** Which fault comes next: cards in seeded order, so that every cause has its part also of a short run. */
import type { Fault } from './faults/fault.ts';
import { drainGroup, freezeChild, handOver, killChild, killGroup } from './faults/holders.ts';
import { killAgent, killDelivery, killScheduler } from './faults/others.ts';
import { dropSocket, freezeRedis, killRedis } from './faults/surroundings.ts';
import type { Random } from './random.ts';

type Cards = readonly (readonly [Fault, number])[];

/** One after the other, so that each takeover has one cause. */
const MAIN: Cards = [
  [killChild, 22],
  [killGroup, 4],
  [drainGroup, 4],
  [handOver, 4],
  [dropSocket, 4],
  [freezeChild, 1],
  [killRedis, 2],
  [freezeRedis, 1],
];

/** Beside those, at any moment. */
const BESIDE: Cards = [
  [killAgent, 2],
  [killDelivery, 2],
  [killScheduler, 2],
];

export class Deck {
  readonly #cards: readonly Fault[];
  readonly #random: Random;
  #rest: Fault[];

  private constructor(cards: Cards, random: Random) {
    this.#cards = cards.flatMap(([fault, count]) => Array.from({ length: count }, () => fault));
    this.#random = random;
    // One of each first.
    this.#rest = random.shuffled(cards.map(([fault]) => fault));
  }

  static main(random: Random): Deck {
    return new Deck(MAIN, random);
  }

  static beside(random: Random): Deck {
    return new Deck(BESIDE, random);
  }

  draw(): Fault {
    if (this.#rest.length === 0) this.#rest = this.#random.shuffled(this.#cards);
    const [fault] = this.#rest.splice(0, 1);
    if (fault === undefined) throw new RangeError('an empty deck');
    return fault;
  }
}
