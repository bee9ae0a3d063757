/** What pages show: the whole at a glance, live, by one reader for all who watch. */
import { describe, expect, it } from 'vitest';
import type { ConnectionId } from '../../src/model.ts';
import { deadLetterFields } from '../../src/state/dead-letters.ts';
import { applyDesired } from '../../src/state/desired.ts';
import { overviewSchema, timelineSchema } from '../../src/web/schemas.ts';
import { openEvents } from '../support/event-source.ts';
import { healthyHold, startOneWorker } from '../support/one-worker.ts';
import { startRedis, useRedis } from '../support/redis.ts';
import { startWebBench } from '../support/web-bench.ts';

const redis = useRedis();
const place = () => ({ path: redis.server.path, prefix: redis.prefix() });
const id = 'conn-a' as ConnectionId;
const within = { timeout: 15_000, interval: 50 };

const letter = {
  kind: 'send',
  outcome: 'unknown',
  code: 'ABORTED_CALL',
  reason: 'the process stopped',
  text: 'a reply',
  conversation: 'group:1',
  body: null,
} as const;

describe('the overview', () => {
  it('has the status document, and what waits in queues, in lanes and for people', async () => {
    const where = place();
    await using world = await startOneWorker({ ...where, ids: [id, 'conn-b'], hold: healthyHold });
    await using web = await startWebBench(where);
    const states = async () => (await world.status()).connections.map(({ state }) => state);
    await expect.poll(states, within).toEqual(['live', 'live']);
    const keys = web.keys.connection(id);
    await web.client.xadd(keys.deadLetters, '*', ...deadLetterFields(letter));
    const sweptAt = Number(await web.client.hget(web.keys.scheduler, 'at'));
    await web.client.zadd(keys.activeLanes, String(sweptAt - 5_000), 'lane-1', String(sweptAt), 'lane-2');
    await web.client.zadd(keys.activeOutboxes, String(sweptAt), 'lane-3');
    await web.queues.turns.pause();
    await web.queues.turns.add('turn', { connectionId: id, lane: 'l', activation: 1 }, { jobId: 'lane-l-1' });

    const given = (await web.call('/api/overview')).json();
    expect(overviewSchema.parse(given)).toEqual(given);
    expect(given.status.connections.map((one: { state: string }) => one.state)).toEqual(['live', 'live']);
    const queue = { active: 0, waiting: 0, delayed: 0, failed: 0, paused: false, settings: [] };
    expect(given.queues).toEqual([
      { ...queue, name: 'connections', active: 2 },
      { ...queue, name: 'turns', waiting: 1, paused: true, settings: ['paused'] },
      { ...queue, name: 'deliveries' },
    ]);
    expect(given.deadLetters).toEqual({ total: 1, byConnection: { [id]: 1 } });
    expect(given.backlog).toMatchObject({ lanes: 2, outboxes: 1 });
    expect(given.backlog.oldestLaneAgeMs).toBeGreaterThanOrEqual(5_000);
    expect(given.redis).toEqual({ up: true, durability: 'fsync always', usedMemoryShare: null });
    expect(given.version).toBe('0.0.0-test');
  });
});

describe('the events', () => {
  it('tell a change within the next looks, and go on with ages when there is none', async () => {
    const where = place();
    await using web = await startWebBench(where);
    await using stream = await openEvents(`${web.url}/api/events`, web.headers);
    expect([stream.status, stream.headers['content-type']]).toEqual([200, 'text/event-stream; charset=utf-8']);
    expect(stream.headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    await expect.poll(() => stream.events[0], within).toMatchObject({ name: 'overview' });
    expect(overviewSchema.parse(stream.events[0]?.data)).toEqual(stream.events[0]?.data);
    const wanted = {
      id,
      platform: 'test',
      enabled: true,
      options: {},
      lateReply: 'active',
      fingerprint: 'f',
      source: 'config',
    } as const;
    await applyDesired(web.client, web.keys, [wanted], { removeOthers: true });
    await expect.poll(() => stream.events.at(-1)?.data.status.connections, within).toMatchObject([{ id }]);
    const before = stream.events.length;
    // Longer than a handler of the application may take: the stream is not cut by that.
    await expect.poll(() => stream.events.length - before, within).toBeGreaterThanOrEqual(3);
    expect(stream.ended).toBe(false);
  });

  it('are read once for all who watch, and not at all when nobody does', async () => {
    await using web = await startWebBench(place());
    const reads = async () => {
      const stats = await web.client.info('commandstats');
      return Number(/^cmdstat_info:calls=(\d+)/m.exec(stats)?.[1]);
    };
    const streams = await Promise.all(
      Array.from({ length: 5 }, () => openEvents(`${web.url}/api/events`, web.headers)),
    );
    await expect.poll(() => streams.map(({ events }) => events.length > 1), within).toEqual(Array(5).fill(true));
    for (const { events } of streams)
      expect(events.map(({ data }) => data)).toEqual(streams[0]?.events.map(({ data }) => data));
    await Promise.all(streams.map((stream) => stream[Symbol.asyncDispose]()));
    // The look that was under way may still end.
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const before = await reads();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    // The two that are counted are our own.
    expect((await reads()) - before).toBeLessThanOrEqual(2);
  });

  it('say trouble instead of what was true before when Redis is away, and go on when it is back', async () => {
    await using server = await startRedis();
    await using web = await startWebBench({ path: server.path, prefix: 'live' });
    await using stream = await openEvents(`${web.url}/api/events`, web.headers);
    await expect.poll(() => stream.events.at(-1)?.name, within).toBe('overview');
    server.freeze();
    await expect
      .poll(() => stream.events.at(-1), within)
      .toMatchObject({
        name: 'trouble',
        data: { reason: expect.stringContaining('Redis does not answer') },
      });
    expect((await web.call('/api/overview')).status).toBe(503);
    server.thaw();
    await expect.poll(() => stream.events.at(-1)?.name, within).toBe('overview');
  });

  it('end when the process drains, and are refused beyond their number', async () => {
    const web = await startWebBench(place());
    const streams = await Promise.all(
      Array.from({ length: 50 }, () => openEvents(`${web.url}/api/events`, web.headers)),
    );
    const refused = await web.call('/api/events');
    expect([refused.status, refused.headers['content-type']]).toEqual([503, 'application/problem+json; charset=utf-8']);
    await streams.pop()?.[Symbol.asyncDispose]();
    const place50 = async () => {
      const stream = await openEvents(`${web.url}/api/events`, web.headers);
      if (stream.status === 200) streams.push(stream);
      else await stream[Symbol.asyncDispose]();
      return stream.status;
    };
    await expect.poll(place50, within).toBe(200);
    await web[Symbol.asyncDispose]();
    await expect.poll(() => streams.map(({ ended }) => ended), within).toEqual(Array(50).fill(true));
  });

  it('are guarded as everything else', async () => {
    await using web = await startWebBench({ ...place(), adminToken: 'a-token-for-the-events' });
    expect((await web.call('/api/events')).status).toBe(401);
  });
});

describe('the timeline', () => {
  it('has every minute of the hours that are asked for', async () => {
    await using web = await startWebBench(place());
    const given = (await web.call('/api/timeline?hours=2')).json();
    expect(timelineSchema.parse(given)).toEqual(given);
    expect(Date.parse(given.at) - Date.parse(given.fromAt)).toBeGreaterThanOrEqual(2 * 3_600_000);
    for (const hours of ['0', '25', 'all', '1.5']) {
      expect((await web.call(`/api/timeline?hours=${hours}`)).status).toBe(400);
    }
  });
});
