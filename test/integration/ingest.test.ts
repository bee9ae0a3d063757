/** The ingest script itself: every answer it can give, and what it leaves in Redis. */
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import type { FencingToken, InboundEvent } from '../../src/model.ts';
import {
  decodeEntry,
  encodeCursor,
  encodeEvent,
  type IngestBatch,
  type IngestItem,
  ingest,
} from '../../src/state/ingest.ts';
import { createKeys, type Keys, laneId } from '../../src/state/keys.ts';
import { MemoryGauge } from '../../src/state/memory-gauge.ts';
import type { RedisClient } from '../../src/state/redis.ts';
import { ALL_SAFEGUARDS } from '../../src/state/safeguards.ts';
import { aside, grantLease, message, QQ } from '../support/inbound.ts';
import { startRedis, useRedis } from '../support/redis.ts';

const redis = useRedis({ aof: false });
const ANN = laneId(QQ, 'c2c:ann');
const BOB = laneId(QQ, 'c2c:bob');

let client: RedisClient;
let keys: Keys;
let token: FencingToken;

beforeEach(async () => {
  client = redis.server.client();
  keys = createKeys(redis.prefix());
  token = await grantLease(client, keys);
});

const at = () => keys.connection(QQ);
const item = (event: InboundEvent, cursor: number | null = null): IngestItem => encodeEvent(QQ, event, cursor);

function batch(items: readonly IngestItem[], change: Partial<IngestBatch> = {}): IngestBatch {
  return {
    connection: QQ,
    token,
    writer: 'w1',
    from: 0,
    startCursor: null,
    items,
    dedupeWindowMs: 3_600_000,
    maxPendingBytes: 1 << 20,
    instanceFull: false,
    safeguards: ALL_SAFEGUARDS,
    ...change,
  };
}

const store = (items: readonly IngestItem[], change: Partial<IngestBatch> = {}) =>
  ingest(client, keys, batch(items, change));
const counter = async (name: string) => Number((await client.hget(at().counters, name)) ?? 0);
const texts = async (lane: string) =>
  (await client.lrange(at().lane(lane), '0', '-1')).map((entry) => decodeEntry(entry).text);

