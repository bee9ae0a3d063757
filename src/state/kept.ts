/**
 * All that one connection may leave in Redis, in bytes: the one place that says so. What can be trimmed is trimmed by
 * keep-within.ts; the rest is bounded where it is written. docs/configuration.md has the table for people.
 */
import type { ConnectionKeys } from './keys.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Bytes waiting in a connection's lanes before messages are refused. */
export const LANES_BYTES = 64 * MIB;
/** Of one conversation, so that whoever floods one waits alone. */
export const LANE_BYTES = 4 * MIB;
export const LANE_MESSAGES = 1_000;
/** Of a group's room, that is taken before anybody is counted: below it, everybody may write. */
export const CROWDED_SHARE = 1 / 2;
/** Of a group's room, for each of its people while it is crowded, so that whoever floods it waits alone. */
export const PERSON_SHARE = 1 / 4;
/** Text and raw text of a record kept aside, UTF-16 units each; and while Redis is short of memory. */
export const ASIDE_UNITS = 64 * KIB;
export const ASIDE_UNITS_WHEN_SHORT = 2 * KIB;
/** Of the stream of records: a larger one leaves room for fewer. */
export const RECORDS_BYTES = 4 * MIB;

/** A stream that can be trimmed from its old end. */
export interface TrimmedStream {
  readonly what: string;
  readonly key: 'records' | 'log' | 'history' | 'deadLetters';
  readonly bytes: number;
  /** While Redis is nearly out of memory. */
  readonly bytesWhenShort: number;
  /** Somebody may still want to try these again: told when they go, and the last to go. */
  readonly precious: boolean;
}

/** In the order in which room is made. */
export const TRIMMED: readonly TrimmedStream[] = [
  { what: 'records kept aside', key: 'records', bytes: 2 * RECORDS_BYTES, bytesWhenShort: 256 * KIB, precious: false },
  { what: 'log lines', key: 'log', bytes: MIB, bytesWhenShort: 64 * KIB, precious: false },
  { what: 'history of tenures', key: 'history', bytes: MIB, bytesWhenShort: 128 * KIB, precious: false },
  { what: 'dead letters', key: 'deadLetters', bytes: 16 * MIB, bytesWhenShort: 4 * MIB, precious: true },
];

/** What is bounded where it is written, or by time. */
const BOUNDED: readonly { readonly what: string; readonly bytes: number }[] = [
  { what: 'messages that wait for the agent', bytes: LANES_BYTES },
  { what: 'leases, counters, errors, minutes, the ids of a usual week', bytes: MIB },
];

/** Queues, workers, alerts and the server itself, bytes. */
const SHARED_BYTES = 16 * MIB;
/** From this share of its memory on Redis counts as short: asides are cut. */
export const SHORT_AT = 0.6;
/** And from this on as full: messages wait at the platform, and room is made. */
export const FULL_AT = 0.8;

const ofOne = [...TRIMMED, ...BOUNDED].reduce((sum, { bytes }) => sum + bytes, 0);

/** What so many connections may keep before everything of theirs is refused or trimmed, bytes. */
function mayKeep(connections: number): number {
  return SHARED_BYTES + connections * ofOne;
}

/** In words when that is more than there is; else `null`. */
export function tooLittleRoom(connections: number, maxBytes: number | null): string | null {
  const most = mayKeep(connections);
  if (maxBytes === null || most <= maxBytes * FULL_AT) return null;
  const mib = (bytes: number) => Math.round(bytes / MIB);
  const them = connections === 1 ? 'one connection' : `${connections} connections`;
  return `what ${them} may keep at worst (${mib(most)} MiB) exceeds ${Math.round(FULL_AT * 100)} % of maxmemory (${mib(maxBytes)} MiB): a flood on several at once makes all of them wait`;
}

export function keyOf(stream: TrimmedStream, at: ConnectionKeys): string {
  return at[stream.key];
}
