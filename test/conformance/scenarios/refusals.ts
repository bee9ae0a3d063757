/** What the platform says no to: credentials, a second holder, the rate. And what the core says no to. */
import { describe, expect, it } from 'vitest';
import type { Budget } from '../../../src/adapters/adapter.ts';
import { FatalError, FencedError, TransientError } from '../../../src/errors.ts';
import type { ConformanceHarness } from '../harness.ts';
import { Store } from '../store.ts';
import { World } from '../world.ts';

export function itMinds(harness: ConformanceHarness): void {
  describe('a refusal', () => {
    it('of credentials in mid-run is fatal, says so, and is over when they are accepted again', async () => {
      await using world = await World.open(harness);
      const hold = await world.live();
      world.platform.faults.revokeCredentials();
      const end = await hold.done;
      const error = end === 'drained' ? end : end.error;
      expect(error).toBeInstanceOf(FatalError);
      expect(error).toMatchObject({ code: 'CREDENTIAL_REFUSED', message: expect.stringMatching(/\w{3}/) });

      world.platform.faults.restoreCredentials();
      await world.live();
      await world.stored([world.platform.say('welcome back')]);
    });

    it('of a missing credential is fatal before anything is dialed', async () => {
      await using world = await World.open(harness);
      const end = await world.hold({ secrets: {} }).done;
      expect(end).toMatchObject({ error: expect.any(FatalError) });
      expect(end).toMatchObject({ error: { code: 'CREDENTIAL_MISSING' } });
      expect(() => world.sender({})).toThrow(FatalError);
      expect(world.platform.dials()).toBe(0);
    });

    it('for the rate of attempts is obeyed: the gate is told to wait as long', async () => {
      await using world = await World.open(harness);
      const leastMs = world.platform.faults.limitAttempts();
      const hold = await world.live();
      const asked = hold.causes.map((cause) => cause?.minDelayMs ?? 0);
      expect(Math.max(...asked)).toBeGreaterThanOrEqual(leastMs);
    });

    it('by a rival that holds the same account is named, waited out, and never the end', async () => {
      await using world = await World.open(harness);
      const { platform } = world;
      if (world.capabilities.sharing === 'shared' || world.capabilities.sharing === 'broadcast') return;
      const ours = await world.live();
      // Somebody else's installation: it begins where we are, and shares nothing else with us.
      const theirs = new Store();
      theirs.cursor = world.store.cursor;
      const rival = world.hold({ store: theirs });
      const reasons = () => [...ours.causes, ...rival.causes].map((cause) => cause?.reason ?? '').join();
      await world.until('the conflict to be named', () => /conflict|rival|another/i.test(reasons()), 30_000);
      expect(await Promise.race([ours.done, rival.done, 'both go on'])).toBe('both go on');

      rival.abort(new Error('the rival leaves'));
      await rival.done;
      await world.until('peace', () => ours.health.at(-1)?.what === 'live' && platform.isHeard(), 30_000);
      await world.stored([platform.say('only to us')]);
    });

    it('of a permit, or nobody to ask for one, makes it wait at the gate', async () => {
      await using world = await World.open(harness);
      let asked = 0;
      const budget: Budget = {
        async take() {
          asked += 1;
          if (asked === 1) throw new TransientError('REDIS_UNAVAILABLE', 'nobody can tell what is left');
          if (asked === 2) return { granted: false, retryAfterMs: 1_000, reason: '1 per 5 s' };
          return { granted: true };
        },
      };
      const hold = await world.live({ budget });
      // An adapter without costly steps asks for nothing.
      if (asked === 0) return;
      expect(asked).toBe(3);
      expect(hold.causes).toHaveLength(3);
      expect(hold.causes[2]).toMatchObject({ minDelayMs: 1_000, reason: expect.stringContaining('1 per 5 s') });
    });

    it('by a lease found lost: nothing more is sent for the connection', async () => {
      await using world = await World.open(harness);
      const fenced = new FencedError('the lease may have run out');
      const hold = world.hold({
        assertHeld: () => {
          throw fenced;
        },
      });
      expect(await hold.done).toEqual({ error: fenced });
      expect(hold.health.some(({ what }) => what === 'live')).toBe(false);
      expect(world.store.events).toEqual([]);
    });

    it('by a lease found lost later: it ends with that', async () => {
      await using world = await World.open(harness);
      const fenced = new FencedError('the lease may have run out');
      let isHeld = true;
      const hold = await world.live({
        assertHeld: () => {
          if (!isHeld) throw fenced;
        },
      });
      isHeld = false;
      expect(await hold.done).toEqual({ error: fenced });
      await world.until('the platform to notice', () => !world.platform.isHeard());
    });
  });
}
