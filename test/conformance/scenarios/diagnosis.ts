/** What the adapter says to `holdfast doctor`, where it has something to say: beside a holder, and without a word of secrets. */
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { DiagnoseContext, Diagnosis } from '../../../src/adapters/adapter.ts';
import { systemClock } from '../../../src/async/clock.ts';
import { connectionId } from '../../../src/model.ts';
import { openDirect } from '../../support/direct-transport.ts';
import type { ConformanceHarness } from '../harness.ts';
import { World } from '../world.ts';

export function itDiagnoses(harness: ConformanceHarness): void {
  const adapter = harness.createAdapter();
  describe.skipIf(adapter.diagnose === undefined)('a diagnosis', () => {
    const look = async (world: World, change: Partial<DiagnoseContext> = {}): Promise<readonly Diagnosis[]> => {
      const { options, secrets } = world.platform;
      const transport = openDirect();
      const log = pino({ level: 'silent' });
      const own = { connectionId: connectionId('diagnosed'), options, secrets, transport, clock: systemClock, log };
      try {
        // One of its own: what a holder has cached must not be all that it sees.
        const found = await harness.createAdapter().diagnose?.(
          { ...own, held: true, ...change },
          {
            signal: AbortSignal.timeout(20_000),
          },
        );
        return found ?? expect.fail('no diagnosis');
      } finally {
        await transport.destroy();
      }
    };
    const expectHelpful = (findings: readonly Diagnosis[], world: World) => {
      expect(findings.length).toBeGreaterThan(0);
      for (const { check, status, message, fix } of findings) {
        expect(check).toMatch(/^[a-z-]+$/);
        expect(message).toMatch(/\w{3}/);
        if (status === 'warn' || status === 'fail') expect(fix).toMatch(/\w{3}/);
      }
      for (const secret of world.platform.secretTexts()) expect(JSON.stringify(findings)).not.toContain(secret);
    };

    it('finds nothing wrong where nothing is, and does not disturb who holds the connection', async () => {
      await using world = await World.open(harness);
      const hold = await world.live();
      const findings = await look(world);
      expectHelpful(findings, world);
      expect(findings.filter(({ status }) => status === 'fail')).toEqual([]);
      await world.stored([world.platform.say('still here')]);
      // A busy machine may cost a reconnect; a second client or session at the platform has another name.
      expect(hold.causes.filter((cause) => cause?.kind === 'rival' || cause?.kind === 'session')).toEqual([]);
    });

    it('names refused and missing credentials as such', async () => {
      await using world = await World.open(harness);
      world.platform.faults.revokeCredentials();
      for (const findings of [await look(world), await look(world, { secrets: {} })]) {
        expectHelpful(findings, world);
        expect(findings).toContainEqual(expect.objectContaining({ status: 'fail' }));
      }
    });
  });
}
