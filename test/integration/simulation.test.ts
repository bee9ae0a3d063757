/** Random schedules in one process under virtual time (docs/simulation.md). More of them: `npm run simulate`. */
import { describe, expect, it } from 'vitest';
import { MUTATIONS } from '../simulation/mutations.ts';
import { runSeed } from '../simulation/run-seed.ts';

const SCHEDULES = 200;
/** Without a guard, one of so many schedules must fail. */
const MUTANT_BOUND = 80;

describe('over random schedules of crashes, pauses, cuts, delays and clock steps', () => {
  it(`every promise is kept (${SCHEDULES} seeds)`, { timeout: 180_000 }, async () => {
    const failed: string[] = [];
    for (let seed = 1; seed <= SCHEDULES; seed += 1) {
      const { violations } = await runSeed(seed);
      failed.push(...violations.map((violation) => `seed ${seed}: ${violation}`));
    }
    expect(failed).toEqual([]);
  });

  it('a seed replays exactly', async () => {
    const [first, second, other] = [await runSeed(7), await runSeed(7), await runSeed(8)];
    expect(second).toEqual(first);
    expect(other.hash).not.toBe(first.hash);
  });

  it.each(MUTATIONS)('the checks notice when there is no %s', { timeout: 180_000 }, async (mutation) => {
    let noticed: readonly string[] = [];
    for (let seed = 1; seed <= MUTANT_BOUND && noticed.length === 0; seed += 1) {
      noticed = (await runSeed(seed, { mutation })).violations;
    }
    expect(noticed).not.toEqual([]);
  });
});
