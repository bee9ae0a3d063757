/** The last day of a connection, as schedulers write it and anybody reads it. */
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { ConnectionId, WorkerId } from '../../src/model.ts';
import { keepMinutes } from '../../src/run/keep-minutes.ts';
import { encodeEvent } from '../../src/state/ingest.ts';
import { createKeys, type Keys } from '../../src/state/keys.ts';
import { MINUTE_MS, noteMinutes, parseMinutes } from '../../src/state/minutes.ts';
import type { RedisClient } from '../../src/state/redis.ts';
import { readSweepGaps, recordSweep, UNWATCHED_AFTER_MS } from '../../src/state/sweeps.ts';
import { workerGone } from '../../src/state/worker-gone.ts';
import { forgetWorker, readWorkerLog, reportWorker } from '../../src/state/workers.ts';
import type { TimelineDocument } from '../../src/status/timeline.ts';
import { timelineSchema } from '../../src/web/schemas.ts';
import { healthyHold, startOneWorker, TIMINGS } from '../support/one-worker.ts';
import { useRedis } from '../support/redis.ts';
import { startWebBench } from '../support/web-bench.ts';

const redis = useRedis();
const place = () => ({ path: redis.server.path, prefix: redis.prefix() });
const id = 'conn-a' as ConnectionId;
const within = { timeout: 15_000, interval: 50 };
const LIVE = 1;
const DOWN = 4;

const bare = () => ({ client: redis.server.client() as RedisClient, keys: createKeys(redis.prefix()) });

async function ringOf(client: RedisClient, keys: Keys) {
  return parseMinutes(await client.getBuffer(keys.connection(id).minutes));
}

describe('minutes', () => {
  it('that several schedulers write join: no state is lost, the higher count counts, repeating changes nothing', async () => {
    const { client, keys } = bare();
    const minute = 29_400_000;
    const [one, other] = [
      { id, minute, states: LIVE, events: 1_000_000_007 },
      { id, minute, states: DOWN, events: 1_000_000_003 },
    ];
    await Promise.all([noteMinutes(client, keys, [one]), noteMinutes(client, keys, [other])]);
    await noteMinutes(client, keys, [one]);
    const expected = { minute, states: LIVE | DOWN, events: 1_000_000_007 };
    expect([...(await ringOf(client, keys)).values()]).toEqual([expected]);
  });

  it('take the same room for ever: a slot that comes round again holds the new minute alone', async () => {
    const { client, keys } = bare();
    const { minutes } = keys.connection(id);
    for (const minute of [29_400_000, 29_400_001, 29_401_500]) {
      await noteMinutes(client, keys, [{ id, minute, states: LIVE, events: minute - 29_400_000 }]);
    }
    expect([...(await ringOf(client, keys)).keys()].sort()).toEqual([29_400_001, 29_401_500]);
    expect(await client.strlen(minutes)).toBe(15_000);
    expect(await client.memory('USAGE', minutes)).toBeLessThan(17_000);
    expect(await client.pttl(minutes)).toBeGreaterThan(24 * 60 * MINUTE_MS);
  });
});

describe('who watched', () => {
  it('is told by the gap between two sweeps, of whichever scheduler', async () => {
    const { client, keys } = bare();
    await recordSweep(client, keys, 'a/1' as WorkerId);
    await recordSweep(client, keys, 'b/1' as WorkerId);
    expect(await readSweepGaps(client, keys, 0)).toEqual([]);
    const last = Number(await client.hget(keys.scheduler, 'at')) - UNWATCHED_AFTER_MS - 1_000;
    await client.hset(keys.scheduler, 'at', String(last));
    await Promise.all([recordSweep(client, keys, 'a/1' as WorkerId), recordSweep(client, keys, 'b/1' as WorkerId)]);
    const gaps = await readSweepGaps(client, keys, 0);
    expect(gaps).toEqual([{ from: last, to: expect.any(Number) }]);
    expect(await readSweepGaps(client, keys, (gaps[0]?.to ?? 0) + 60_000)).toEqual([]);
  });
});

