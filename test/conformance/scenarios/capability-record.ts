/** The capability record is what users read: its fields must fit together, and fit what the adapter does. */
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import type { ConformanceHarness } from '../harness.ts';
import { World } from '../world.ts';

export function itKeepsItsRecord(harness: ConformanceHarness): void {
  describe('its record', () => {
    it('is of one piece', () => {
      const { platform, capabilities: can } = harness.createAdapter();
      expect(platform).toBe(harness.name);
      // Only a position that is stored can be gone back to.
      if (can.replay === 'replayable') expect(can.cursor).not.toBe('none');
      if (can.acknowledgement === 'cumulative-next-call') expect(can.cursor).toBe('offset');
      if (can.acknowledgement === 'implicit-session') expect(can.cursor).toBe('session');
      if (can.acknowledgement === 'per-event') expect(can.replay).toBe('redelivered-if-unacked');
      if (can.pause === 'withhold-ack') expect(can.acknowledgement).toBe('per-event');
      if (can.replay === 'lost') expect(can.replayWindowMs).toBeNull();
      expect(can.replayWindowMs ?? 1).toBeGreaterThan(0);
      // Ids must be remembered for longer than the platform can repeat them.
      expect(can.dedupeWindowMs).toBeGreaterThan(can.replayWindowMs ?? 0);
      expect(can.maxTextLength).toBeGreaterThan(0);
      for (const { windowMs, quota } of can.replyLimits) expect(Math.min(windowMs, quota ?? 1)).toBeGreaterThan(0);
    });

    it('names the account by its options alone, and refuses options that make no sense', async () => {
      await using world = await World.open(harness);
      const { adapter, platform } = world;
      const account = adapter.accountOf(platform.options);
      expect(account).toMatch(/./);
      expect(harness.createAdapter().accountOf(structuredClone(platform.options))).toBe(account);
      for (const secret of platform.secretTexts()) expect(account).not.toContain(secret);
      expect(() => adapter.accountOf(platform.badOptions)).toThrow(ConfigError);
      expect(() => adapter.accountOf(null)).toThrow(ConfigError);
    });

    it('of its cursor: JSON, stored with the first proof of life, of the kind it says', async () => {
      await using world = await World.open(harness);
      const { store, capabilities, platform } = world;
      await world.live();
      await world.stored([platform.say('hello')]);
      if (capabilities.cursor === 'none') {
        expect(store.cursor).toBeNull();
        return;
      }
      expect(store.cursor).not.toBeNull();
      expect(JSON.parse(JSON.stringify(store.cursor))).toEqual(store.cursor);
      expect(JSON.stringify(store.cursor).length).toBeLessThan(4_096);
    });

    it('of what it fetches ahead: safe to repeat', async () => {
      await using world = await World.open(harness);
      const { adapter } = world;
      if (adapter.warm === undefined) return;
      const { signal } = new AbortController();
      await adapter.warm(world.senderContext(), { signal });
      await adapter.warm(world.senderContext(), { signal });
    });
  });
}
