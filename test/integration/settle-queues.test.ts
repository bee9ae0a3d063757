/** Settings that somebody else wrote into a queue: by BullMQ's own API, by another board, by redis-cli. */
import type { Queue } from 'bullmq';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { createQueueSettler } from '../../src/scheduler/settle-queues.ts';
import { createKeys } from '../../src/state/keys.ts';
import { foreignSettings, QUEUE_NAMES, readQueueChanges, readQueueSettings } from '../../src/state/queue-settings.ts';
import { type LaneJobData, openQueue } from '../../src/state/queues.ts';
import { createLaneWorker, type LaneWorker } from '../../src/workers/lane-worker.ts';
import { useRedis } from '../support/redis.ts';
import { waitUntil } from '../support/wait-until.ts';

const redis = useRedis({ aof: false });
const opened: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
});

async function place() {
  const address = { path: redis.server.path };
  const keys = createKeys(redis.prefix());
  const client = redis.server.client();
  const queues = QUEUE_NAMES.map((name) => openQueue<LaneJobData>(name, keys, address, () => {}));
  opened.push(...queues);
  await Promise.all(queues.map((queue) => queue.waitUntilReady()));
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const settle = createQueueSettler({ client, keys, queues, log });
  const foreign = async () => (await readQueueSettings(client, keys)).queues.flatMap(foreignSettings);
  const settled = () => lines.filter(({ event }) => event === 'queue.settled');
  return { address, keys, client, queues, settle, foreign, settled, log };
}

const WAYS: Record<string, (queue: Queue, meta: string, at: Awaited<ReturnType<typeof place>>) => Promise<unknown>> = {
  'paused by BullMQ': (queue) => queue.pause(),
  'paused by redis-cli, with another value': (_queue, meta, { client }) => client.hset(meta, 'paused', 'false'),
  'rate-limited by BullMQ': (queue) => queue.setGlobalRateLimit(1, 100_000),
  'rate-limited with a maximum alone': (_queue, meta, { client }) => client.hset(meta, 'max', '0'),
  'rate-limited with nonsense': (_queue, meta, { client }) => client.hset(meta, 'max', '\u001b[2J', 'duration', '1e3'),
  'held to one job at once': (queue) => queue.setGlobalConcurrency(1),
  'held to no job at once': (_queue, meta, { client }) => client.hset(meta, 'concurrency', '0'),
  'given something else for its settings': async (_queue, meta, { client }) => {
    await client.del(meta);
    await client.set(meta, 'x');
  },
};

describe.each(QUEUE_NAMES)('the queue %s', (name) => {
  it.each(Object.keys(WAYS))('%s is put right, and it is said once (H5)', async (way) => {
    const at = await place();
    const queue = at.queues.find((each) => each.name === name) as Queue;
    expect(await at.foreign()).toEqual([]);
    await WAYS[way]?.(queue, at.keys.queue(name).meta, at);
    expect(await at.foreign()).toHaveLength(1);
    await at.settle();
    expect(await at.foreign()).toEqual([]);
    await at.settle();
    expect(at.settled()).toMatchObject([{ level: 40, queue: name }]);
    const changes = await readQueueChanges(at.client, at.keys, 0);
    expect(changes).toMatchObject([{ queue: name }]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be in it
    expect(changes[0]?.was).toMatch(/^[^\u0000-\u001f]+$/);
  });
});

it('leaves a queue alone that nobody touched, and asks Redis four things of all of them', async () => {
  const { settle, settled, client, keys } = await place();
  const before = Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))?.[1]);
  await settle();
  const after = Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))?.[1]);
  expect(after - before).toBeLessThanOrEqual(QUEUE_NAMES.length + 2);
  expect(settled()).toEqual([]);
  expect(await readQueueChanges(client, keys, 0)).toEqual([]);
});

it('puts back the jobs that an older release laid aside, and removes job schedulers (H5)', async () => {
  const { settle, settled, client, keys, queues } = await place();
  const turns = queues[1] as Queue;
  await turns.add('turn', { connectionId: 'a', lane: 'l', activation: 1 }, { jobId: 'lane-l-1' });
  await client.rename(turns.toKey('wait'), keys.queue('turns').paused);
  await turns.upsertJobScheduler('flood', { every: 600_000 }, { name: 'turn', data: {} });
  await settle();
  expect(await client.lrange(turns.toKey('wait'), 0, -1)).toContain('lane-l-1');
  expect(await turns.getJobSchedulersCount()).toBe(0);
  expect(settled()).toMatchObject([{ was: '1 jobs laid aside as paused, 1 job schedulers' }]);
});

it('a worker that was told of a limit of minutes takes jobs again seconds after it is gone (H5)', async () => {
  const { address, keys, queues, settle, log } = await place();
  const turns = queues[1] as Queue<LaneJobData>;
  const taken: string[] = [];
  const worker: LaneWorker = createLaneWorker({
    queue: 'turns',
    address,
    keys,
    log,
    name: 'test',
    concurrency: 5,
    lockMs: 5_000,
    stalledCheckMs: 1_000,
    cutWhenOvertaken: true,
    async run(job) {
      taken.push(job.lane);
      return { kind: 'done' };
    },
  });
  opened.push({ close: () => worker.close({ deadlineMs: 1_000 }) });
  await worker.ready;
  await turns.setGlobalRateLimit(1, 100_000);
  const add = (lane: string) =>
    turns.add('turn', { connectionId: 'a', lane, activation: 1 }, { jobId: `lane-${lane}-1` });
  await add('a');
  await add('b');
  await waitUntil('the limit to be felt', () => taken.length === 1);
  await add('c');
  await settle();
  await waitUntil('the rest to be taken', () => taken.length === 3, { timeoutMs: 5_000 });
});
