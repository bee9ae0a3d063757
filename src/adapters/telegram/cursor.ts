/**
 * The position as it is stored: the offset to ask for next, and whose it is. It is taken from ids of stored updates and
 * from nothing else, because an offset that is a little too high makes the platform delete what nobody has read.
 *
 * @see tdlib/td, `TQueue.cpp`: ids below the offset are deleted at the start of the call
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Cursor } from '../../model.ts';
import { ALLOWED_UPDATES, UPDATES_KEPT_MS } from './protocol.ts';

export interface Position {
  /** Id of the next update; `null`: nothing was ever received. */
  readonly offset: number | null;
  /** When the platform last answered a poll, as far as it is stored: wall clock, ms since the epoch. */
  readonly polledAt: number;
}

const VERSION = 1;
const stored = z.object({
  v: z.literal(VERSION),
  botId: z.string(),
  offset: z.int().nonnegative().nullable(),
  /** Of the kinds of updates that were asked for. */
  allowed: z.string(),
  polledAt: z.number(),
});

const ALLOWED_FINGERPRINT = createHash('sha256').update(ALLOWED_UPDATES.join()).digest('hex').slice(0, 8);

export function toCursor({ offset, polledAt }: Position, botId: string): Cursor {
  return { v: VERSION, botId, offset, allowed: ALLOWED_FINGERPRINT, polledAt };
}

export interface Found {
  /** `null`: start at the oldest update the platform has. */
  readonly position: Position | null;
  /** Why events may be missing; `null` when nothing speaks for it. */
  readonly gap: string | null;
  /** The last holder asked for other kinds of updates. */
  readonly allowedChanged: boolean;
}

export function readCursor(cursor: Cursor | null, botId: string): Found {
  const fresh = { position: null, allowedChanged: false };
  if (cursor === null) return { ...fresh, gap: null };
  const read = stored.safeParse(cursor);
  if (!read.success)
    return { ...fresh, gap: 'the stored position could not be read; starting with what the platform has' };
  // Another bot has another queue: nothing of it was ever ours to lose.
  if (read.data.botId !== botId) return { ...fresh, gap: null };
  const { offset, polledAt, allowed } = read.data;
  return { position: { offset, polledAt }, gap: null, allowedChanged: allowed !== ALLOWED_FINGERPRINT };
}

/** The offset of a stored cursor, if it is this bot's. */
export function storedOffset(cursor: Cursor | null, botId: string): number | null {
  return readCursor(cursor, botId).position?.offset ?? null;
}

/** Why events may have expired at the platform while nobody polled; `null` when they can't have. */
export function expiredBecause(polledAt: number, now: number): string | null {
  const silentMs = now - polledAt;
  if (silentMs < UPDATES_KEPT_MS) return null;
  const hours = Math.floor(silentMs / 3_600_000);
  return `nobody polled for ${hours} h, and the platform keeps updates for 24 h: older ones are lost`;
}
