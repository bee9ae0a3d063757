/** A proxy that cuts idle tunnels: learnt from three cuts, then there are no more; nothing is lost meanwhile. */
import { describe, it } from 'vitest';
import { createTransport } from '../../src/http/transport.ts';
import { startQq } from '../emulators/qq/index.ts';
import { IdleCuttingProxy } from '../support/idle-cutting-proxy.ts';
import { holdQq } from '../support/qq-hold.ts';

/** Longer than what counts as an idle cut at all, and no longer, because three of them have to be waited for. */
const IDLE_MS = 1_800;

describe('a proxy that gives up idle tunnels', () => {
  // At once, as both mostly wait.
  it.concurrent.for(['reset', 'silent'] as const)(
    'cuts three times (%s); from then on pings come more often, status says so, and the socket stays',
    { timeout: 60_000 },
    async (how, { expect, onTestFinished }) => {
      const qq = await startQq({ heartbeatIntervalMs: 60_000, identifyLimit: { maxConcurrency: 100 } });
      onTestFinished(() => qq.close());
      const proxy = await IdleCuttingProxy.start({ idleMs: IDLE_MS, how });
      onTestFinished(() => proxy[Symbol.asyncDispose]());
      const held = holdQq(qq, {
        // Beats come at random within a minute; pings are what keeps the tunnel busy, and too seldom to begin with.
        options: { pingEveryMs: 2_600, pongDeadlineMs: 1_000 },
        transport: createTransport({ proxy: proxy.url, environment: {} }),
      });
      onTestFinished(async () => {
        held.drain();
        await held.done;
      });
      await held.until('the pattern was found', () => held.remarks.length > 0, 30_000);
      expect(held.remarks.at(-1)).toMatch(/idle timeout on the way\): pinging every [\d.]+ s/);
      await held.live(4);
      const dials = qq.journal.count('dial');
      const roundTrips = held.roundTrips();
      await held.until('many pings on one socket', () => held.roundTrips() >= roundTrips + 5, 20_000);
      expect(qq.journal.count('dial')).toBe(dials);
      expect(qq.journal.count('identify')).toBe(1);
    },
  );
});
