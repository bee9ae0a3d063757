/** What comes in, as it should be and as it should not be. Nothing may stop what comes after it. */
import { describe, expect, it } from 'vitest';
import type { ConformanceHarness } from '../harness.ts';
import { World } from '../world.ts';

export function itReadsWhatComes(harness: ConformanceHarness): void {
  describe('what comes', () => {
    it('from two chats keeps them apart and in order, each message with what its answer needs', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      await world.live();
      const ids = [
        platform.say('one', 'first'),
        platform.say('uno', 'second'),
        platform.say('two', 'first'),
        platform.say('due', 'second'),
      ];
      await world.stored(ids);
      const chats = new Map(store.of('message').map(({ text, conversation }) => [text, conversation]));
      expect(chats.get('one')).toBe(chats.get('two'));
      expect(chats.get('uno')).toBe(chats.get('due'));
      expect(chats.get('one')).not.toBe(chats.get('uno'));
      const texts = store.texts();
      expect(texts.filter((text) => text === 'one' || text === 'two')).toEqual(['one', 'two']);
      expect(texts.filter((text) => text === 'uno' || text === 'due')).toEqual(['uno', 'due']);
      for (const { raw, text, sender, attachments } of store.of('message')) {
        expect(raw).toContain(text);
        expect(sender?.id).toMatch(/./);
        expect(attachments).toEqual([]);
      }
    });

    it('in other characters comes as it was written', async () => {
      await using world = await World.open(harness);
      await world.live();
      const text = 'naïve 你好 👩‍👩‍👧‍👦 <b>&amp;</b> "quoted" \\ \u202eabc';
      expect((await world.received(text)).text).toBe(text);
    });

    it('twice has the same id both times, and moves nothing', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      await world.live();
      platform.faults.repeat();
      const ids = [platform.say('once'), platform.say('and once')];
      await world.stored(ids);
      await world.until('the repetition', () => ids.some((id) => (store.sightings.get(id) ?? 0) > 1));
      await world.until('the acknowledgement', () => ids.every((id) => platform.acknowledged().has(id)));
      await world.stored([platform.say('then this')]);
      expect(store.texts()).toEqual(['once', 'and once', 'then this']);
      expect(store.of('gap')).toEqual([]);
    });

    it('out of order comes whole, and stops nothing', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      await world.live();
      await world.stored([platform.say('before')]);
      platform.faults.disorder();
      const ids = [platform.say('a'), platform.say('b'), platform.say('c')];
      await world.stored(ids);
      await world.stored([platform.say('after')]);
      expect([...store.texts()].sort()).toEqual(['a', 'after', 'b', 'before', 'c']);
      expect(store.of('gap')).toEqual([]);
    });

    it('of an unknown kind is kept aside whole', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      const hold = await world.live();
      platform.faults.unknownEvent();
      await world.stored([platform.say('after the unknown')]);
      const aside = () => store.events.filter(({ kind }) => kind === 'unknown' || kind === 'system');
      await world.until('the record', () => aside().length === 1);
      expect(aside()[0]?.raw).toContain('tomorrow');
      expect(hold.causes).toHaveLength(1);
    });

    it('unreadable is kept aside, once, and passed over', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      const hold = await world.live();
      platform.faults.malformedEvent();
      const ids = [platform.say('after the nonsense')];
      await world.stored(ids);
      await world.until('the record', () => store.of('malformed').length > 0);
      // The stored position is behind it: a successor does not meet it again.
      await world.kill(hold);
      await world.live();
      ids.push(platform.say('and a takeover'));
      await world.stored(ids);
      expect(store.of('malformed')).toHaveLength(1);
      expect(store.texts()).toEqual(['after the nonsense', 'and a takeover']);
    });
  });
}
