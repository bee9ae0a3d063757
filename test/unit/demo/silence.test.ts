import { describe, expect, it } from 'vitest';
import { longestSilenceMs } from '../../../demo/silence.ts';

const at = (...moments: (readonly [place: number, at: number])[]) =>
  moments.map(([place, when]) => ({ place, at: when }));
const ALWAYS = { from: 0, to: 10_000 };

describe('the longest silence', () => {
  it('is the longest time between two answers while somebody waits', () => {
    const said = at([0, 100], [1, 110], [2, 120]);
    expect(longestSilenceMs(said, at([0, 200], [1, 900], [2, 950]), ALWAYS)).toBe(700);
  });

  it('begins when somebody speaks: a pause in which nobody waits is none', () => {
    const said = at([0, 100], [1, 5_000]);
    expect(longestSilenceMs(said, at([0, 300], [1, 5_100]), ALWAYS)).toBe(200);
  });

  it('is not ended by an answer that comes again', () => {
    const said = at([0, 100], [1, 110]);
    expect(longestSilenceMs(said, at([0, 200], [0, 500], [1, 900]), ALWAYS)).toBe(700);
  });

  it('counts where it ends', () => {
    const said = at([0, 100], [1, 1_000]);
    const answers = at([0, 900], [1, 1_200]);
    expect(longestSilenceMs(said, answers, { from: 900, to: 1_100 })).toBe(800);
    expect(longestSilenceMs(said, answers, { from: 901, to: 2_000 })).toBe(200);
    expect(longestSilenceMs(said, answers, { from: 2_000, to: 3_000 })).toBe(0);
  });
});