describe('ingest', () => {
  it('stores messages in their lanes with the cursor, and names the lanes that woke', async () => {
    const answer = await store([item(message('1'), 1), item(message('2', 'c2c:bob'), 2), item(message('3'), 3)]);

    expect(answer).toEqual({
      kind: 'stored',
      next: 3,
      items: ['stored', 'stored', 'stored'],
      activations: [
        { lane: ANN, activation: 1 },
        { lane: BOB, activation: 1 },
      ],
    });
    expect(await texts(ANN)).toEqual(['text 1', 'text 3']);
    expect(await texts(BOB)).toEqual(['text 2']);
    expect(await client.hget(at().cursor, 'cursor')).toBe('3');
    expect(await counter('events')).toBe(3);
    expect(await client.zrange(at().activeLanes, '0', '-1')).toEqual(expect.arrayContaining([ANN, BOB]));
  });

  it('keeps the payload as it came and counts its bytes as pending', async () => {
    const event = message('1', 'c2c:ann', { raw: '{"a" : "\\u00e9ü\\n" ,\n "b":1.0}' });
    await store([item(event, 1)]);

    const [entry = ''] = await client.lrange(at().lane(ANN), '0', '-1');
    expect(decodeEntry(entry)).toEqual(event);
    expect(Number(await client.hget(at().cursor, 'bytes'))).toBe(Buffer.byteLength(entry));
  });

  it('does not wake a lane that is awake', async () => {
    await store([item(message('1'), 1)]);
    const answer = await store([item(message('2'), 2)], { from: 1 });
    expect(answer).toMatchObject({ kind: 'stored', activations: [] });
  });

  it('keeps what is no message aside, counts it by kind, and cuts what is too long', async () => {
    const huge = aside('malformed', null);
    const answer = await store([
      item(aside('identified', 'e1'), 1),
      item(aside('gap', null)),
      item(aside('unknown', 'e2')),
      item({ ...huge, raw: 'x'.repeat(70_000) }, 4),
    ]);

    expect(answer).toMatchObject({ kind: 'stored', items: ['aside', 'aside', 'aside', 'aside'], activations: [] });
    const records = await client.xrange(at().records, '-', '+');
    expect(records.map(([, fields]) => fields[1])).toEqual(['identified', 'gap', 'unknown', 'malformed']);
    expect(decodeEntry(records[3]?.[1][3] ?? '').raw).toHaveLength(64 * 1024);
    for (const name of ['identified', 'gaps', 'unknown', 'malformed']) expect(await counter(name), name).toBe(1);
    expect(await client.hget(at().cursor, 'cursor')).toBe('4');
  });

  it('stores a cursor without an event', async () => {
    expect(await store([encodeCursor({ session: 's', seq: 9 })])).toMatchObject({ kind: 'stored', items: ['cursor'] });
    expect(await client.hget(at().cursor, 'cursor')).toBe('{"session":"s","seq":9}');
  });

  it('leaves the cursor as it is when an event brings none', async () => {
    await store([item(message('1'), 1)]);
    await store([item(message('2'))], { from: 1 });
    expect(await client.hget(at().cursor, 'cursor')).toBe('1');
  });

  it('refuses a stale fencing token, changes nothing and counts it', async () => {
    await store([item(message('1'), 1)]);
    await grantLease(client, keys);

    expect(await store([item(message('2'), 2)], { from: 1 })).toEqual({ kind: 'fenced' });
    expect(await texts(ANN)).toEqual(['text 1']);
    expect(await client.hget(at().cursor, 'cursor')).toBe('1');
    expect(await counter('staleWrites')).toBe(1);
  });

  it('refuses a batch when the one before it is missing', async () => {
    await store([item(message('1'), 1)]);
    expect(await store([item(message('3'), 3)], { from: 2 })).toEqual({ kind: 'gap' });
    expect(await texts(ANN)).toEqual(['text 1']);
  });

  it('refuses a new writer that starts from another cursor than the stored one', async () => {
    await store([item(message('1'), 1)]);
    expect(await store([item(message('2'), 2)], { writer: 'w2', startCursor: 7 })).toEqual({ kind: 'gap' });
    expect(await store([item(message('2'), 2)], { writer: 'w2', startCursor: 1 })).toMatchObject({ kind: 'stored' });
  });

  it('lets a writer begin whose stored cursor could not be read', async () => {
    await client.hset(at().cursor, 'cursor', '{no json');
    expect(await store([item(message('2'), 2)])).toMatchObject({ kind: 'stored' });
  });

  it('answers "already" to a batch that is sent again, and names the lanes that wait', async () => {
    const items = [item(message('1'), 1), item(aside('gap', null), 2)];
    await store(items);
    expect(await store(items)).toEqual({
      kind: 'already',
      next: 2,
      items: [],
      activations: [{ lane: ANN, activation: 1 }],
    });
    expect(await texts(ANN)).toEqual(['text 1']);
    expect(await client.xlen(at().records), 'events without an id are not doubled either').toBe(1);
  });

  it('adds only what is missing of a batch that was stored in part', async () => {
    await store([item(message('1'), 1)]);
    const answer = await store([item(message('1'), 1), item(aside('gap', null), 2), item(message('3'), 3)]);
    expect(answer).toMatchObject({ kind: 'stored', next: 3, items: ['aside', 'stored'] });
    expect(await texts(ANN)).toEqual(['text 1', 'text 3']);
  });

  it('cuts a batch at the first message beyond the limit and stores the prefix with its own cursor', async () => {
    const first = item(message('1'), 1);
    const limit = Buffer.byteLength(first.entry) + 1;
    const items = [
      first,
      item(aside('system', 'e'), 2),
      item(message('3'), 3),
      item(message('4'), 4),
      item(aside('gap', null), 5),
    ];

    const answer = await store(items, { maxPendingBytes: limit });
    expect(answer).toMatchObject({ kind: 'full', next: 3, items: ['stored', 'aside', 'stored'] });
    expect(await client.hget(at().cursor, 'cursor')).toBe('3');
    expect(await texts(ANN)).toEqual(['text 1', 'text 3']);

    const rest = await store(items.slice(3), { from: 3 });
    expect(rest).toMatchObject({ kind: 'stored', next: 5 });
    expect(await client.hget(at().cursor, 'cursor')).toBe('5');
  });

  it('with the last cursor alone, is cut only where no cursor is missing', async () => {
    const items = [
      item(aside('gap', null)),
      item(message('2'), 2),
      item(message('3'), 3),
      item(message('4')),
      item(message('5'), 5),
    ];
    const limit = Buffer.byteLength(items[1]?.entry ?? '') + 1;
    const cut = await store(items, { cursors: 'last', maxPendingBytes: limit });
    expect(cut).toMatchObject({ kind: 'full', next: 1, items: ['aside'] });
    expect(await client.hget(at().cursor, 'cursor')).toBeNull();
    expect(await texts(ANN)).toEqual([]);

    const rest = items.slice(1);
    const exact = await store(rest, { from: 1, cursors: 'each', maxPendingBytes: limit });
    expect(exact).toMatchObject({ kind: 'full', next: 3, items: ['stored', 'stored'] });
    expect(await client.hget(at().cursor, 'cursor')).toBe('3');

    const whole = await store(rest.slice(2), { from: 3, cursors: 'last' });
    expect(whole).toMatchObject({ kind: 'stored', next: 5, items: ['stored', 'stored'] });
    expect(await client.hget(at().cursor, 'cursor')).toBe('5');
    expect(await texts(ANN)).toEqual(['text 2', 'text 3', 'text 4', 'text 5']);
  });

  it('refuses messages while the instance is full, and still takes duplicates', async () => {
    await store([item(message('1'), 1)]);
    const answer = await store([item(message('1'), 2), item(message('2'), 3)], { from: 1, instanceFull: true });
    expect(answer).toMatchObject({ kind: 'full', next: 2, items: ['duplicate'] });
    expect(await client.hget(at().cursor, 'cursor')).toBe('2');
  });

  it('is refused as a whole when Redis is out of memory (F16: the cursor stays with its events)', async () => {
    await using small = await startRedis({ aof: false, args: ['--maxmemory', '3mb'] });
    const full = small.client();
    const its = createKeys('hf');
    const its_token = await grantLease(full, its);
    const go = (n: number, from: number) =>
      ingest(
        full,
        its,
        batch([item(message(`m${n}`, 'c2c:ann', { raw: 'x'.repeat(100_000) }), n)], {
          from,
          token: its_token,
          maxPendingBytes: 1e9,
        }),
      );
    let stored = 0;
    const fill = async () => {
      for (; stored < 100; stored += 1) await go(stored + 1, stored);
    };
    await expect(fill()).rejects.toThrow(/^OOM/);
    expect(stored).toBeGreaterThan(3);
    expect(await full.hget(its.connection(QQ).cursor, 'cursor')).toBe(String(stored));
    expect(await full.llen(its.connection(QQ).lane(ANN))).toBe(stored);
  });
});

