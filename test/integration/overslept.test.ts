/** Delayed jobs and wall clocks that disagree: what the sweep does about them, on a real BullMQ. */
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { type SeenAsleep, wakeOverslept } from '../../src/scheduler/overslept.ts';
import { createKeys } from '../../src/state/keys.ts';
import { type LaneJobData, openQueue } from '../../src/state/queues.ts';
import { useRedis } from '../support/redis.ts';

const redis = useRedis({ aof: false });
const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()));
});

/** One job that was to sleep for `delayMs`, by a clock that is `aheadMs` ahead. */
async function place(delayMs: number, aheadMs: number) {
  const keys = createKeys(redis.prefix());
  const queue = openQueue<LaneJobData>('deliveries', keys, { path: redis.server.path }, () => {});
  opened.push(queue);
  const data = { connectionId: 'a', lane: 'l', activation: 1 };
  await queue.add('delivery', data, { jobId: 'out-l-1', delay: delayMs });
  const client = redis.server.client();
  await client.zincrby(queue.toKey('delayed'), aheadMs * 0x1000, 'out-l-1');
  let seen: SeenAsleep = new Map();
  const look = async (now: number) => {
    seen = await wakeOverslept({ client, queues: [queue], log: pino({ level: 'silent' }) }, seen, now);
    return (await queue.getJob('out-l-1'))?.getState();
  };
  return { client, queue, look };
}

describe('a delayed job', () => {
  it('is woken when its own delay has long passed and only a clock says otherwise', async () => {
    const { look } = await place(500, 3_600_000);
    expect(await look(10_000)).toBe('delayed');
    expect(await look(12_400)).toBe('delayed');
    expect(await look(12_600)).toBe('waiting');
  });

  it('sleeps on while its delay lasts', async () => {
    const { look } = await place(60_000, 0);
    expect(await look(10_000)).toBe('delayed');
    expect(await look(71_000)).toBe('delayed');
    expect(await look(72_100)).toBe('waiting');
  });

  it('begins anew when it was put back meanwhile', async () => {
    const { client, queue, look } = await place(500, 3_600_000);
    await look(10_000);
    await client.zincrby(queue.toKey('delayed'), 0x1000, 'out-l-1');
    expect(await look(20_000)).toBe('delayed');
    expect(await look(22_600)).toBe('waiting');
  });
});
