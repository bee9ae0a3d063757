/** What the demonstration's safeguards are for: it must show damage without them, or its count would prove nothing. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DemoPlace } from '../support/demo-place.ts';

let place: DemoPlace;
beforeEach(async () => {
  place = await DemoPlace.open();
});
afterEach(async () => {
  await place[Symbol.asyncDispose]();
});

describe('npm run demo -- --sabotage', () => {
  it.each([
    ['cursor', 'lost', ['lost']],
    ['dedupe', 'doubled', ['doubled']],
    ['fence', 'lost or doubled', ['lost', 'doubled']],
  ])('shows what the safeguard "%s" is for: without it, messages are %s', async (safeguard, _, damages) => {
    const { exitCode, stdout, stderr } = await place.demo('--once', '--json', '--sabotage', safeguard);
    const result = JSON.parse(stdout);
    expect(
      damages.reduce((sum, damage) => sum + result[damage], 0),
      stderr,
    ).toBeGreaterThan(0);
    // The numbers tell, and not an act that went wrong.
    expect(result.failures).toEqual([]);
    expect(exitCode).toBe(1);
    expect(await place.leftOvers()).toEqual([]);
  });
});
