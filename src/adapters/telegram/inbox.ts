/**
 * What came in, on its way to the sink: a batch of updates travels with the offset that follows it, so the stored
 * position can never run ahead of a stored update. Lives as long as a hold.
 *
 * An update is never judged by its number: ids start anew, perhaps lower, after a week of silence (tdlib/td,
 * `TQueue.cpp`). The ids that were stored are remembered, and those alone tell a repetition.
 */
import type { Clock } from '../../async/clock.ts';
import type { Logger } from '../../log.ts';
import type { Cursor, InboundEvent } from '../../model.ts';
import type { InboundSink } from '../adapter.ts';
import { aside } from '../aside.ts';
import { MalformedLog } from '../malformed-log.ts';
import type { ReceivedUpdate } from './batch.ts';
import { expiredBecause, readCursor, storedOffset, toCursor } from './cursor.ts';
import type { TelegramOptions } from './options.ts';
import type { Me } from './protocol.ts';
import { readUpdate } from './read-update.ts';

export interface InboxOptions {
  readonly sink: InboundSink;
  /** What the last holder stored. */
  readonly cursor: Cursor | null;
  readonly options: Pick<TelegramOptions, 'botId' | 'groups'>;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Taken {
  /** How many updates the batch had. */
  readonly count: number;
  /** The next poll will ask for something else; false when the platform repeats itself. */
  readonly progress: boolean;
  /** Pressed buttons whose users wait. */
  readonly callbackIds: readonly string[];
}

/** While nothing comes, the time of the last poll is stored this often, ms. */
const REFRESH_POSITION_MS = 1_800_000;
/** The platform has loaded a bot that polled within this, ms. Not documented; its server keeps bots for days. */
const WARM_MS = 2 * REFRESH_POSITION_MS;

export class Inbox {
  readonly #given: InboxOptions;
  readonly #malformed: MalformedLog;
  /** When a poll of this bot was last answered, wall ms; `null`: never. */
  #polledAt: number | null;
  /** The same, of what is stored or on its way there. */
  #storedPolledAt: number;
  #how: 'identified' | 'resumed';
  /** Why events may be missing when polling begins. */
  #gap: string | null;

  constructor(given: InboxOptions) {
    this.#given = given;
    this.#malformed = new MalformedLog(given.log, given.clock, 'an update');
    const { position, gap, allowedChanged } = readCursor(given.cursor, given.options.botId);
    this.#polledAt = position?.polledAt ?? null;
    this.#storedPolledAt = position?.polledAt ?? 0;
    this.#how = position === null ? 'identified' : 'resumed';
    this.#gap = gap;
    if (gap !== null) given.log.warn({ event: 'position-unusable', reason: gap }, 'starting without a position');
    if (allowedChanged)
      given.log.info({ event: 'allowed-updates' }, 'other kinds of updates are asked for than before');
  }

  /** The next id to ask for: taken from what is stored, so that nothing else is ever confirmed. */
  get offset(): number | null {
    return storedOffset(this.#given.sink.storedCursor, this.#given.options.botId);
  }

  /** Nothing of this bot was ever stored. */
  get isNew(): boolean {
    return this.#how === 'identified';
  }

  /** Polled lately, by whomever: the platform knows the bot. */
  get isWarm(): boolean {
    return this.#polledAt !== null && this.#given.clock.now() - this.#polledAt < WARM_MS;
  }

  /** The platform will be asked to forget what waits; stored first, so that it is not asked twice. */
  dropping(): void {
    const now = this.#given.clock.now();
    this.#push([aside('gap', 'what waited at the platform was thrown away, as dropPending says', '', now)], null, now);
  }

  /** A poll proved that we are listening. @returns how */
  proven(): 'identified' | 'resumed' {
    const now = this.#given.clock.now();
    const how = this.#how;
    const gap = this.#gap ?? (this.#polledAt === null ? null : expiredBecause(this.#polledAt, now));
    this.#how = 'resumed';
    this.#gap = null;
    const text = how === 'identified' ? 'polling from the oldest update' : 'polling from the stored offset';
    const events = [aside(how, text, '', now)];
    if (gap !== null) {
      events.unshift(aside('gap', gap, '', now));
      this.#given.log.warn({ event: 'gap', reason: gap }, 'updates may be missing');
    }
    this.#push(events, this.offset, now);
    return how;
  }

  take(batch: readonly ReceivedUpdate[], self: Me): Taken {
    const { clock, options } = this.#given;
    const receivedAt = clock.now();
    const asked = this.offset;
    const read = batch.map((item) => readUpdate(item, { self, groups: options.groups }, receivedAt));
    const events = read.map(({ event }) => event);
    for (const { kind, text, raw } of events) if (kind === 'malformed') this.#malformed.say(text, raw);
    const last = read.reduce((highest, { id }) => Math.max(highest, id ?? -1), -1);
    const offset = last < 0 ? asked : last + 1;
    if (asked !== null && offset !== null && offset < asked) {
      this.#given.log.info({ event: 'ids-restarted', from: asked, to: offset }, 'update ids started anew, lower');
    }
    this.#polledAt = receivedAt;
    const isStale = receivedAt - this.#storedPolledAt >= REFRESH_POSITION_MS;
    if (events.length > 0 || isStale) this.#push(events, offset, receivedAt);
    return {
      count: batch.length,
      progress: offset !== asked,
      callbackIds: read.map(({ callbackId }) => callbackId).filter((id) => id !== null),
    };
  }

  /** An update that nobody may look into: only its id is known. */
  passOver(id: number, raw: string, why: string): void {
    const now = this.#given.clock.now();
    this.#malformed.say(why, raw);
    this.#push([aside('malformed', why, raw, now, String(id))], id + 1, now);
  }

  #push(events: readonly InboundEvent[], offset: number | null, polledAt: number): void {
    this.#polledAt = polledAt;
    this.#storedPolledAt = polledAt;
    this.#given.sink.push(events, toCursor({ offset, polledAt }, this.#given.options.botId));
  }
}