describe('MemoryGauge', () => {
  it('calls Redis full at 80 % of its memory and no longer when there is room, and says both', async () => {
    await using small = await startRedis({ aof: false, args: ['--maxmemory', '8mb'] });
    const filling = small.client();
    const lines: { level: number; event: string }[] = [];
    const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const gauge = new MemoryGauge({ client: filling, log });
    await gauge.look();
    expect(gauge.full).toBe(false);
    await filling.setrange('ballast', 6_000_000, 'x');
    await gauge.look();
    expect(gauge.full).toBe(true);
    await small.kill();
    await small.restart();
    await gauge.look();
    expect(gauge.full).toBe(false);
    expect(lines.map(({ level, event }) => [level, event])).toEqual([
      [50, 'redis.memory'],
      [30, 'redis.memory'],
    ]);
  });
});

describe('dedupe (F17)', () => {
  it('recognises an event that came before, also within one batch and under a new writer', async () => {
    const answer = await store([item(message('1'), 1), item(message('1'), 2)]);
    expect(answer).toMatchObject({ items: ['stored', 'duplicate'] });
    token = await grantLease(client, keys);
    const again = await store([item(message('1'), 3)], { writer: 'w2', startCursor: 2 });
    expect(again).toMatchObject({ kind: 'stored', items: ['duplicate'] });
    expect(await texts(ANN)).toEqual(['text 1']);
    expect(await counter('duplicates')).toBe(2);
    expect(await client.hget(at().cursor, 'cursor')).toBe('3');
  });

  it('remembers ids from one window into the next, and lets them go after two', async () => {
    const dedupeWindowMs = 400;
    const windowOf = async () => {
      const [s, us] = await client.time();
      return Math.floor((Number(s) * 1_000 + Number(us) / 1_000) / dedupeWindowMs);
    };
    const reach = async (window: number) => {
      while ((await windowOf()) < window) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const start = (await windowOf()) + 1;
    await reach(start);
    await store([item(message('1'), 1)], { dedupeWindowMs });
    await reach(start + 1);
    expect(await store([item(message('1'), 2)], { from: 1, dedupeWindowMs })).toMatchObject({ items: ['duplicate'] });
    await reach(start + 3);
    expect(await store([item(message('1'), 3)], { from: 2, dedupeWindowMs })).toMatchObject({ items: ['stored'] });
    expect(await client.keys(`${keys.prefix}*seen*`)).toHaveLength(1);
  });
});

describe('safeguards, one turned off', () => {
  it('dedupe: the same event is stored twice', async () => {
    const safeguards = { ...ALL_SAFEGUARDS, dedupe: false };
    await store([item(message('1'), 1), item(message('1'), 2)], { safeguards });
    expect(await texts(ANN)).toEqual(['text 1', 'text 1']);
  });

  it('cursor: events are stored and the cursor stays behind', async () => {
    const safeguards = { ...ALL_SAFEGUARDS, cursor: false };
    await store([item(message('1'), 1)], { safeguards });
    expect(await store([item(message('2'), 2)], { from: 1, safeguards })).toMatchObject({ kind: 'stored' });
    expect(await client.hget(at().cursor, 'cursor')).toBeNull();
  });

  it('fence: an overtaken holder goes on writing', async () => {
    const safeguards = { ...ALL_SAFEGUARDS, fence: false };
    await grantLease(client, keys);
    expect(await store([item(message('1'), 1)], { safeguards })).toMatchObject({ kind: 'stored' });
    expect(await store([item(message('2'), 2)], { safeguards, writer: 'w2', from: 5 })).toMatchObject({
      kind: 'stored',
    });
  });
});
