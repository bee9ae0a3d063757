/**
 * Notices that something on the way (a proxy, a NAT, a load balancer) hangs up on whatever has been idle for a steady
 * time. Each cut looks like a network failure, and the next dial goes well until the next cut, so nobody would ever find
 * out. Pure; the adapters answer by being less idle.
 *
 * @see NousResearch/hermes-agent #15490: a proxy that dropped idle connections about every 60 s
 */

export interface IdleCuts {
  /** How long it had been idle at the last cuts, ms; only as long as the ages agree. */
  readonly agesMs: readonly number[];
}

export const NO_CUTS: IdleCuts = { agesMs: [] };

/** So many cuts of one age are no accident. */
export const STEADY_CUTS = 3;
/** Ages that differ by no more than this share, or by {@link SLACK_MS}, are one age. */
const SLACK_SHARE = 0.15;
const SLACK_MS = 300;
/** What ended sooner than this was not cut for being idle, ms. */
const LEAST_AGE_MS = 1_500;

export interface CutVerdict {
  readonly cuts: IdleCuts;
  /** The age at which cuts come, ms; `null`: no pattern so far. */
  readonly steadyMs: number | null;
}

/**
 * It ended without a word from the platform.
 *
 * @param idleMs - how long nothing had travelled in either direction
 * @param longestMs - how long we are ever idle ourselves; a longer silence was no idle timeout
 */
export function noteCut(cuts: IdleCuts, idleMs: number, longestMs: number): CutVerdict {
  if (idleMs < LEAST_AGE_MS || idleMs >= longestMs) return { cuts: NO_CUTS, steadyMs: null };
  const isSame = (other: number) => Math.abs(other - idleMs) <= Math.max(SLACK_MS, SLACK_SHARE * idleMs);
  const agesMs = [...cuts.agesMs.filter(isSame), idleMs].slice(-STEADY_CUTS);
  if (agesMs.length < STEADY_CUTS) return { cuts: { agesMs }, steadyMs: null };
  return { cuts: NO_CUTS, steadyMs: Math.min(...agesMs) };
}

/** It was idle for so long and then went on. Outliving a cut shows that the cuts were something else. */
export function noteSurvival(cuts: IdleCuts, idleMs: number): IdleCuts {
  return cuts.agesMs.some((cut) => idleMs > cut) ? NO_CUTS : cuts;
}
