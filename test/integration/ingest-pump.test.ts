/** The inbound pump against real Redis, with the wire between them broken in the ways that leave outcomes unknown. */
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FencedError } from '../../src/errors.ts';
import type { FencingToken } from '../../src/model.ts';
import { decodeEntry } from '../../src/state/ingest.ts';
import { createKeys, type Keys, laneId } from '../../src/state/keys.ts';
import type { LaneQueue } from '../../src/state/lane-jobs.ts';
import { openRedis, type RedisClient } from '../../src/state/redis.ts';
import { createInboundPump, type InboundPump, type InboundPumpOptions } from '../../src/workers/inbound-pump.ts';
import { aside, grantLease, message, QQ, quiet } from '../support/inbound.ts';
import { startRedis, useRedis } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';

const redis = useRedis({ aof: false });
const ANN = laneId(QQ, 'c2c:ann');
const soon = { timeout: 10_000, interval: 10 };
const inTime = () => ({ signal: AbortSignal.timeout(15_000) });

let client: RedisClient;
let keys: Keys;
let token: FencingToken;
const opened: { stop(reason: Error): void; disconnect?: () => void }[] = [];

beforeEach(async () => {
  client = redis.server.client();
  keys = createKeys(redis.prefix());
  token = await grantLease(client, keys);
});
afterEach(() => {
  for (const one of opened.splice(0)) one.stop(new Error('the test is over'));
});

/** A fenced client of its own, as the worker's. */
function fencedClient(url?: string): RedisClient {
  const fenced = openRedis(url === undefined ? { path: redis.server.path } : { url }, 'fenced', 'test', () => {});
  opened.push({ stop: () => fenced.disconnect() });
  return fenced;
}

async function ready(fenced: RedisClient): Promise<RedisClient> {
  await vi.waitFor(() => expect(fenced.status).toBe('ready'), soon);
  return fenced;
}

interface Jobs extends LaneQueue {
  readonly ids: string[];
}

function recordJobs(): Jobs {
  const ids: string[] = [];
  return { ids, addBulk: async (jobs) => void ids.push(...jobs.map(({ opts }) => opts.jobId)) };
}

function startPump(fenced: RedisClient, change: Partial<InboundPumpOptions> = {}): InboundPump {
  const pump = createInboundPump({
    connection: QQ,
    token,
    cursor: null,
    redis: fenced,
    keys,
    turns: recordJobs(),
    log: quiet,
    dedupeWindowMs: 3_600_000,
    assertHeld: () => {},
    onFenced: () => {},
    ...change,
  });
  opened.push(pump);
  return pump;
}

const stored = async (lane = ANN) =>
  (await client.lrange(keys.connection(QQ).lane(lane), '0', '-1')).map((entry) => decodeEntry(entry).eventId);
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => String(from + index));

