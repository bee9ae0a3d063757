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
import { beginTurn, commitTurn } from '../../src/state/lanes.ts';
import { MemoryGauge } from '../../src/state/memory-gauge.ts';
import { openRedis, type RedisClient } from '../../src/state/redis.ts';
import { ALL_SAFEGUARDS } from '../../src/state/safeguards.ts';
import { aside, grantLease, message, QQ, quiet, wantConnection } from '../support/inbound.ts';
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

describe('one person who floods a group (M1)', () => {
  const GROUP = 'group:g';
  const REF = { connection: QQ, lane: laneId(QQ, GROUP) };
  const ROOM = { maxLaneMessages: 100, maxLaneBytes: 400_000 };
  const LARGE = { text: 'x'.repeat(20_000) };
  const lane = () => keys.connection(QQ).lane(REF.lane);
  const state = () => keys.connection(QQ).laneState(REF.lane);
  let count = 0;

  function says(who: string, times: number, change: object = {}) {
    return Array.from({ length: times }, () => {
      count += 1;
      const sender = { id: who, name: null };
      return message(`said-${count}`, GROUP, { group: true, sender, text: 'x'.repeat(2_000), ...change });
    });
  }

  /** Each by itself, as the pump sends them while nothing waits. @returns how many were stored; the others are busy */
  async function stored(who: string, times: number, change: object = {}): Promise<number> {
    let taken = 0;
    for (const one of says(who, times, change)) {
      const [answer] = (await take([one], ROOM)).items;
      expect(answer).toMatch(/^(stored|busy)$/);
      if (answer === 'stored') taken += 1;
    }
    return taken;
  }

  /** The agent answers the oldest ones. */
  async function answer(maxMessages: number): Promise<void> {
    count += 1;
    const activation = Number(await client.hget(state(), 'activation'));
    const options = { activation, runner: `r${count}`, turnId: `t${count}`, maxMessages, historyEntries: 0 };
    const turn = await beginTurn(client, keys, REF, options);
    if (turn.kind !== 'turn') throw new Error(turn.kind);
    const nothing = { history: [], parts: [], letters: [], used: new Map() };
    const limits = { historyEntries: 0, historyMs: 1_000, replyMemoryMs: 60_000 };
    expect(await commitTurn(client, keys, REF, turn, nothing, limits, ALL_SAFEGUARDS)).toMatchObject({ kind: 'done' });
  }

  /** As 3730bde does it: it knows of no persons. */
  async function answerAsBefore(messages: number): Promise<void> {
    count += 1;
    await client.ltrim(lane(), messages, -1);
    await client.hset(state(), 'doneTurn', `t${count}`);
  }

  async function calls(command: string): Promise<number> {
    const found = new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await client.info('commandstats'));
    return Number(found?.[1] ?? 0);
  }

  /** People are counted anew when a twentieth of the room was taken. */
  function expectAbout(taken: number, share: number): void {
    expect(taken).toBeGreaterThanOrEqual(share);
    expect(taken).toBeLessThanOrEqual(share + ROOM.maxLaneMessages / 20);
  }

  beforeEach(() => wantConnection(client, keys));

  it('has no more than a quarter of its room once half is taken; others of the group are stored', async () => {
    expect(await stored('hog', 80)).toBe(50);
    expect(await stored('ann', 10)).toBe(10);
    expect(await stored('bob', 40)).toBe(25);
    expect(await stored('hog', 3)).toBe(0);
    expect(await stored('ann', 30)).toBe(15);
    expect(await stored('cid', 1)).toBe(0);
    expect(await client.llen(lane())).toBe(100);
    const busy = 30 + 15 + 3 + 15 + 1;
    expect(await client.hget(keys.connection(QQ).counters, 'busy')).toBe(String(busy));
    expect(await client.xlen(keys.connection(QQ).records)).toBe(busy);
    expect((await take(flood('group:other', 0, 1), ROOM)).items).toEqual(['stored']);
  });

  it('has no more than its quarter within one batch either, whoever else is in it', async () => {
    expect(await stored('hog', 50)).toBe(50);
    const mixed = Array.from({ length: 30 }, () => [...says('hog', 1), ...says('eve', 1), ...says('ann', 1)]).flat();
    const letters = (await take(mixed.slice(0, 72), ROOM)).items;
    const of = (n: number) => letters.filter((_, index) => index % 3 === n && letters[index] === 'stored').length;
    expect([of(0), of(1), of(2)]).toEqual([0, 24, 24]);
    const more = (await take(says('eve', 7), ROOM)).items.indexOf('busy');
    expect(more, 'a twentieth of the room at most beyond a quarter').toBeLessThanOrEqual(6);
    expect(more).toBeGreaterThanOrEqual(1);
  });

  it('is bounded in the bytes of large messages as well, and may go on with small ones', async () => {
    expect(await stored('hog', 20, LARGE)).toBe(10);
    expect(await stored('ann', 9, LARGE)).toBe(5);
    expect(await stored('hog', 3, LARGE)).toBe(0);
    expect(await stored('bob', 3, LARGE)).toBe(3);
    expect(await stored('hog', 3)).toBe(3);
  });

  it('is served again when the group has answers, also when an earlier version gives them', async () => {
    expect(await stored('hog', 60)).toBe(50);
    expect(await stored('ann', 10)).toBe(10);
    await answer(10);
    expect(await stored('hog', 2)).toBe(0);
    await answerAsBefore(20);
    // Half of it is free, so nobody is counted.
    expect(await stored('hog', 30)).toBe(20);
    expect(await stored('bob', 20)).toBe(20);
    await answerAsBefore(15);
    expect(await stored('hog', 30), 'five of the old ones wait, and all of the new ones').toBe(0);
    await answerAsBefore(5);
    expectAbout(await stored('hog', 30), 5);
  });

  it('costs no command while half of the room is free, and one look when the group is crowded', async () => {
    const before = [await calls('lrange'), await calls('llen')];
    expect(await stored('hog', 49)).toBe(49);
    expect([await calls('lrange'), await calls('llen')]).toEqual(before);
    expect(await client.hexists(state(), 'hogs')).toBe(0);
    await stored('hog', 1);
    const refused = await calls('lrange');
    expect(await stored('hog', 40)).toBe(0);
    expect(await calls('lrange')).toBe(refused + 1);
  });

  it('is noted by a digest, and no longer once the group is answered', async () => {
    await stored('hog', 60);
    expect(await client.hget(state(), 'hogs')).toMatch(/^50:0:0( n[\w-]{8})$/);
    await client.hset(state(), 'hogs', 'no note of ours');
    expect(await stored('hog', 1)).toBe(0);
    expect(await client.hget(state(), 'hogs')).toMatch(/^50:0:0( n[\w-]{8})$/);
    await answer(10);
    await stored('ann', 1);
    expect(await client.hexists(state(), 'hogs'), 'dropped where nobody is counted').toBe(0);
    await stored('ann', 20);
    expect(await client.hexists(state(), 'hogs')).toBe(1);
    await answer(100);
    expect(await client.hexists(state(), 'hogs'), 'dropped with the last message').toBe(0);
    await stored('hog', 60);
    await answerAsBefore(100);
    await client.hset(state(), 'active', '0');
    expect(await client.hexists(state(), 'hogs'), 'left by an earlier version').toBe(1);
    await stored('ann', 1);
    expect(await client.hexists(state(), 'hogs'), 'dropped when the lane wakes').toBe(0);
  });

  it('is served again after ten turns, although others take what they free', async () => {
    expect(await stored('hog', 50)).toBe(50);
    await stored('hog', 1);
    for (let turn = 0; turn < 10; turn += 1) {
      await answer(4);
      expect(await stored(`person ${turn}`, 4)).toBe(4);
    }
    expectAbout(await stored('hog', 30), 15);
  });

  it('leaves little behind, however many people write', async () => {
    const room = { maxLaneMessages: 1_000 };
    for (let from = 0; from < 3_000; from += 100) {
      const all = Array.from({ length: 100 }, (_, n) => says(`person ${from + n}`, 1)).flat();
      await take(all, room);
      if (from % 500 === 400) await answerAsBefore(100);
    }
    expect((await client.hget(state(), 'hogs'))?.length).toBeLessThan(100);
    expect(await client.hlen(state())).toBeLessThan(12);
  });

  it('is refused once when its batch is sent again', async () => {
    await stored('hog', 50);
    const batch = says('hog', 3);
    const from = next;
    expect((await take(batch, ROOM)).items).toEqual(['busy', 'busy', 'busy']);
    expect(await take(batch, { ...ROOM, from })).toMatchObject({ kind: 'already', items: [] });
    expect(await client.hget(keys.connection(QQ).counters, 'busy')).toBe('3');
  });

  it.each([
    ['messages', 80, {}],
    ['bytes', 18, LARGE],
  ])('has its part in %s also when one batch takes a group from empty to crowded', async (_, times, change) => {
    await client.hset(keys.connection(QQ).cursor, 'crowded', '1', 'bytes', 200_000);
    const { items } = await take([...says('hog', times, change), ...says('ann', 1, change)], ROOM);
    expect(items.filter((item) => item === 'stored')).toHaveLength(times === 80 ? 51 : 11);
    expect(items.at(-1)).toBe('stored');
    expect(await stored('hog', 3, change)).toBe(0);
  });

  it('keeps all of the room where it is alone, in a private chat', async () => {
    const alone = flood('c2c:hog', 0, 120, { text: 'x'.repeat(2_000) });
    let taken = 0;
    for (const one of alone) taken += (await take([one], ROOM)).items[0] === 'stored' ? 1 : 0;
    expect(taken).toBe(100);
  });

  it('is not counted by what earlier versions stored, which say of nobody who wrote it', async () => {
    const unnamed = Array.from({ length: 60 }, () => says('hog', 1, { group: undefined })).flat();
    await take(unnamed, ROOM);
    expect(await stored('hog', 30)).toBe(25);
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
