/** Redis is away or full: 60 s of it with HOLDFAST_TEST_LONG=1, a moment otherwise. */
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ConformanceHarness } from '../harness.ts';
import { World } from '../world.ts';

const OUTAGE_MS = process.env.HOLDFAST_TEST_LONG === '1' ? 60_000 : 1_500;
const MESSAGES = 50;
/** Of {@link MESSAGES}: what was on its way when reading stopped, and no more. */
const MAY_BE_IN_MEMORY = 10;

export function itWaitsForStorage(harness: ConformanceHarness): void {
  describe('storage that is away', () => {
    it(
      'stops the reading: nothing unstored is acknowledged, the session is kept, and it goes on by itself',
      async () => {
        await using world = await World.open(harness);
        const { platform, store, capabilities } = world;
        const hold = await world.live();
        const ids = [platform.say('before')];
        await world.stored(ids);

        store.isAway = true;
        const pushesBefore = hold.sink.pushes.length;
        for (let n = 1; n <= MESSAGES; n += 1) {
          ids.push(platform.say(`during ${n}`));
          expect(world.falselyAcknowledged()).toEqual([]);
          await wait(OUTAGE_MS / MESSAGES);
        }
        const inMemory = hold.sink.pushes.slice(pushesBefore).flatMap(({ events }) => events);
        expect(inMemory.filter(({ kind }) => kind === 'message').length).toBeLessThanOrEqual(MAY_BE_IN_MEMORY);
        expect(world.falselyAcknowledged()).toEqual([]);
        expect(store.has(ids[1] as string)).toBe(false);

        store.isAway = false;
        await world.stored(ids);
        const stored = store.of('message').map(({ eventId }) => eventId);
        if (capabilities.ordering === 'none') expect([...stored].sort()).toEqual([...ids].sort());
        else expect(stored).toEqual(ids);
        expect(store.of('identified')).toHaveLength(1);
        expect(store.of('gap')).toEqual([]);
        await world.until('all to be acknowledged', () => ids.every((id) => platform.acknowledged().has(id)));
      },
      OUTAGE_MS + 60_000,
    );

    it('from the very start: nothing is lost, once it is there', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      await world.kill(await world.live());
      store.isAway = true;
      const hold = world.hold();
      const id = platform.say('early');
      await world.until('a first attempt', () => hold.causes.length > 0);
      await wait(200);
      expect(world.falselyAcknowledged()).toEqual([]);
      store.isAway = false;
      await hold.live();
      await world.stored([id]);
      expect(store.of('gap')).toEqual([]);
    });

    it('does not keep it from letting go', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      const hold = await world.live();
      store.isAway = true;
      const id = platform.say('nobody stores this');
      hold.drain();
      // A drain waits for what was pushed; the core ends it at its deadline.
      await world.until('the platform to be left', () => !platform.isHeard());
      const reason = new Error('the deadline of the drain');
      hold.abort(reason);
      await hold.done;
      expect(world.falselyAcknowledged()).toEqual([]);

      store.isAway = false;
      await world.live();
      await world.stored([id]);
    });
  });
}
