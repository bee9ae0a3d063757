/**
 * The one way by which inbound becomes durable: events, dedupe ids and cursor in one fenced step (scripts/ingest.lua).
 *
 * Items are numbered per writer (one pump of one tenure). The script knows how many it has taken, so a batch that is
 * sent again after a lost answer adds only what is missing, and one that overtook a lost batch is refused as a gap.
 */
import { createHash } from 'node:crypto';
import { explain } from '../errors.ts';
import type { AuditVerdict, ConnectionId, Cursor, FencingToken, InboundEvent, InboundKind } from '../model.ts';
import {
  ASIDE_UNITS,
  ASIDE_UNITS_WHEN_SHORT,
  CROWDED_SHARE,
  LANE_BYTES,
  LANE_MESSAGES,
  PERSON_SHARE,
  RECORDS_BYTES,
} from './kept.ts';
import { type Keys, laneId } from './keys.ts';
import { decodeMessage, encodeMessage, type StoredMessage } from './lane-entry.ts';
import type { RedisClient } from './redis.ts';
import type { Safeguards } from './safeguards.ts';
import { loadScript, runScript } from './scripts.ts';

/** One event, or a cursor alone, in the form the script takes. */
export interface IngestItem {
  readonly kind: InboundKind | 'cursor';
  readonly eventId: string | null;
  /** Lane id; `null` unless `kind` is `message`. */
  readonly lane: string | null;
  /** Header, a newline, the raw payload as it came; see lane-entry.ts. Empty for a cursor alone. */
  readonly entry: string;
  /** The cursor once this item is stored; `null`: unchanged. */
  readonly cursor: Cursor | null;
  /** To be settled before this item is stored. */
  readonly audit?: AuditVerdict;
}

export interface IngestBatch {
  readonly connection: ConnectionId;
  readonly token: FencingToken;
  /** Unique per pump: positions are counted per writer. */
  readonly writer: string;
  /** Position of the first item. */
  readonly from: number;
  /** The cursor this writer started from; `null`: none was stored. */
  readonly startCursor: Cursor | null;
  readonly items: readonly IngestItem[];
  /**
   * `last`: only the last cursor of the batch is written out and sent. Should the batch not fit, it is cut where no
   * cursor is missing, which may be before its first item; with `each` it is cut at the first message that does not fit.
   *
   * @defaultValue `each`
   */
  readonly cursors?: 'each' | 'last';
  readonly dedupeWindowMs: number;
  /** Bytes that may wait in the connection's lanes before messages are refused. */
  readonly maxPendingBytes: number;
  /** Of one conversation; more are refused, each with a record. @defaultValue those of kept.ts */
  readonly maxLaneMessages?: number;
  readonly maxLaneBytes?: number;
  /** Redis as a whole is short of memory: refuse messages. */
  readonly instanceFull: boolean;
  readonly safeguards: Safeguards;
}

/** A lane that went from empty to waiting, and the number its job carries. */
export interface Activation {
  readonly lane: string;
  readonly activation: number;
}

/** `busy`: its conversation has no room, or in a crowded group its sender has none, and a record says so. */
export type ItemAnswer = 'stored' | 'duplicate' | 'aside' | 'busy' | 'cursor';

export type IngestAnswer =
  /** The fencing token is not current: someone newer holds the connection. */
  | { readonly kind: 'fenced' }
  /** The batch does not follow what is stored: one before it is missing. */
  | { readonly kind: 'gap' }
  | {
      /** `already`: all of it was stored before; `full`: cut at the first message that was refused. */
      readonly kind: 'stored' | 'already' | 'full';
      /** Position after the last item stored. */
      readonly next: number;
      /** For the items that this call stored, in order. */
      readonly items: readonly ItemAnswer[];
      readonly activations: readonly Activation[];
    };

/** Those of platforms have up to some 130 characters. */
const LONGEST_ID = 200;

/** Instead of a cursor: a later one of the same batch covers the item. */
const CURSOR_COMES = '-';

const script = loadScript('ingest');
const LETTERS: ReadonlyMap<string, ItemAnswer> = new Map([
  ['s', 'stored'],
  ['d', 'duplicate'],
  ['a', 'aside'],
  ['b', 'busy'],
  ['c', 'cursor'],
]);

/** An event that cannot be written out, for whatever cause, becomes a record of kind `malformed`. Never throws. */
export function encodeEvent(
  connection: ConnectionId,
  event: InboundEvent,
  cursor: Cursor | null,
  short = false,
): IngestItem {
  try {
    if (event.kind !== 'message') return encodeAside(event, cursor, short);
    const eventId = idOf(event.eventId);
    const lane = laneId(connection, event.conversation ?? '');
    // Halves of characters cannot be sent on: no platform and no agent takes them.
    return {
      kind: 'message',
      eventId,
      lane,
      entry: encodeMessage(wellFormed(event)),
      cursor,
    };
  } catch (error) {
    const text = `an event of kind ${event.kind} could not be written out: ${explain(error)}`;
    return encodeAside(
      { ...NOTHING, kind: 'malformed', text, receivedAt: event.receivedAt, raw: event.raw },
      cursor,
      short,
    );
  }
}

/** Nearly all are, and need no copy. */
function wellFormed(event: InboundEvent): InboundEvent {
  return event.text.isWellFormed() ? event : { ...event, text: event.text.toWellFormed() };
}

