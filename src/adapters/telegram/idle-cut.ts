/**
 * Notices that something on the way (a proxy, a NAT, a load balancer) hangs up on connections that have been idle for a
 * steady time shorter than our long poll. Each cut looks like a network failure, and retrying goes well until the next
 * cut, so nobody would ever find out. Pure.
 *
 * @see NousResearch/hermes-agent #15490: a proxy that dropped idle connections about every 60 s
 */
import { TIMEOUT_UNIT_MS } from './protocol.ts';

export interface IdleCuts {
  /** How long the last polls had been waiting when they were cut, ms; only as long as the ages agree. */
  readonly agesMs: readonly number[];
}

export const NO_CUTS: IdleCuts = { agesMs: [] };

/** So many cuts of one age are no accident. */
const STEADY_CUTS = 3;
/** Ages that differ by no more than this share, or by {@link SLACK_MS}, are one age. */
const SLACK_SHARE = 0.15;
const SLACK_MS = 300;
/** A poll cut sooner than this was not cut for being idle, ms. */
const LEAST_AGE_MS = 1_500;
/** A new poll stays below the age of the cuts by this factor. */
const STAY_BELOW = 0.8;

export interface CutVerdict {
  readonly cuts: IdleCuts;
  /** How long polls should wait from now on, ms; `null`: as before. */
  readonly pollMs: number | null;
}

/**
 * A poll ended without an answer of the platform.
 *
 * @param ageMs - how long it had been waiting
 * @param pollMs - how long it was to wait
 */
export function noteCut(cuts: IdleCuts, ageMs: number, pollMs: number): CutVerdict {
  if (ageMs < LEAST_AGE_MS || ageMs >= pollMs) return { cuts: NO_CUTS, pollMs: null };
  const isSame = (other: number) => Math.abs(other - ageMs) <= Math.max(SLACK_MS, SLACK_SHARE * ageMs);
  const agesMs = [...cuts.agesMs.filter(isSame), ageMs].slice(-STEADY_CUTS);
  if (agesMs.length < STEADY_CUTS) return { cuts: { agesMs }, pollMs: null };
  const shorter = Math.floor((Math.min(...agesMs) * STAY_BELOW) / TIMEOUT_UNIT_MS) * TIMEOUT_UNIT_MS;
  return { cuts: NO_CUTS, pollMs: Math.max(TIMEOUT_UNIT_MS, shorter) };
}

/** A poll was answered. One that outlived the cuts shows that they were something else. */
export function noteAnswer(cuts: IdleCuts, ageMs: number): IdleCuts {
  return cuts.agesMs.some((cut) => ageMs > cut) ? NO_CUTS : cuts;
}
