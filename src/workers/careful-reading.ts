/**
 * Reading that may be deadly. An event that throws is the adapter's business; one that exhausts memory, crashes the
 * process or never ends takes its reader with it, and the platform hands it to the next one. So after a holder that died
 * without storing anything, events are read one by one, each noted in Redis before; who dies in between has left the
 * note open, and the second open note at one position sets that event aside (scripts/begin-reading.lua).
 *
 * In normal life this costs nothing: no command, no wait.
 */
import type { Logger } from 'pino';
import type { CarefulReading, EventToRead, InboundSink } from '../adapters/adapter.ts';
import type { Clock } from '../async/clock.ts';
import { FencedError } from '../errors.ts';
import type { ConnectionId, FencingToken } from '../model.ts';
import { insist } from '../state/insist.ts';
import type { Keys } from '../state/keys.ts';
import { beginReading, endReading } from '../state/reading.ts';
import type { RedisClient } from '../state/redis.ts';
import type { Turnstile } from './turnstile.ts';

/** A pump holds no more than this unstored, so what killed is among so many events. */
const EVENTS = 1_000;
/** And it comes soon: a replay begins with the first socket, ms. */
const LONGEST_MS = 60_000;

export interface CarefulReadingOptions {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly connection: ConnectionId;
  readonly token: FencingToken;
  /** The holder before died and had stored nothing, or left a note. */
  readonly needed: boolean;
  readonly sink: InboundSink;
  /** Of the process: a death must be laid to the one event that was being read. */
  readonly turnstile: Turnstile;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export function createCarefulReading(options: CarefulReadingOptions): CarefulReading {
  return new ReadingOneByOne(options);
}

class ReadingOneByOne implements CarefulReading {
  readonly #options: CarefulReadingOptions;
  #left: number;
  #firstAt: number | null = null;

  constructor(options: CarefulReadingOptions) {
    this.#options = options;
    this.#left = options.needed ? EVENTS : 0;
    if (options.needed) {
      options.log.warn({ event: 'reading-carefully' }, 'the holder before died without progress: reading one by one');
    }
  }

  get active(): boolean {
    return this.#left > 0 && (this.#firstAt === null || this.#options.clock.monotonic() - this.#firstAt < LONGEST_MS);
  }

  async one(event: EventToRead): Promise<void> {
    const { sink, signal, turnstile, clock } = this.#options;
    this.#firstAt ??= clock.monotonic();
    this.#left -= 1;
    // What came before is safe: whatever happens now, only this event comes again.
    await sink.flush({ signal });
    await turnstile.through(signal, () => this.#read(event));
    await sink.flush({ signal });
  }

  /** Nothing else is read in this process meanwhile. */
  async #read(event: EventToRead): Promise<void> {
    const { client, keys, connection, token, signal } = this.#options;
    const begun = await insist(signal, () => beginReading(client, keys, connection, token, event));
    if (begun.kind === 'fenced') throw new FencedError('a newer fencing token holds the connection');
    if (begun.kind === 'poison') {
      this.#tell(event, begun.deaths);
      event.passOver(`its reader died of it ${begun.deaths} times: set aside`);
      return;
    }
    event.read();
    await insist(signal, () => endReading(client, keys, connection, token));
  }

  #tell({ position, raw }: EventToRead, deaths: number): void {
    const facts = { event: 'poison', position, deaths, raw: raw.slice(0, 200) };
    this.#options.log.error(
      facts,
      'an event killed its reader again: it is set aside as a dead letter, and passed over',
    );
  }
}
