/** A holder dies, and a successor has nothing but the stored cursor: at each moment around storing a message. */
import { describe, expect, it } from 'vitest';
import type { ConformanceHarness } from '../harness.ts';
import { World } from '../world.ts';

export function itSurvivesCrashes(harness: ConformanceHarness): void {
  describe('its holder dies', () => {
    it('before a message is stored: the platform hands it out again, under the same id', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      const first = await world.live();
      const ids = [platform.say('stored')];
      await world.stored(ids);
      first.sink.willStore = 0;
      ids.push(platform.say('in memory only'));
      await world.until('the message to be pushed', () => pushedTexts(first).includes('in memory only'));
      expect(world.falselyAcknowledged()).toEqual([]);
      await world.kill(first);
      ids.push(platform.say('while nobody held'));

      await world.live();
      await world.stored(ids);
      expect(store.texts()).toEqual(['stored', 'in memory only', 'while nobody held']);
      expect(store.of('gap')).toEqual([]);
    });

    it('after a message is stored and before the platform knows: no second one reaches the agent', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      const first = await world.live();
      const id = platform.say('stored');
      await world.stored([id]);
      await world.kill(first);

      await world.live();
      const last = platform.say('later');
      await world.stored([last]);
      expect(store.texts()).toEqual(['stored', 'later']);
      expect(store.of('gap')).toEqual([]);
    });

    it('after the platform knows: nothing is missing', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      const first = await world.live();
      const id = platform.say('stored');
      await world.until('the acknowledgement', () => platform.acknowledged().has(id));
      expect(store.has(id)).toBe(true);
      await world.kill(first);
      const meanwhile = platform.say('while nobody held');

      const second = await world.live();
      await world.stored([meanwhile]);
      expect(store.texts()).toEqual(['stored', 'while nobody held']);
      expect(second.health.at(-1)).toEqual({ what: 'live', how: 'resumed' });
      expect(store.of('identified')).toHaveLength(1);
    });

    it('three times in a row, with people writing all the while: everything once, in order', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      const ids: string[] = [];
      for (let n = 1; n <= 3; n += 1) {
        const hold = await world.live();
        ids.push(platform.say(`${n}a`), platform.say(`${n}b`, 'second'));
        await world.stored(ids);
        hold.sink.willStore = 0;
        ids.push(platform.say(`${n}c`));
        await world.kill(hold);
        ids.push(platform.say(`${n}d`));
      }
      await world.live();
      await world.stored(ids);
      const order = (texts: readonly string[]) => texts.filter((text) => !text.endsWith('b'));
      expect(order(store.texts())).toEqual([1, 2, 3].flatMap((n) => [`${n}a`, `${n}c`, `${n}d`]));
      expect(
        store
          .of('message')
          .map(({ eventId }) => eventId)
          .sort(),
      ).toEqual([...ids].sort());
      expect(store.of('gap')).toEqual([]);
    });

    it('between any two of its writes: a position never runs ahead of what it covers', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      const ids: string[] = [];
      for (let writes = 1; writes <= 3; writes += 1) {
        const hold = await world.live();
        hold.sink.willStore = writes;
        const id = platform.say(`before write ${writes + 1}`);
        ids.push(id);
        await world.until('the end of the writes', () => hold.sink.isDead || store.has(id));
        await world.kill(hold);
      }
      await world.live();
      await world.stored(ids);
      expect(store.of('message').map(({ eventId }) => eventId)).toEqual(ids);
      expect(store.of('gap')).toEqual([]);
    });

    it('for longer than the platform remembers: a gap record says so, and it goes on', async () => {
      await using world = await World.open(harness);
      const { platform, store, clock } = world;
      await world.kill(await world.live());
      platform.say('lost at the platform');
      platform.faults.loseHistory((ms) => clock.jump(ms));

      await world.live();
      await world.until('a gap record', () => store.of('gap').length === 1);
      expect(store.of('gap')[0]?.text).toMatch(/\w{3}/);
      await world.stored([platform.say('after the gap')]);
      expect(store.texts()).toEqual(['after the gap']);
    });

    it('leaving a cursor that makes no sense: a gap record says so, and it starts anew', async () => {
      await using world = await World.open(harness);
      const { platform, store, capabilities } = world;
      if (capabilities.cursor === 'none') return;
      await world.kill(await world.live());
      store.cursor = { written: 'by something else' };

      await world.live();
      await world.until('a gap record', () => store.of('gap').length === 1);
      await world.stored([platform.say('after the gap')]);
    });

    it('leaving the cursor of another account: it is not gone on from', async () => {
      await using world = await World.open(harness);
      const { platform, store, capabilities } = world;
      if (capabilities.cursor === 'none') return;
      await world.kill(await world.live());
      const theirs = store.cursor;

      const { options, secrets, say } = platform.otherAccount();
      const hold = world.hold({ options, secrets });
      await hold.live();
      expect(hold.health.at(-1)).toEqual({ what: 'live', how: 'identified' });
      await world.stored([say('to the other one')]);
      expect(store.cursor).not.toEqual(theirs);
    });
  });
}

function pushedTexts({ sink }: Awaited<ReturnType<World['live']>>): readonly string[] {
  return sink.pushes.flatMap(({ events }) => events.map(({ text }) => text));
}
