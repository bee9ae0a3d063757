/** What may be kept, against a real Redis: one hog waits alone, junk makes room, and a full Redis drains by itself. */
import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectionId } from '../../src/model.ts';
import { keepRoom } from '../../src/run/keep-room.ts';
import { encodeEvent, ingest } from '../../src/state/ingest.ts';
import { keepWithin } from '../../src/state/keep-within.ts';
import { LANE_BYTES, LANE_MESSAGES, TRIMMED } from '../../src/state/kept.ts';
import { createKeys, type Keys, laneId } from '../../src/state/keys.ts';
import { MemoryGauge } from '../../src/state/memory-gauge.ts';
import { openRedis, type RedisClient } from '../../src/state/redis.ts';
import { ALL_SAFEGUARDS } from '../../src/state/safeguards.ts';
import { aside, grantLease, message, QQ, quiet } from '../support/inbound.ts';
import { startRedis, useRedis } from '../support/redis.ts';
import { waitUntil } from '../support/wait-until.ts';

const redis = useRedis();
let client: RedisClient;
let keys: Keys;
let token: Awaited<ReturnType<typeof grantLease>>;
let next: number;

async function open(path: string) {
  client = openRedis({ path }, 'queue', 'test', () => undefined);
  keys = createKeys(redis.prefix());
  token = await grantLease(client, keys);
  next = 0;
}
beforeEach(() => open(redis.server.path));
afterEach(() => client.disconnect());

async function take(events: readonly ReturnType<typeof message>[], change: object = {}) {
  const answer = await ingest(client, keys, {
    connection: QQ,
    token,
    writer: 'w',
    from: next,
    startCursor: null,
    items: events.map((event, n) => encodeEvent(QQ, event, { n: next + n })),
    dedupeWindowMs: 1_000_000,
    maxPendingBytes: 64 << 20,
    instanceFull: false,
    safeguards: ALL_SAFEGUARDS,
    ...change,
  });
  if (!('items' in answer)) throw new Error(answer.kind);
  next = answer.next;
  return answer;
}
const flood = (who: string, from: number, count: number, change: object = {}) =>
  Array.from({ length: count }, (_, n) => message(`${who}-${from + n}`, who, change));

describe('one conversation that is flooded (M1)', () => {
  it.each([
    ['by many messages', LANE_MESSAGES + 500, {}, LANE_MESSAGES],
    ['by large ones', 12, { text: 'x'.repeat(900_000), raw: '{}' }, Math.ceil(LANE_BYTES / 900_200)],
  ])(
    '%s has its share, and no more; others are stored, nothing is passed over without a record',
    async (_, count, change, most) => {
      let stored = 0;
      // As the pump does it: many small ones at once, large ones each by itself.
      const atOnce = count > 100 ? 100 : 1;
      for (let from = 0; from < count; from += atOnce) {
        const { items } = await take(flood('c2c:hog', from, atOnce, change));
        stored += items.filter((item) => item === 'stored').length;
        expect(items.every((item) => item === 'stored' || item === 'busy')).toBe(true);
      }
      expect(stored).toBe(most);
      expect((await take(flood('c2c:other', 0, 3))).items).toEqual(['stored', 'stored', 'stored']);
      const at = keys.connection(QQ);
      expect(await client.llen(at.lane(laneId(QQ, 'c2c:hog')))).toBe(most);
      expect(Number(await client.hget(at.counters, 'busy'))).toBe(count - most);
      expect(await client.xlen(at.records)).toBeGreaterThanOrEqual(Math.min(900, count - most));
      expect(JSON.parse((await client.hget(at.cursor, 'cursor')) ?? '')).toEqual({ n: next - 1 });
    },
  );

  it('has room again once it is answered', async () => {
    const limits = { maxLaneMessages: 100 };
    await take(flood('c2c:hog', 0, 100, { text: 'x'.repeat(2_000) }), limits);
    expect((await take(flood('c2c:hog', 100, 1), limits)).items).toEqual(['busy']);
    await client.ltrim(keys.connection(QQ).lane(laneId(QQ, 'c2c:hog')), 10, -1);
    expect((await take(flood('c2c:hog', 101, 1), limits)).items).toEqual(['stored']);
  });
});

describe('what is kept aside (M2)', () => {
  it('is bounded in bytes, whatever comes', async () => {
    const junk = aside('malformed', null, 'x'.repeat(2_000));
    for (let n = 0; n < 40; n += 1) {
      await take(Array.from({ length: 10 }, () => ({ ...junk, raw: '\u4e2d'.repeat(64 * 1024) })));
    }
    const size = (await client.memory('USAGE', keys.connection(QQ).records, 'SAMPLES', 0)) ?? 0;
    expect(size).toBeLessThan(10 << 20);
  });

  it('is trimmed to its bytes, oldest first, and only what is too large', async () => {
    const at = keys.connection(QQ);
    for (let n = 0; n < 300; n += 1) await client.xadd(at.deadLetters, '*', 'n', n, 'text', 'x'.repeat(1_000));
    await client.xadd(at.log, '*', 'line', 'x');
    const trimmed = await keepWithin(client, keys, [QQ, connectionId('none')], TRIMMED, ({ key }) =>
      key === 'deadLetters' ? 100_000 : 1_000_000,
    );
    expect(trimmed).toMatchObject([{ connection: QQ, what: 'dead letters' }]);
    expect((await client.memory('USAGE', at.deadLetters)) ?? 0).toBeLessThan(110_000);
    const [[, fields] = ['', []]] = await client.xrevrange(at.deadLetters, '+', '-', 'COUNT', 1);
    expect(fields).toContain('299');
    expect(await client.xlen(at.log)).toBe(1);
  });

  it('makes room when Redis is nearly full, so that messages are stored again', async () => {
    await using small = await startRedis({ args: ['--maxmemory', '24mb'] });
    client.disconnect();
    await open(small.path);
    await client.sadd(keys.connections, QQ);
    const at = keys.connection(QQ);
    const gauge = new MemoryGauge({ client, log: quiet });
    for (let n = 0; !gauge.full; n += 1) {
      await client.xadd(at.records, '*', 'kind', 'malformed', 'entry', 'x'.repeat(60_000));
      if (n % 20 === 0) await gauge.look();
    }
    const stop = new AbortController();
    const lines: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    const keeping = keepRoom({ client, keys, log }, stop.signal);
    await waitUntil('room', async () => {
      await gauge.look();
      return !gauge.full;
    });
    expect((await take(flood('c2c:ann', 0, 3), { instanceFull: gauge.full })).items).toHaveLength(3);
    await waitUntil('it to be told', () => lines.some((line) => line.includes('redis.trimmed')));
    stop.abort();
    await keeping;
    await wait(0);
  });
});
