/** Random schedules in one process under virtual time (docs/simulation.md). More of them: `npm run simulate`. */
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { MUTATIONS } from '../simulation/mutations.ts';
import { runSeed } from '../simulation/run-seed.ts';

const MAIN = fileURLToPath(new URL('../simulation/main.ts', import.meta.url));
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

  it('a failing seed is printed with the command that replays it, to the same end', { timeout: 180_000 }, async () => {
    const simulate = (...args: string[]) =>
      execa(process.execPath, ['--import', 'tsx', MAIN, '--mutate', 'dedupe', ...args], { reject: false });
    const many = await simulate('--seeds', '2', '--jobs', '1');
    const [, seed = '', hash = '', violation = ''] =
      /^seed (\d+) failed \(trace (\w+)\).*\n {2}(.*)$/m.exec(many.stdout) ?? [];
    expect(many.stdout).toContain(`again: npm run simulate -- --seed ${seed} --mutate dedupe`);
    expect(many.exitCode).toBe(1);
    // It runs that one twice by itself, and would say so if the traces differed.
    const again = await simulate('--seed', seed);
    expect(again.stdout).toContain(`trace ${hash}`);
    expect(again.stdout).toContain(violation);
    expect(again.stdout).not.toContain('not deterministic');
    expect(again.exitCode).toBe(1);
  });

  it.each(MUTATIONS)('the checks notice when there is no %s', { timeout: 180_000 }, async (mutation) => {
    let noticed: readonly string[] = [];
    for (let seed = 1; seed <= MUTANT_BOUND && noticed.length === 0; seed += 1) {
      noticed = (await runSeed(seed, { mutation })).violations;
    }
    expect(noticed).not.toEqual([]);
  });
});
