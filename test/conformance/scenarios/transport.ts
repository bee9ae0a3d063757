/** Networks and servers at their worst. Each new attempt asks the gate, and what people write meanwhile arrives. */
import { describe, expect, it } from 'vitest';
import type { ConformanceHarness } from '../harness.ts';
import { type Hold, World } from '../world.ts';

/** What timers and a busy machine may add to a promised bound, ms. */
const SLACK_MS = 3_000;

export function itSurvivesTransport(harness: ConformanceHarness): void {
  describe('transport', () => {
    it('says how it lives: phases with deadlines, then live, by which route and how silent it may be', async () => {
      await using world = await World.open(harness);
      const hold = await world.live();
      const steps = hold.health.map(({ what }) => what);
      expect(steps.slice(0, steps.indexOf('live'))).toContain('connecting');
      expect(hold.health.find(({ what }) => what === 'live')).toEqual({ what: 'live', how: 'identified' });
      expect(hold.routes.at(-1)).toBe('direct');
      expect(hold.silences.at(-1)).toBeGreaterThan(0);
      const before = hold.roundTrips();
      await world.until('round trips while nobody writes', () => hold.roundTrips() > before + 1);
      expect(world.store.of('identified')).toHaveLength(1);
      expect(world.store.of('gap')).toEqual([]);
    });

    it('that is reset five times in a row costs nothing', async () => {
      await using world = await World.open(harness);
      const { platform } = world;
      const hold = await world.live();
      const ids: string[] = [];
      for (let n = 1; n <= 5; n += 1) {
        ids.push(platform.say(`before ${n}`));
        await world.stored(ids);
        platform.faults.dropConnections();
        ids.push(platform.say(`meanwhile ${n}`));
        await hold.live(n + 1);
      }
      await world.stored(ids);
      expectAllOnce(world, ids);
      expect(hold.causes).toHaveLength(6);
    });

    it('that falls silent is noticed within the silence it declared', async () => {
      await using world = await World.open(harness);
      const { platform } = world;
      const hold = await world.live();
      // Some keepalives count only once they were answered.
      const before = hold.roundTrips();
      await world.until('a few round trips', () => hold.roundTrips() > before + 2);
      platform.faults.halfOpen();
      const id = platform.say('into the void');
      const bound = Math.max(...hold.silences.slice(-1)) + SLACK_MS;
      await world.until('the silence to be noticed', () => losses(hold).length > 0, bound);
      await hold.live(2);
      await world.stored([id]);
      expectAllOnce(world, [id]);
    });

    it('that swallows attempts does not hold it: each has its deadline, and a reason in words', async () => {
      await using world = await World.open(harness);
      const { platform } = world;
      platform.faults.swallowAttempts(1);
      const hold = world.hold();
      await world.until('the attempt to be given up', () => losses(hold).length > 0);
      expect(hold.health.some(({ what }) => what === 'live')).toBe(false);
      await hold.live();
      await world.stored([platform.say('at last')]);
    });

    it('that drips does not hold it either', async () => {
      await using world = await World.open(harness);
      const { platform } = world;
      platform.faults.dripOnce();
      const hold = world.hold();
      await world.until('the attempt to be given up', () => losses(hold).length > 0);
      await hold.live();
      await world.stored([platform.say('at last')]);
    });

    it('that answers nonsense is tried again', async () => {
      await using world = await World.open(harness);
      const { platform } = world;
      platform.faults.garbleAttempts(3);
      const hold = await world.live();
      expect(losses(hold).length).toBeGreaterThan(0);
      await world.stored([platform.say('at last')]);
    });

    it('that is gone for many attempts is found again, with what was written meanwhile', async () => {
      await using world = await World.open(harness);
      const { platform, store } = world;
      const hold = await world.live();
      await platform.faults.disappear();
      const id = platform.say('during the outage');
      await world.until('ten attempts', () => hold.causes.length >= 11);
      expect(losses(hold).at(-1)).toMatch(/ECONNREFUSED/);
      await platform.faults.reappear();
      await hold.live(2);
      await world.stored([id]);
      expectAllOnce(world, [id]);
      expect(store.of('identified')).toHaveLength(1);
    });

    it('that was slept through is left at once, without waiting for deadlines (F24)', async () => {
      await using world = await World.open(harness);
      const { platform, clock } = world;
      const hold = await world.live();
      const dials = platform.dials();
      clock.jump(90_000);
      const id = platform.say('while it slept');
      await world.until('a new connection', () => platform.dials() > dials);
      await hold.live(2);
      await world.stored([id]);
      expectAllOnce(world, [id]);
      expect(losses(hold).join()).toMatch(/sleep|slept|frozen/);
    });
  });
}

function losses({ health }: Hold): readonly string[] {
  return health.flatMap((entry) => (entry.what === 'lost' ? [entry.reason] : []));
}

function expectAllOnce({ store }: World, ids: readonly string[]): void {
  expect(store.of('message').map(({ eventId }) => eventId)).toEqual(ids);
  expect(store.of('gap')).toEqual([]);
}
