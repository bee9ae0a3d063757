/**
 * The last day of each connection, minute by minute: which states it was seen in, and how many messages had been stored.
 * A ring of fixed size per connection; what schedulers write joins, so that any number may, and again.
 */
import type { ConnectionId } from '../model.ts';
import { inChunks } from './evidence.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const noteMinutesScript = loadScript('note-minutes');

export interface MinuteNote {
  readonly id: ConnectionId;
  /** Since the epoch, by Redis's clock. */
  readonly minute: number;
  /** A bit for each state that it was seen in; 0 is never written. */
  readonly states: number;
  /** The counter as it stood when it was last seen in this minute. */
  readonly events: number;
}

export type Minute = Omit<MinuteNote, 'id'>;

export const MINUTE_MS = 60_000;
/** 24 hours, the minute before them and the one that runs, and some room: 15 KB per connection. */
const SLOTS = 1_500;
const RECORD_BYTES = 10;
/** A connection that is no longer watched is forgotten; before a slot could come round again, ms. */
const FORGET_AFTER_MS = 1_499 * MINUTE_MS;

/** @throws the client's errors; repeating is safe */
export async function noteMinutes(client: RedisClient, keys: Keys, notes: readonly MinuteNote[]): Promise<void> {
  await inChunks(notes, async (some) => {
    const args = some.flatMap(({ minute, states, events }) => [minute, states, events]);
    const rings = some.map(({ id }) => keys.connection(id).minutes);
    await runScript(client, noteMinutesScript, rings, [SLOTS, FORGET_AFTER_MS, ...args]);
    return [];
  });
}

/** @param ring - as Redis has it; `null`: none. @returns by minute since the epoch, in no order */
export function parseMinutes(ring: Buffer | null): Map<number, Minute> {
  const minutes = new Map<number, Minute>();
  for (let at = 0; ring !== null && at + RECORD_BYTES <= ring.length; at += RECORD_BYTES) {
    const states = ring.readUInt8(at + 4);
    if (states === 0) continue;
    const minute = ring.readUInt32BE(at);
    minutes.set(minute, { minute, states, events: ring.readUIntBE(at + 5, 5) });
  }
  return minutes;
}
