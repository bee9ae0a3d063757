/** A flood must not make a holder late: neither its heartbeats to the platform nor the renewal of its leases. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Bench } from '../../bench/row.ts';
import { startGateway } from '../../bench/support/gateway.ts';
import { Holdfast } from '../../bench/support/holdfast.ts';
import { buildPrograms } from '../../bench/support/programs.ts';
import { Stage } from '../../bench/support/stage.ts';
import { startRedis } from '../support/redis.ts';

const CONNECTIONS = 100;
/** A wave: the next one comes when it is stored, so that an ACK never waits behind more than this. */
const EVENTS = 3_000;
const FLOOD_FOR_MS = 9_000;
/** Shorter ones would be answered too late on a machine that needs seconds for a wave. */
const HEARTBEAT_EVERY_MS = 5_000;
/** The platform's own patience is 2.5 intervals; a lease lasts 6 s and is renewed every 1.5 s. */
const LATEST_BEAT_MS = 2.5 * HEARTBEAT_EVERY_MS;
const LEAST_LEASE_LEFT_MS = 1_500;

it('heartbeats and lease renewals are not late under a flood, and nobody fences itself', async () => {
  await using stage = new Stage();
  const bench: Bench = { brief: true, say: () => undefined, program: await buildPrograms() };
  const redis = stage.add(await startRedis({ appendfsync: 'everysec' }));
  const gateway = stage.add(await startGateway(bench, { heartbeatEveryMs: HEARTBEAT_EVERY_MS }));
  const holdfast = stage.add(await Holdfast.install({ redis, gateway, connections: CONNECTIONS }));
  await holdfast.scheduled();
  holdfast.start('worker', '--roles', 'connections');
  await gateway.ask('untilLive', { count: CONNECTIONS });
  const tokens = await holdfast.leases();

  let leastLeftMs = Number.POSITIVE_INFINITY;
  let flooding = true;
  const watching = (async () => {
    while (flooding) {
      const [seconds, micros] = await holdfast.client.time();
      const now = Number(seconds) * 1_000 + Number(micros) / 1_000;
      for (const { until } of await holdfast.leases()) leastLeftMs = Math.min(leastLeftMs, (until ?? 0) - now);
      await delay(100);
    }
  })();
  const endsAt = performance.now() + FLOOD_FOR_MS;
  let events = 0;
  while (performance.now() < endsAt) {
    await gateway.ask('flood', { events: EVENTS, chats: 5 * CONNECTIONS, shape: 'c2c' });
    events += EVENTS;
    await holdfast.untilStored(events);
    await holdfast.emptyLanes();
  }
  flooding = false;
  await watching;

  expect(leastLeftMs).toBeGreaterThan(LEAST_LEASE_LEFT_MS);
  const { longestBeatGapMs, live } = await gateway.ask('look', {});
  expect(live).toBe(CONNECTIONS);
  expect(longestBeatGapMs).toBeLessThan(LATEST_BEAT_MS);
  expect((await holdfast.leases()).map(({ token }) => token)).toEqual(tokens.map(({ token }) => token));
});