/** What a record of our own leaves empty. */
const NOTHING = { eventId: null, conversation: null, sender: null, attachments: [], platformAt: null, reply: null };

function encodeAside(event: InboundEvent, cursor: Cursor | null, short: boolean): IngestItem {
  const most = short ? ASIDE_UNITS_WHEN_SHORT : ASIDE_UNITS;
  const { raw, kind, ...header } = event;
  const text = event.text.slice(0, most);
  const eventId = idOf(event.eventId);
  const entry = `${JSON.stringify({ kind, ...header, eventId, text })}\n${raw.slice(0, most)}`;
  return { kind, eventId, lane: null, entry, cursor, ...(event.audit === undefined ? {} : { audit: event.audit }) };
}

/** Ids are remembered for days, each by itself: one of unusual length is remembered by its digest. */
function idOf(eventId: string | null): string | null {
  if (eventId === null || eventId.length <= LONGEST_ID) return eventId;
  return `sha256:${createHash('sha256').update(eventId).digest('hex')}`;
}

export function encodeCursor(cursor: Cursor): IngestItem {
  return { kind: 'cursor', eventId: null, lane: null, entry: '', cursor };
}

/** @throws SyntaxError when `entry` was not made by {@link encodeEvent} */
export function decodeEntry(entry: string): StoredMessage {
  if (entry.startsWith('[')) return decodeMessage(entry);
  const end = entry.indexOf('\n');
  return { ...(JSON.parse(entry.slice(0, end)) as Omit<StoredMessage, 'raw'>), raw: entry.slice(end + 1) };
}

/** @throws SyntaxError as {@link decodeEntry} */
export function markRetried(entry: string): string {
  return encodeMessage({ ...decodeEntry(entry), retried: true });
}

/**
 * Stores a batch, or the part of it that fits. Safe to repeat with the same writer and position.
 *
 * @throws ReplyError starting with `OOM` when Redis is out of memory: nothing was stored
 * @throws the client's error when there was no answer: it is unknown whether the batch is stored
 */
export async function ingest(client: RedisClient, keys: Keys, batch: IngestBatch): Promise<IngestAnswer> {
  const at = keys.connection(batch.connection);
  const { cursor, dedupe, fence } = batch.safeguards;
  const lanes = new Map<string, number>();
  const { args, units } = itemArguments(batch, lanes);
  const ids = [...lanes.keys()];
  const answer = await runScript(
    client,
    script,
    [
      ...[at.lease, at.cursor, at.counters, at.records, at.activeLanes, at.seen(0), at.seen(1), at.seen(2)],
      ...ids.flatMap((lane) => [at.lane(lane), at.laneState(lane)]),
    ],
    [
      batch.token,
      batch.writer,
      batch.from,
      cursorText(batch.startCursor) ?? '',
      batch.dedupeWindowMs,
      batch.maxPendingBytes,
      batch.instanceFull ? '1' : '',
      [cursor, dedupe, fence].map(Number).join(''),
      units * MOST_BYTES_PER_UNIT,
      ids.length,
      batch.maxLaneMessages ?? LANE_MESSAGES,
      batch.maxLaneBytes ?? LANE_BYTES,
      2 * RECORDS_BYTES,
      CROWDED_SHARE,
      PERSON_SHARE,
      ...ids,
      ...args,
    ],
  );
  return readAnswer(answer as [string, number, string, ...(number | string)[]], ids);
}

/** Of UTF-8, per UTF-16 unit. */
const MOST_BYTES_PER_UNIT = 3;

/**
 * @param lanes - gets the number of each lane, from 1 on
 * @returns the arguments, and how long all messages together are, in UTF-16 units
 */
function itemArguments({ items, cursors = 'each' }: IngestBatch, lanes: Map<string, number>) {
  const lastCursor = cursors === 'last' ? items.findLastIndex((item) => item.cursor !== null) : -1;
  const args: (string | number)[] = [];
  let units = 0;
  for (const [index, { kind, eventId, lane, entry, cursor }] of items.entries()) {
    let place: string | number = kind;
    if (lane !== null) {
      place = lanes.get(lane) ?? lanes.size + 1;
      lanes.set(lane, place);
      units += entry.length;
    }
    const after = index < lastCursor && cursor !== null ? CURSOR_COMES : (cursorText(cursor) ?? '');
    args.push(place, eventId ?? '', entry, after);
  }
  return { args, units };
}

function readAnswer(
  [kind, next, letters, ...woken]: [string, number, string, ...(number | string)[]],
  lanes: readonly string[],
): IngestAnswer {
  switch (kind) {
    case 'fenced':
    case 'gap':
      return { kind };
    case 'stored':
    case 'already':
    case 'full': {
      const activations: Activation[] = [];
      for (let i = 0; i + 1 < woken.length; i += 2) {
        const lane = lanes[Number(woken[i]) - 1];
        if (lane !== undefined) activations.push({ lane, activation: Number(woken[i + 1]) });
      }
      return { kind, next, items: [...letters].map((letter) => LETTERS.get(letter) ?? 'aside'), activations };
    }
    default:
      throw new TypeError(`ingest.lua answered "${kind}"`);
  }
}

function cursorText(cursor: Cursor | null): string | null {
  return cursor === null ? null : JSON.stringify(cursor);
}
