/**
 * What the alerting process has in hand: the judge's memory and the waiting deliveries, as they stand in Redis. While
 * our turn lasts nobody else writes them, so they are read once; after a write whose outcome is unknown, or another's
 * turn, they are read again.
 */

import { endAlertsTurn, readAlerts, takeAlertsTurn, writeAlerts } from '../state/alerts.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import { redact } from '../text/redact.ts';
import type { Delivery } from './delivery.ts';
import type { Memory } from './judge.ts';

export interface AlertStoreOptions {
  readonly client: RedisClient;
  readonly keys: Keys;
  /** Unique per process life. */
  readonly who: string;
  /** How long a silent process keeps its turn, ms. */
  readonly leaseMs: number;
}

interface Held {
  readonly memory: Memory | null;
  readonly deliveries: Map<string, Delivery>;
}

interface Change {
  readonly memory?: Memory;
  readonly done?: readonly string[];
  readonly stored?: ReadonlyMap<string, Delivery>;
}

export class AlertStore {
  readonly #options: AlertStoreOptions;
  #held: Held | null = null;

  constructor(options: AlertStoreOptions) {
    this.#options = options;
  }

  /** Empty while it is somebody else's turn. */
  get deliveries(): ReadonlyMap<string, Delivery> {
    return this.#held?.deliveries ?? new Map();
  }

  /**
   * @returns what is remembered and Redis's time (ms); `null`: it is somebody else's turn
   * @throws the client's errors
   */
  async takeTurn(): Promise<{ readonly memory: Memory | null; readonly now: number } | null> {
    const { client, keys, who, leaseMs } = this.#options;
    const { kind, now } = await takeAlertsTurn(client, keys, who, leaseMs);
    if (kind === 'other') {
      this.#held = null;
      return null;
    }
    if (kind === 'taken' || this.#held === null) this.#held = parse(await readAlerts(client, keys));
    return { memory: this.#held.memory, now };
  }

  /**
   * Writes all of the change or nothing.
   *
   * @returns false when it is not our turn any more
   * @throws the client's errors: what is stored is unknown then, and read again at the next turn
   */
  async write({ memory, done = [], stored = new Map() }: Change): Promise<boolean> {
    const { client, keys, who } = this.#options;
    const held = this.#held;
    if (held === null) return false;
    try {
      const texts = new Map([...stored].map(([name, delivery]) => [name, JSON.stringify(delivery)]));
      // Reasons quote platforms and proxies.
      const text = memory === undefined ? {} : { memory: redact(JSON.stringify(memory)) };
      if (!(await writeAlerts(client, keys, who, { ...text, done, stored: texts }))) {
        this.#held = null;
        return false;
      }
    } catch (error) {
      this.#held = null;
      throw error;
    }
    for (const name of done) held.deliveries.delete(name);
    for (const [name, delivery] of stored) held.deliveries.set(name, delivery);
    // Another write may have come between: only what this one knows is replaced.
    if (memory !== undefined && this.#held === held) this.#held = { ...held, memory };
    return true;
  }

  /** @throws the client's errors: the turn then ends by itself */
  async endTurn(): Promise<void> {
    const { client, keys, who } = this.#options;
    this.#held = null;
    await endAlertsTurn(client, keys, who);
  }
}

/** An entry that cannot be read, as after a change of version, is worth less than alerts that go on. */
function parse({ memory, deliveries }: Awaited<ReturnType<typeof readAlerts>>): Held {
  const read = Object.entries(deliveries).flatMap(([name, text]): [string, Delivery][] => {
    const delivery = parseJson<Delivery>(text);
    return delivery === null ? [] : [[name, delivery]];
  });
  return { memory: memory === null ? null : parseJson<Memory>(memory), deliveries: new Map(read) };
}

function parseJson<T>(text: string): T | null {
  try {
    return JSON.parse(text) as T;
  } catch {
    return null;
  }
}