describe('InboundPump', () => {
  it('stores what is pushed in order, group by group, and wakes each lane once', async () => {
    const turns = recordJobs();
    const pump = startPump(await ready(fencedClient()), { turns });
    for (let i = 1; i <= 1_000; i += 1) pump.push([message(`${i}`, i % 2 === 0 ? 'c2c:ann' : 'c2c:bob')], i);
    await pump.flush(inTime());
    await pump.jobsAdded();

    expect(await stored()).toEqual(numbers(1, 1_000).filter((id) => Number(id) % 2 === 0));
    expect(pump.storedCursor).toBe(1_000);
    expect(await client.hget(keys.connection(QQ).cursor, 'cursor')).toBe('1000');
    expect(turns.ids.sort()).toEqual([`lane-${ANN}-1`, `lane-${laneId(QQ, 'c2c:bob')}-1`].sort());
  });

  it('says how long events waited until they were stored, known ones included, and a cursor alone is none', async () => {
    const waits: { readonly lagMs: number; readonly events: number }[] = [];
    const pump = startPump(await ready(fencedClient()), { onStored: (lagMs, events) => waits.push({ lagMs, events }) });
    pump.push([message('1'), message('2')], 2);
    pump.push([message('2')], 3);
    await pump.flush(inTime());
    pump.push([], 4);
    await pump.flush(inTime());
    expect(waits.reduce((sum, { events }) => sum + events, 0)).toBe(3);
    for (const { lagMs } of waits) expect(lagMs).toBeGreaterThan(0);

    redis.server.freeze();
    pump.push([message('3')], 5);
    await wait(300);
    redis.server.thaw();
    await pump.flush(inTime());
    expect(waits.at(-1)?.lagMs).toBeGreaterThanOrEqual(290);
    expect(waits.at(-1)?.events).toBe(1);
  });

  it('stores several events of one push with the one cursor that covers them, and a cursor alone', async () => {
    const pump = startPump(await ready(fencedClient()));
    pump.push([message('1'), aside('system', 's'), message('2')], { seq: 3 });
    pump.push([], { seq: 4 });
    pump.push([message('3')], null);
    await pump.flush(inTime());
    expect(await stored()).toEqual(['1', '2', '3']);
    expect(pump.storedCursor).toEqual({ seq: 4 });
  });

  it('has two batches in flight, and a lost first one is not skipped', async () => {
    await using wire = await RedisProxy.start(redis.server.path);
    const pump = startPump(await ready(fencedClient(wire.url)));
    pump.push([message('0')], 0);
    await pump.flush(inTime());

    wire.swallowCommands();
    pump.push([message('1')], 1);
    await Promise.resolve();
    pump.push([message('2')], 2);
    await vi.waitFor(() => expect(wire.commands).toBeGreaterThan(0), soon);
    wire.heal();
    await pump.flush(inTime());

    expect(await stored()).toEqual(['0', '1', '2']);
    expect(pump.storedCursor).toBe(2);
  });

  it('sends again after a lost answer and stores nothing twice, not even without an id (F16, F17)', async () => {
    await using wire = await RedisProxy.start(redis.server.path);
    const turns = recordJobs();
    const pump = startPump(await ready(fencedClient(wire.url)), { turns });
    pump.push([message('1')], 1);
    await pump.flush(inTime());

    wire.swallowAnswers();
    pump.push([message('2', 'c2c:bob'), aside('gap', null)], 2);
    await vi.waitFor(async () => expect(await stored(laneId(QQ, 'c2c:bob'))).toEqual(['2']), soon);
    expect(pump.storedCursor, 'not acknowledged before Redis said so').toBe(1);
    wire.heal();
    await pump.flush(inTime());
    await pump.jobsAdded();

    expect(await stored(laneId(QQ, 'c2c:bob'))).toEqual(['2']);
    expect(await client.xlen(keys.connection(QQ).records)).toBe(1);
    expect(pump.storedCursor).toBe(2);
    expect(turns.ids, 'the lane whose answer was lost is woken all the same').toContain(
      `lane-${laneId(QQ, 'c2c:bob')}-1`,
    );
  });

  it('keeps everything, in order and once, over a frozen and then a killed Redis', async () => {
    await using server = await startRedis();
    const direct = server.client();
    token = await grantLease(direct, keys);
    const fenced = openRedis({ path: server.path }, 'fenced', 'test', () => {});
    opened.push({ stop: () => fenced.disconnect() });
    const full: boolean[] = [];
    const pump = startPump(await ready(fenced));
    pump.onFullChange((is) => full.push(is));

    let n = 0;
    const trickle = async (count: number) => {
      for (let i = 0; i < count; i += 1) {
        n += 1;
        pump.push([message(String(n))], n);
        await wait(1);
      }
    };
    await trickle(50);
    server.freeze();
    await trickle(50);
    await vi.waitFor(() => expect(pump.full).toBe(true), soon);
    server.thaw();
    await trickle(50);
    await pump.flush(inTime());
    await server.kill();
    await trickle(50);
    await vi.waitFor(() => expect(pump.trouble?.reason).toMatch(/Redis/), soon);
    await server.restart();
    await trickle(50);
    await pump.flush(inTime());

    const entries = await direct.lrange(keys.connection(QQ).lane(ANN), '0', '-1');
    expect(entries.map((entry) => decodeEntry(entry).eventId)).toEqual(numbers(1, 250));
    expect(pump.trouble).toBeNull();
    expect(full.at(-1), 'reading goes on').toBe(false);
  });

  it('is full when its memory is, and reads on once half of it is stored', async () => {
    await using wire = await RedisProxy.start(redis.server.path);
    const pump = startPump(await ready(fencedClient(wire.url)), { limits: { maxEvents: 10 } });
    wire.swallowCommands();
    for (const id of numbers(1, 9)) pump.push([message(id)], Number(id));
    expect(pump.full).toBe(false);
    pump.push([message('10')], 10);
    expect(pump.full).toBe(true);
    wire.heal();
    await pump.flush(inTime());
    expect(pump.full).toBe(false);
    expect(await stored()).toEqual(numbers(1, 10));
  });

  it('stays full while too much waits for the agent, and goes on by itself when there is room', async () => {
    const pump = startPump(await ready(fencedClient()), { limits: { maxPendingBytes: 1_000 } });
    const changes: boolean[] = [];
    pump.onFullChange((is) => changes.push(is));
    for (const id of numbers(1, 20)) pump.push([message(id)], Number(id));
    await vi.waitFor(() => expect(pump.full).toBe(true), soon);
    // What fits is stored with the first retry, which has the cursor of each message with it.
    await vi.waitFor(() => expect(pump.storedCursor).not.toBeNull(), soon);
    const before = (await stored()).length;
    expect(before).toBeLessThan(20);
    expect(pump.storedCursor).toBe(before);

    const drained: (string | null)[] = [];
    while (drained.length < 20) {
      const entry = await client.lpop(keys.connection(QQ).lane(ANN));
      if (entry === null) await wait(5);
      else {
        drained.push(decodeEntry(entry).eventId);
        await client.hincrby(keys.connection(QQ).cursor, 'bytes', -Buffer.byteLength(entry));
      }
    }
    await pump.flush(inTime());
    expect(drained).toEqual(numbers(1, 20));
    expect(changes.at(-1)).toBe(false);
  });

  it('holds messages back while Redis as a whole is short of memory', async () => {
    let short = true;
    const pump = startPump(await ready(fencedClient()), { instanceFull: () => short });
    pump.push([message('1')], 1);
    await vi.waitFor(() => expect(pump.full).toBe(true), soon);
    expect(await stored()).toEqual([]);
    short = false;
    await pump.flush(inTime());
    expect(await stored()).toEqual(['1']);
  });

  it('stops when it is overtaken, says so once, and stores nothing more', async () => {
    const fences: FencedError[] = [];
    const pump = startPump(await ready(fencedClient()), { onFenced: (error) => fences.push(error) });
    pump.push([message('1')], 1);
    await pump.flush(inTime());
    await grantLease(client, keys);
    pump.push([message('2')], 2);
    pump.push([message('3')], 3);
    await expect(pump.flush(inTime())).rejects.toThrow(FencedError);
    pump.push([message('4')], 4);

    expect(fences).toHaveLength(1);
    expect(await stored()).toEqual(['1']);
    expect(await client.hget(keys.connection(QQ).cursor, 'cursor')).toBe('1');
  });

  it('sends nothing once the holder no longer trusts its lease', async () => {
    const fences: FencedError[] = [];
    let held = true;
    const pump = startPump(await ready(fencedClient()), {
      assertHeld: () => {
        if (!held) throw new FencedError('the lease may have run out');
      },
      onFenced: (error) => fences.push(error),
    });
    pump.push([message('1')], 1);
    await pump.flush(inTime());
    held = false;
    pump.push([message('2')], 2);
    await expect(pump.flush(inTime())).rejects.toThrow('the lease may have run out');
    expect(fences).toHaveLength(1);
    expect(await stored()).toEqual(['1']);
  });

  it('stands down when Redis no longer has what it had acknowledged', async () => {
    const fences: FencedError[] = [];
    const pump = startPump(await ready(fencedClient()), { onFenced: (error) => fences.push(error) });
    pump.push([message('1')], 1);
    await pump.flush(inTime());
    // As after a power loss with everysec: the last second is gone.
    await client.del(keys.connection(QQ).cursor);
    pump.push([message('2')], 2);
    await expect(pump.flush(inTime())).rejects.toThrow(/no longer has/);
    expect(fences).toHaveLength(1);
    expect(await stored()).toEqual(['1']);
  });

  it('gives up a flush when its signal aborts, and stores the events all the same', async () => {
    await using wire = await RedisProxy.start(redis.server.path);
    const pump = startPump(await ready(fencedClient(wire.url)));
    wire.swallowCommands();
    pump.push([message('1')], 1);
    const reason = new Error('no patience');
    await expect(pump.flush({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const late = new AbortController();
    const flushing = pump.flush({ signal: late.signal });
    late.abort(reason);
    await expect(flushing).rejects.toBe(reason);
    wire.heal();
    await pump.flush(inTime());
    expect(await stored()).toEqual(['1']);
  });

  it('goes on when the turn job cannot be added: the sweep adds it', async () => {
    const turns: LaneQueue = { addBulk: () => Promise.reject(new Error('BullMQ is away')) };
    const pump = startPump(await ready(fencedClient()), { turns });
    pump.push([message('1')], 1);
    await pump.flush(inTime());
    await pump.jobsAdded();
    expect(await client.zcard(keys.connection(QQ).activeLanes)).toBe(1);
  });
});
