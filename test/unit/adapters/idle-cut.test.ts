import { describe, expect, it } from 'vitest';
import { type IdleCuts, NO_CUTS, noteCut, noteSurvival } from '../../../src/adapters/idle-cut.ts';

const LONGEST_MS = 25_000;

function cutAt(...agesMs: number[]): ReturnType<typeof noteCut> {
  let verdict: ReturnType<typeof noteCut> = { cuts: NO_CUTS, steadyMs: null };
  for (const ageMs of agesMs) verdict = noteCut(verdict.cuts, ageMs, LONGEST_MS);
  return verdict;
}

describe('cuts after a time without traffic', () => {
  it.each([
    ['one', [10_000], null],
    ['two of one age', [10_000, 10_050], null],
    ['three of one age', [10_000, 10_400, 9_900], 9_900],
    ['three of three ages', [4_000, 10_000, 18_000], null],
    ['two of one age and an odd one between them', [10_000, 4_000, 10_000], null],
    ['an odd one, then three of one age', [4_000, 10_000, 10_100, 10_200], 10_000],
    ['three at once after opening', [200, 210, 190], null],
    ['three that lasted as long as we are ever idle', [25_000, 25_000, 25_000], null],
  ] as const)('%s', (_, agesMs, steadyMs) => {
    expect(cutAt(...agesMs).steadyMs).toBe(steadyMs);
  });

  it('start from nothing once a pattern was found', () => {
    expect(cutAt(10_000, 10_000, 10_000).cuts).toEqual(NO_CUTS);
  });

  it('are forgotten when a longer time without traffic was outlived, and kept when a shorter one was', () => {
    const cuts: IdleCuts = { agesMs: [10_000, 10_000] };
    expect(noteSurvival(cuts, 12_000)).toEqual(NO_CUTS);
    expect(noteSurvival(cuts, 8_000)).toBe(cuts);
  });
});
