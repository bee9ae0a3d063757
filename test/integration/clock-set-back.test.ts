/**
 * What a clock that was set back leaves in Redis stands further in the future than it may. Here it is put there by hand:
 * nobody saw a step, as after one that happened while everything was down (H7).
 */
import { Worker } from 'bullmq';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { type ConnectionId, connectionId, type WorkerId } from '../../src/model.ts';
import { putBackAbandoned, type SeenUnlocked } from '../../src/scheduler/abandoned-jobs.ts';
import { takeAlertsTurn } from '../../src/state/alerts.ts';
import { pauseBuckets } from '../../src/state/buckets.ts';
import { createBudget } from '../../src/state/budget.ts';
import { redisNow } from '../../src/state/desired.ts';
import { cutFutures } from '../../src/state/future-stamps.ts';
import { createKeys, laneId } from '../../src/state/keys.ts';
import { beginTurn, postponeTurn } from '../../src/state/lanes.ts';
import { appendParts, Outbox } from '../../src/state/outbox.ts';
import { type LaneJobData, openQueue } from '../../src/state/queues.ts';
import { ALL_SAFEGUARDS } from '../../src/state/safeguards.ts';
import { listWorkers, reportWorker } from '../../src/state/workers.ts';
import { useRedis } from '../support/redis.ts';

const HOUR = 3_600_000;
const ID = connectionId('qq-main');
const redis = useRedis({ aof: false });
const opened: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
});

function place() {
  const keys = createKeys(redis.prefix());
  return { keys, client: redis.server.client(), at: keys.connection(ID), prefix: keys.bull };
}

/** A turn whose worker took it and died. */
async function abandonedTurn() {
  const { keys, client, prefix } = place();
  const path = redis.server.path;
  const queue = openQueue<LaneJobData>('turns', keys, { path }, () => {});
  const dead = new Worker('turns', null, { autorun: false, prefix, connection: { path }, skipStalledCheck: true });
  opened.push(queue, dead);
  await queue.add('turn', { connectionId: ID, lane: 'l', activation: 1 }, { jobId: 'lane-l-1' });
  const job = await dead.getNextJob('dead-1', { block: false });
  expect(job?.id).toBe('lane-l-1');
  const lock = `${queue.toKey('lane-l-1')}:lock`;
  let seen: SeenUnlocked = new Map();
  const look = async (now: number) => {
    const options = { client, queues: [queue], lockMs: 10_000, log: pino({ level: 'silent' }) };
    seen = await putBackAbandoned(options, seen, now);
    return (await queue.getJob('lane-l-1'))?.getState();
  };
  return { client, queue, lock, look, keys };
}

describe('a turn whose worker is gone', () => {
  it('is put back once nobody has had its lock for a second, whatever the key that paces BullMQ says', async () => {
    const { client, queue, lock, look } = await abandonedTurn();
    await client.set(queue.toKey('stalled-check'), '1', 'PX', HOUR);
    await client.del(lock);
    expect(await look(0)).toBe('active');
    expect(await look(900)).toBe('active');
    expect(await look(1_000)).toBe('waiting');
  });

  it('keeps its lock no longer than a lock lasts', async () => {
    const { client, lock, look } = await abandonedTurn();
    await client.pexpire(lock, HOUR);
    expect(await look(0)).toBe('active');
    expect(await client.pttl(lock)).toBeLessThanOrEqual(10_000);
  });

  it('is left to whoever has its lock', async () => {
    const { client, lock, look } = await abandonedTurn();
    await client.del(lock);
    await look(0);
    await client.set(lock, 'alive-1', 'PX', 10_000);
    expect(await look(2_000)).toBe('active');
    expect(await client.get(lock)).toBe('alive-1');
  });
});

describe('what waits for an instant', () => {
  const timings = { probeEveryMs: 300_000, stalledEveryMs: 1_000 };
  const cut = async ({ client, keys }: ReturnType<typeof place>, ids: readonly ConnectionId[] = [ID]) =>
    await cutFutures(client, keys, ids, [], timings);

  it('is cut to its longest life: restarts, probes, placements, refusals, lanes', async () => {
    const here = place();
    const { client, at } = here;
    const now = await redisNow(client);
    const far = String(now + HOUR);
    await client.hset(at.restarts, { notBefore: far, reason: 'a defect', count: '3' });
    await client.hset(at.parked, { probeAt: String(now + 2 * HOUR), since: String(now) });
    await client.hset(at.wishes, { placeUntil: far, target: 'gone/1' });
    await client.hset(at.unfit, 'host/1', 'lacks it');
    await client.pexpire(at.unfit, HOUR);
    await client.hset(at.unfitHosts, 'host', `${now + HOUR} refused: 203.0.113.7`);
    await client.zadd(at.activeLanes, far, 'a');
    await client.zadd(at.activeOutboxes, far, 'b');

    expect(await cut(here)).toBe(7);
    const left = async (value: Promise<string | null>) => Number(await value) - now;
    expect(await left(client.hget(at.restarts, 'notBefore'))).toBeLessThan(62_000);
    expect(await left(client.hget(at.parked, 'probeAt'))).toBeLessThan(302_000);
    expect(await left(client.hget(at.wishes, 'placeUntil'))).toBeLessThan(7_000);
    expect(await left(client.zscore(at.activeLanes, 'a'))).toBeLessThan(2_000);
    expect(await left(client.zscore(at.activeOutboxes, 'b'))).toBeLessThan(2_000);
    expect(await client.pttl(at.unfit)).toBeLessThanOrEqual(10_000);
    const [until, ...words] = String(await client.hget(at.unfitHosts, 'host')).split(' ');
    expect(Number(until) - now).toBeLessThan(602_000);
    expect(words.join(' ')).toBe('refused: 203.0.113.7');
    expect(await cut(here)).toBe(0);
  });

  it('stays as it is where it may stand: nothing is made sooner', async () => {
    const here = place();
    const { client, at } = here;
    const now = await redisNow(client);
    await client.hset(at.restarts, { notBefore: String(now + 50_000), reason: 'a defect' });
    await client.hset(at.unfitHosts, 'host', `${now + 500_000} refused`);
    await client.zadd(at.activeLanes, String(now - 1), 'a');
    expect(await cut(here)).toBe(0);
    expect(Number(await client.hget(at.restarts, 'notBefore'))).toBe(now + 50_000);
    expect(await client.exists(at.parked, at.wishes)).toBe(0);
  });
});

