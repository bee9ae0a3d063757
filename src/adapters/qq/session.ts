/**
 * The session as it is stored, and the first question of every dial: Resume or Identify? Whatever a successor on
 * another host needs is in the cursor; nothing else survives. All pure.
 */
import { z } from 'zod';
import type { Cursor } from '../../model.ts';
import { SINGLE_SHARD } from './protocol.ts';

/** A session belongs to one app id and one set of intents; with others it must not be resumed. */
export interface SessionScope {
  readonly appId: string;
  readonly intents: number;
}

export interface Session {
  readonly sessionId: string;
  /** Position of the last event taken. */
  readonly seq: number;
  /** Where it was opened, and where Resume goes without asking discovery again. */
  readonly gatewayUrl: string;
  /** READY says who we are, RESUMED does not. */
  readonly user: { readonly id: string; readonly name: string | null } | null;
  /** Wall clock, ms since the epoch. */
  readonly identifiedAt: number;
  /** Resumes sent since the platform last confirmed one. */
  readonly unconfirmedResumes: number;
  /** Resumes that were answered by events, and whose RESUMED its holder did not live to see. @defaultValue 0 */
  readonly lostControls?: number | undefined;
}

/**
 * After this many Resumes without RESUMED or an event the session is given up.
 *
 * @see NousResearch/hermes-agent #22179, PR #26025: one stale session was resumed for 26 hours
 */
export const MAX_UNCONFIRMED_RESUMES = 3;

const VERSION = 1;
const stored = z.object({
  v: z.literal(VERSION),
  appId: z.string(),
  intents: z.int(),
  shard: z.tuple([z.int(), z.int()]),
  sessionId: z.string().min(1),
  seq: z.int().nonnegative(),
  gatewayUrl: z.url({ protocol: /^wss?$/ }),
  user: z.object({ id: z.string(), name: z.string().nullable() }).nullable(),
  identifiedAt: z.number(),
  unconfirmedResumes: z.int().nonnegative(),
  lostControls: z.int().nonnegative().optional().catch(undefined),
});

export function toCursor(session: Session, scope: SessionScope): Cursor {
  return { v: VERSION, ...scope, shard: [...SINGLE_SHARD], ...session };
}

export interface Found {
  readonly session: Session | null;
  /** Known even where the session is not usable. */
  readonly gatewayUrl: string | null;
  /** Why events may be missing when the next session begins; `null`: there was none before. */
  readonly gap: string | null;
}

export function readCursor(cursor: Cursor | null, scope: SessionScope): Found {
  if (cursor === null) return { session: null, gatewayUrl: null, gap: null };
  const read = stored.safeParse(cursor);
  if (!read.success) return { session: null, gatewayUrl: null, gap: 'the stored session could not be read' };
  const { v: _version, appId, intents, shard, ...session } = read.data;
  if (appId !== scope.appId) {
    return { session: null, gatewayUrl: null, gap: `the stored session belongs to another app id (${appId})` };
  }
  const { gatewayUrl } = session;
  if (intents !== scope.intents || shard[0] !== SINGLE_SHARD[0] || shard[1] !== SINGLE_SHARD[1]) {
    return { session: null, gatewayUrl, gap: 'the configured intents changed, which takes a new session' };
  }
  return { session, gatewayUrl, gap: null };
}

/** The stored position of `session`, for heartbeats; `null` while nothing of it is stored. */
export function storedSeq(cursor: Cursor | null, session: Session | null): number | null {
  if (session === null || typeof cursor !== 'object' || cursor === null || !('seq' in cursor)) return null;
  const { sessionId, seq } = cursor;
  return sessionId === session.sessionId && typeof seq === 'number' ? seq : null;
}

/** Where an event stands relative to what was taken before. */
export type Place = { readonly kind: 'next' | 'repeat' | 'back' } | { readonly kind: 'jump'; readonly missing: number };

export function placeOf(seq: number, s: number): Place {
  if (s === seq) return { kind: 'repeat' };
  if (s < seq) return { kind: 'back' };
  return s === seq + 1 ? { kind: 'next' } : { kind: 'jump', missing: s - seq - 1 };
}

/** When an old but working session is replaced on purpose. */
export interface FreshIdentifyPolicy {
  /** Age of the session, ms. */
  readonly afterMs: number;
  /** And no event for this long, ms. */
  readonly quietMs: number;
}

/**
 * A session that was resumed for days can go deaf: Resume succeeds, events stop (tencent-connect/bot-docs #191). So it
 * is replaced at a quiet moment.
 */
export function freshIdentifyDue(policy: FreshIdentifyPolicy | null, ageMs: number, quietMs: number): boolean {
  return policy !== null && ageMs >= policy.afterMs && quietMs >= policy.quietMs;
}