describe('the log of workers', () => {
  const REPORT = { roles: ['connections'], connections: 0, capacity: 9, eventLoopLagMs: 0, draining: false };
  const report = (client: RedisClient, keys: Keys, name: string, first = false, forgetAfterMs = 60_000) =>
    reportWorker(client, keys, name as WorkerId, { ...REPORT, incarnation: 'i' }, forgetAfterMs, new Map(), first);
  const log = async (client: RedisClient, keys: Keys) =>
    (await readWorkerLog(client, keys, 0)).map(({ worker, what }) => `${worker} ${what}`);

  it('says who joined, left or died, once each', async () => {
    const { client, keys } = bare();
    for (const name of ['a/1', 'b/1', 'c/1']) await report(client, keys, name, true);
    await report(client, keys, 'a/1');
    for (let n = 0; n < 2; n += 1) {
      await forgetWorker(client, keys, 'a/1' as WorkerId, 'drained');
      await workerGone(client, keys, { worker: 'b/1', incarnation: 'i' });
    }
    // Nobody saw this one end: it is silent.
    await client.zadd(keys.workers, '1000', 'c/1');
    await report(client, keys, 'd/1');
    await report(client, keys, 'd/1');
    expect(await log(client, keys)).toEqual([
      ...['a/1 joined', 'b/1 joined', 'c/1 joined'],
      ...['a/1 drained', 'b/1 died', 'c/1 died'],
    ]);
  });

  it('calls nobody dead when nobody could report, because Redis was away', async () => {
    const { client, keys } = bare();
    for (const name of ['a/1', 'b/1']) await report(client, keys, name, true);
    await client.zadd(keys.workers, '1000', 'a/1', '1000', 'b/1');
    for (const name of ['a/1', 'b/1']) await report(client, keys, name);
    expect(await log(client, keys)).toEqual(['a/1 joined', 'b/1 joined']);
  });
});

describe('the timeline', () => {
  it('joins what sweeps saw with the history, and tells nothing that nobody saw', async () => {
    const where = place();
    const log = pino({ level: 'silent' });
    const own = redis.server.client() as RedisClient;
    const keeper = keepMinutes(own, createKeys(where.prefix), TIMINGS.renewEveryMs * 2 + 500, log);
    const world = await startOneWorker({
      ...where,
      ids: [id, 'conn-b'],
      hold: healthyHold,
      onSight: (sight) => keeper.saw(sight),
    });
    await using web = await startWebBench(where);
    await expect
      .poll(async () => (await world.status()).connections.map(({ state }) => state), within)
      .toEqual(['live', 'live']);
    await web.client.hset(web.keys.connection(id).counters, 'gaps', '1');
    const gap = {
      kind: 'gap',
      eventId: null,
      conversation: null,
      sender: null,
      text: 'events are "missing"',
      attachments: [],
      platformAt: null,
      receivedAt: 1,
      reply: null,
      raw: 'raw\nof many lines',
    } as const;
    await web.client.xadd(web.keys.connection(id).records, '*', 'kind', 'malformed', 'entry', 'x');
    await web.client.xadd(
      web.keys.connection(id).records,
      '*',
      'kind',
      'gap',
      'entry',
      encodeEvent(id, gap, null).entry,
    );
    const timeline = async (query = '?hours=1'): Promise<TimelineDocument> => {
      const given = (await web.call(`/api/timeline${query}`)).json();
      expect(timelineSchema.parse(given)).toEqual(given);
      return given;
    };

    await expect.poll(async () => (await timeline()).connections[0]?.spans.at(-1)?.state, within).toBe('live');
    const { at, fromAt, connections } = await timeline();
    expect(connections.map((one) => one.id)).toEqual([id, 'conn-b']);
    expect(connections[0]?.spans[0]).toMatchObject({ from: fromAt, state: 'unknown' });
    expect(connections[0]?.spans.at(-1)?.to).toBe(at);
    const marks = connections[0]?.marks ?? [];
    expect(marks[0]).toMatchObject({ kind: 'identified' });
    expect(marks).toContainEqual({ at: expect.any(String), kind: 'gap', text: 'events are "missing"' });
    expect(connections[0]?.messagesPerMinute).toHaveLength(
      Math.ceil((Date.parse(at) - Date.parse(fromAt)) / MINUTE_MS),
    );
    expect((await timeline('?connection=conn-b')).connections).toHaveLength(1);

    await world[Symbol.asyncDispose]();
    await keeper.close();
    const ring = [...(await ringOf(own, web.keys)).values()];
    expect(ring.reduce((bits, { states }) => bits | states, 0) & LIVE).toBe(LIVE);
    // Nobody watches any more: what is told ends with the last sweep.
    await web.client.hincrby(web.keys.scheduler, 'at', -(UNWATCHED_AFTER_MS + 1_000));
    expect((await timeline()).connections[0]?.spans.at(-1)?.state).toBe('unknown');
  });
});