describe('whoever reads an instant', () => {
  it('lets a postponed turn wait no longer than it was told to', async () => {
    const { client, keys, at } = place();
    const ref = { connection: ID, lane: 'l' };
    const begin = () =>
      beginTurn(client, keys, ref, { activation: 1, runner: 'r', turnId: 't', maxMessages: 1, historyEntries: 0 });
    await client.set(
      at.desired,
      JSON.stringify({ id: ID, platform: 'qq', enabled: true, fingerprint: 'f', source: 'config' }),
    );
    await client.hset(at.laneState('l'), { active: '1', activation: '1' });
    await client.rpush(at.lane('l'), 'x');
    const turn = await begin();
    if (turn.kind !== 'turn') return expect.fail(turn.kind);
    await postponeTurn(client, keys, ref, turn.token, { forMs: 200, counts: true, reason: 'busy' }, ALL_SAFEGUARDS);
    await client.hincrby(at.laneState('l'), 'nextAttemptAt', HOUR);
    const waiting = await begin();
    expect(waiting.kind === 'waiting' ? waiting.forMs : waiting.kind).toBeLessThanOrEqual(200);
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect((await begin()).kind).toBe('turn');
  });

  it('lets a paused bucket rest no longer than the platform said', async () => {
    const { client, keys, at } = place();
    const pause = { bucket: 'sends', wider: null, ms: 5_000, told: true };
    await pauseBuckets(client, keys, ID, 'lane', pause, 'rate-limited');
    await client.pexpire(at.bucketPause('sends'), HOUR);
    const started = await startOne(client, keys, { count: 1, windowMs: 1_000 });
    expect(started.kind === 'wait' ? started.ms : started.kind).toBeLessThanOrEqual(5_000);
    expect(await client.pttl(at.bucketPause('sends'))).toBeLessThanOrEqual(5_000);
  });

  it('counts permits of the future as taken now', async () => {
    const { client, keys, at } = place();
    const now = await redisNow(client);
    await client.rpush(at.bucket('sends'), now - 10, now + HOUR, now + HOUR + 5);
    const started = await startOne(client, keys, { count: 2, windowMs: 60_000 });
    expect(started.kind === 'wait' ? started.ms : started.kind).toBeLessThanOrEqual(60_000);
    const log = (await client.lrange(at.bucket('sends'), 0, -1)).map(Number);
    expect(log).toHaveLength(3);
    expect(Math.max(...log) - now).toBeLessThan(5_000);

    const budget = createBudget(client, keys, 'qq', 'app');
    const limits = [{ count: 1, windowMs: 5_000 }];
    const signal = new AbortController().signal;
    await client.zadd(keys.budget('qq', 'app', 'identify'), now + HOUR, 'a permit');
    const permit = await budget.take('identify', limits, { signal });
    expect(permit.granted ? 'granted' : permit.retryAfterMs).toBeLessThanOrEqual(5_000);
  });

  it('forgets a worker that reported in the future, and is silent since', async () => {
    const { client, keys } = place();
    const report = { roles: ['connections'], connections: 1, capacity: 9, eventLoopLagMs: 0, draining: false };
    const tell = (id: string, forgetAfterMs: number) =>
      reportWorker(client, keys, id as WorkerId, { ...report, incarnation: 'x' }, forgetAfterMs);
    await tell('gone/1', HOUR);
    await client.zincrby(keys.workers, HOUR, 'gone/1');
    await tell('here/1', 300);
    await new Promise((resolve) => setTimeout(resolve, 350));
    // Whoever reports late itself does not judge the others.
    await tell('here/1', 300);
    await tell('here/1', 300);
    expect((await listWorkers(client, keys)).map(({ id }) => id)).toEqual(['here/1']);
  });

  it('takes the turn to judge alerts over from a process that died before the clock was set back', async () => {
    const { client, keys } = place();
    await takeAlertsTurn(client, keys, 'dead', HOUR);
    expect((await takeAlertsTurn(client, keys, 'alive', 200)).kind).toBe('other');
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect((await takeAlertsTurn(client, keys, 'alive', 200)).kind).toBe('taken');
  });
});

/** Tries to start the one part of an outbox that draws from the bucket `sends`. */
async function startOne(
  client: ReturnType<typeof place>['client'],
  keys: ReturnType<typeof createKeys>,
  limit: { readonly count: number; readonly windowMs: number },
) {
  const reply = { key: 'm', deadlineAt: null, quota: null, address: null };
  const part = { id: 'p', conversation: 'c', text: 'x', mode: 'active', reply } as const;
  const job = await appendParts(client, keys, ID, [part]);
  expect(job.lane).toBe(laneId(ID, 'c'));
  const outbox = new Outbox(client, keys, job, true);
  const { head } = await outbox.begin();
  if (typeof head === 'string') return expect.fail(head);
  return await outbox.start(head, 'attempt', [{ key: 'sends', ...limit }], Date.now() + 600_000);
}
