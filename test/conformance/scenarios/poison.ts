/** Events that kill whoever reads them: read one by one, they are told from the others, and passed over. */
import { describe, expect, it } from 'vitest';
import { DeadlyReading, type Notes } from '../../support/reading.ts';
import type { ConformanceHarness } from '../harness.ts';
import { type Hold, World } from '../world.ts';

export function itPassesOverPoison(harness: ConformanceHarness): void {
  describe('its holder died before, and it reads one by one', () => {
    it('what does no harm is stored once, in order', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      const first = await world.live();
      const ids = [platform.say('before')];
      await world.stored(ids);
      await world.kill(first);
      ids.push(platform.say('waiting 1'), platform.say('waiting 2'), platform.say('waiting 3'));

      const { reading } = careful(world, new Map());
      await world.stored(ids);
      ids.push(platform.say('live 1'), platform.say('live 2'));
      await world.stored(ids);
      expect(store.texts()).toEqual(['before', 'waiting 1', 'waiting 2', 'waiting 3', 'live 1', 'live 2']);
      expect(store.of('gap')).toEqual([]);
      expect(new Set(reading().begun).size).toBeGreaterThanOrEqual(5);
    });

    it('a poisoned event is passed over after the second death, and what follows it is stored', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      const first = await world.live();
      const ids = [platform.say('before')];
      await world.stored(ids);
      await world.kill(first);
      ids.push(platform.say('waiting'));
      const poison = platform.say('deadly');
      ids.push(platform.say('after'));

      const notes: Notes = new Map();
      for (let death = 1; death <= 2; death += 1) {
        const { hold, reading } = careful(world, notes);
        await world.until(`death ${death}`, () => reading().died);
        expect(store.texts()).toEqual(['before', 'waiting']);
        await world.kill(hold);
      }
      careful(world, notes);
      await world.stored(ids);
      expect(notes.size, 'the position is the same each time').toBe(1);
      expect(store.texts()).toEqual(['before', 'waiting', 'after']);
      expect(store.of('malformed').map(({ raw }) => raw.includes('deadly'))).toEqual([true]);
      expect(store.of('gap')).toEqual([]);
      expect(world.falselyAcknowledged().filter((id) => id !== poison)).toEqual([]);
    });
  });
}

function careful(world: World, notes: Notes): { readonly hold: Hold; reading(): DeadlyReading } {
  let reading: DeadlyReading | undefined;
  const hold = world.hold({
    reading: (sink, signal) => {
      reading = new DeadlyReading(notes, sink, signal);
      return reading;
    },
  });
  return {
    hold,
    reading() {
      if (reading === undefined) throw new Error('the adapter was not held');
      return reading;
    },
  };
}
