import { describe, expect, it } from 'vitest';
import { TurnRunners } from '../../../src/workers/turn-runners.ts';

const SELF = 'host/1#aaa';
const OTHER = 'host/2#bbb|run';
const runners = (connected: readonly string[] | null) =>
  new TurnRunners({ self: SELF, connected: async () => connected && new Set(connected), patienceMs: 1_000 });

describe('whoever has taken a turn', () => {
  it('is at work while Redis has a connection of its process, for so long as a process may stand still (H3)', async () => {
    const both = runners([SELF, 'host/2#bbb']);
    expect(await both.isAtWork(OTHER, 0)).toBe(true);
    expect(await both.isAtWork(OTHER, 999)).toBe(true);
    expect(await both.isAtWork(OTHER, 1_000)).toBe(false);
    expect(await runners([SELF]).isAtWork(OTHER, 0)).toBe(false);
    // Another life under the same pid.
    expect(await runners([SELF, 'host/2#ccc']).isAtWork(OTHER, 0)).toBe(false);
  });

  it('is not taken for alive where Redis does not tell, or does not even know us', async () => {
    expect(await runners(null).isAtWork(OTHER, 0)).toBe(false);
    expect(await runners(['host/2#bbb']).isAtWork(OTHER, 0)).toBe(false);
  });

  it('of an earlier release says not who it is', async () => {
    expect(await runners([SELF]).isAtWork('2f1c5a9e-0000-4000-8000-000000000000', 0)).toBe(false);
  });

  it('is at work in this process until its run ends, whatever Redis says', async () => {
    const own = runners(null);
    const run = own.begin();
    expect(await own.isAtWork(run.runner, 1e9)).toBe(true);
    expect(own.isRunning(run.runner)).toBe(true);
    run[Symbol.dispose]();
    expect(await own.isAtWork(run.runner, 0)).toBe(false);
  });

  it('makes a last start alone', () => {
    const own = runners(null);
    const [one, other] = [own.begin(), own.begin()];
    expect(own.mayStartLast(one.runner)).toBe(true);
    expect(own.mayStartLast(one.runner)).toBe(true);
    expect(own.mayStartLast(other.runner)).toBe(false);
    one[Symbol.dispose]();
    expect(own.mayStartLast(other.runner)).toBe(true);
  });
});
