/** The two ways to stop: drain, which leaves everything so that a successor goes on; and abort, which cuts at once. */
import { describe, expect, it } from 'vitest';
import { ProcessStopping } from '../../../src/errors.ts';
import type { ConformanceHarness } from '../harness.ts';
import { type Hold, World } from '../world.ts';

/** The core gives a drain 5 s by default. */
const DRAIN_MS = 5_000;
/** "At once", on a busy machine. */
const AT_ONCE_MS = 1_000;

export function itLetsGo(harness: ConformanceHarness): void {
  describe('letting go', () => {
    it('by drain stores what it has, and a successor goes on where it was', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      const first = await world.live();
      const ids = [platform.say('one')];
      await world.stored(ids);
      await drained(first);
      await world.until('the platform to be left', () => !platform.isHeard());
      ids.push(platform.say('two'));

      const second = await world.live();
      expect(second.health.at(-1)).toEqual({ what: 'live', how: 'resumed' });
      await world.stored(ids);
      expect(store.texts()).toEqual(['one', 'two']);
      expect(store.of('identified')).toHaveLength(1);
    });

    it('by drain in the middle of a conversation loses and repeats nothing', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      const ids: string[] = [];
      for (let n = 1; n <= 3; n += 1) {
        const hold = await world.live();
        for (let m = 1; m <= 5; m += 1) ids.push(platform.say(`${n}.${m}`));
        await drained(hold);
      }
      await world.live();
      await world.stored(ids);
      expect(store.of('message').map(({ eventId }) => eventId)).toEqual(ids);
      expect(store.of('gap')).toEqual([]);
    });

    const phases: readonly [string, (world: World) => Promise<Hold>][] = [
      [
        'while an attempt hangs',
        async (world) => {
          world.platform.faults.swallowAttempts(9);
          const hold = world.hold();
          await world.until('the attempt', () => hold.health.length > 0);
          return hold;
        },
      ],
      [
        'while it waits at the gate',
        async (world) => {
          await world.platform.faults.disappear();
          // Long waits: the gate is where it will be.
          const hold = world.hold();
          await world.until('a few attempts', () => hold.causes.length > 3);
          return hold;
        },
      ],
      ['while it is live', (world) => world.live()],
    ];

    it.each(phases)('by drain %s ends in time', async (_phase, enter) => {
      await using world = await World.open(harness);
      await drained(await enter(world));
    });

    it.each(phases)('by abort %s ends at once, with the very reason, and nothing stays open', async (_phase, enter) => {
      await using world = await World.open(harness);
      const hold = await enter(world);
      const reason = new ProcessStopping('now');
      const startedAt = performance.now();
      hold.abort(reason);
      const end = await hold.done;
      expect(performance.now() - startedAt).toBeLessThan(AT_ONCE_MS);
      expect(end).toEqual({ error: reason });
      await world.until('the platform to notice', () => !world.platform.isHeard());
    });

    it('before it began: neither signal is overlooked', async () => {
      await using world = await World.open(harness);
      const hold = world.hold();
      const reason = new ProcessStopping('at once');
      hold.abort(reason);
      expect(await hold.done).toEqual({ error: reason });
      const other = world.hold();
      await drained(other);
      expect(world.store.of('message')).toEqual([]);
    });
  });
}

async function drained(hold: Hold): Promise<void> {
  const startedAt = performance.now();
  hold.drain();
  expect(await hold.done).toBe('drained');
  expect(performance.now() - startedAt).toBeLessThan(DRAIN_MS);
}
