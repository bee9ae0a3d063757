import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { connectionId } from '../../src/model.ts';
import { type BucketLimit, pauseBuckets } from '../../src/state/buckets.ts';
import { createKeys } from '../../src/state/keys.ts';
import { Outbox } from '../../src/state/outbox.ts';
import { useRedis } from '../support/redis.ts';

const redis = useRedis({ aof: false });
const id = connectionId('a');

function place() {
  const keys = createKeys(redis.prefix());
  const client = redis.server.client();
  let attempts = 0;
  /** @returns 0 when the permits were taken, else how long to wait, ms */
  const take = async (lane: string, buckets: readonly BucketLimit[], deadlineAt = Date.now() + 60_000) => {
    // Whose turn it is to deliver is another matter: the fence is off.
    const outbox = new Outbox(client, keys, { connectionId: id, lane, activation: 1 }, false);
    attempts += 1;
    const started = await outbox.start({ deliveryToken: '1' }, `attempt-${attempts}`, buckets, deadlineAt);
    return started.kind === 'wait' ? started.ms : 0;
  };
  const pause = (bucket: string, ms: number) =>
    pauseBuckets(client, keys, id, 'lane', { bucket, wider: null, ms, told: true }, 'test');
  return { keys, client, take, pause };
}

const slow = { key: 'slow', count: 2, windowMs: 60_000 };

describe('send buckets', () => {
  it('never give more than their count within a window to many who ask at once', async () => {
    const { take } = place();
    const asked = Array.from({ length: 30 }, (_, n) => take(`lane-${n}`, [{ key: 'b', count: 10, windowMs: 60_000 }]));
    expect((await Promise.all(asked)).filter((ms) => ms === 0)).toHaveLength(10);
  });

  it('give one permit to an attempt that is asked for twice because its answer was lost', async () => {
    const { client, keys } = place();
    const outbox = new Outbox(client, keys, { connectionId: id, lane: 'a', activation: 1 }, false);
    const start = (attempt: string) => outbox.start({ deliveryToken: '1' }, attempt, [slow], Date.now() + 60_000);
    expect([await start('one'), await start('one'), await start('two')].map(({ kind }) => kind)).toEqual([
      'started',
      'started',
      'started',
    ]);
    expect((await start('three')).kind).toBe('wait');
    expect(await client.hget(keys.connection(id).outboxState('a'), 'attempts')).toBe('2');
  });

  it('take from all buckets of a part or from none', async () => {
    const { take } = place();
    const wide = { key: 'wide', count: 3, windowMs: 60_000 };
    expect(await take('a', [slow, wide])).toBe(0);
    expect(await take('b', [slow, wide])).toBe(0);
    expect(await take('c', [slow, wide])).toBeGreaterThan(0);
    // The third permit of the wide one is still there.
    expect(await take('d', [wide])).toBe(0);
    expect(await take('e', [wide])).toBeGreaterThan(0);
  });

  it('spread those who wait over the windows to come', async () => {
    const { take } = place();
    const deadline = Date.now() + 600_000;
    const waits: number[] = [];
    for (let n = 0; n < 6; n += 1) waits.push(await take(`lane-${n}`, [slow], deadline + n));
    expect(waits.map((ms) => Math.ceil(ms / 60_000))).toEqual([0, 0, 1, 1, 2, 2]);
  });

  it('give a freed permit to the waiting lane whose deadline is nearest', async () => {
    const { take } = place();
    const one = { key: 'one', count: 1, windowMs: 300 };
    const now = Date.now();
    expect(await take('first', [one])).toBe(0);
    expect(await take('patient', [one], now + 60_000)).toBeGreaterThan(0);
    const urgentMs = await take('urgent', [one], now + 10_000);
    expect(urgentMs).toBeGreaterThan(0);
    expect(urgentMs).toBeLessThanOrEqual(300);
    await wait(urgentMs + 5);
    expect(await take('patient', [one], now + 60_000)).toBeGreaterThan(0);
    expect(await take('urgent', [one], now + 10_000)).toBe(0);
  });

  it('pause exactly the one named, and keep the longer of two pauses', async () => {
    const { take, pause } = place();
    const other = { key: 'other', count: 5, windowMs: 1_000 };
    const named = { key: 'named', count: 5, windowMs: 1_000 };
    await pause('named', 30_000);
    await pause('named', 1_000);
    expect(await take('a', [other])).toBe(0);
    const waitMs = await take('b', [named, other]);
    expect(waitMs).toBeGreaterThan(25_000);
    expect(waitMs).toBeLessThanOrEqual(30_000);
  });

  it('do not wake all who waited for a pause to end at the same instant', async () => {
    const { take, pause } = place();
    await pause('slow', 1_000);
    const waits: number[] = [];
    for (let n = 0; n < 4; n += 1) waits.push(await take(`lane-${n}`, [slow], Date.now() + 100_000 + n));
    expect(waits.map((ms) => Math.floor(ms / 10_000))).toEqual([0, 0, 6, 6]);
  });

  it('leave no keys behind once their windows are over', async () => {
    const { take, client, keys } = place();
    const quick = { key: 'quick', count: 1, windowMs: 50 };
    expect(await take('a', [quick])).toBe(0);
    await take('b', [quick]);
    const ttls = await Promise.all((await client.keys(`${keys.prefix}:*:bucket:*`)).map((key) => client.pttl(key)));
    expect(ttls.length).toBeGreaterThan(0);
    for (const ttl of ttls) expect(ttl).toBeGreaterThanOrEqual(0);
  });
});
