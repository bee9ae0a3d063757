/** What a worker measured reaches Redis with its report, at most once whatever Redis does. */
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { connectionId, type WorkerId } from '../../src/model.ts';
import { createWorkerReporter } from '../../src/run/worker-report.ts';
import { createKeys } from '../../src/state/keys.ts';
import { Measurements, parseLatencies, readMeasurements } from '../../src/state/measurements.ts';
import { openRedis } from '../../src/state/redis.ts';
import { RedisClock } from '../../src/state/redis-clock.ts';
import { quiet } from '../support/inbound.ts';
import { startRedis } from '../support/redis.ts';

const EVERY_MS = 50;
const QQ = connectionId('qq-main');

it('is added up, not lost at a drain, and not counted twice when Redis froze in the middle', async () => {
  await using server = await startRedis({ aof: false });
  const client = openRedis({ path: server.path }, 'fenced', 'test', () => undefined);
  const plain = server.client();
  const keys = createKeys('test');
  const measurements = new Measurements();
  const worker = 'host-a/1' as WorkerId;
  const reporter = createWorkerReporter({
    client,
    keys,
    identity: { worker, incarnation: 'i', presence: `${worker}#i` },
    roles: ['agent'],
    capacity: 0,
    held: () => 0,
    config: () => ({ refused: null, restartNeeded: [] }),
    presence: () => true,
    redisClock: new RedisClock(),
    measurements,
    everyMs: EVERY_MS,
    forgetAfterMs: 5_000,
    log: quiet,
  });
  // What a client that is not connected yet could not report would be lost, as it should be.
  await expect.poll(() => client.status, { timeout: 10_000 }).toBe('ready');
  const ended = new AbortController();
  const running = reporter.run(ended.signal);
  const counted = async () => parseLatencies(await plain.hgetall(keys.latencies))[0]?.buckets[0] ?? 0;
  const reconnects = () => plain.hget(keys.connection(QQ).counters, 'reconnects:silent');

  measurements.took('turn', 'qq', 1);
  await expect.poll(counted).toBe(1);
  measurements.took('turn', 'qq', 1);
  measurements.reconnected(QQ, 'silent');
  measurements.reconnected(QQ, 'silent');
  await expect.poll(counted).toBe(2);
  await expect.poll(reconnects).toBe('2');

  // Longer than the client waits for an answer: the report that is under way gets none, and Redis may carry it out
  // after all.
  server.freeze();
  measurements.took('turn', 'qq', 1);
  await wait(1_500);
  server.thaw();
  await expect.poll(async () => client.status === 'ready' && (await plain.exists(keys.worker(worker)))).toBe(1);
  // Time in which a repeated report would arrive.
  await wait(4 * EVERY_MS);
  expect(await counted()).toBeLessThanOrEqual(3);

  const before = await counted();
  measurements.took('turn', 'qq', 1);
  ended.abort();
  await running;
  const [turns, ...others] = (await readMeasurements(plain, keys)).latencies;
  expect([turns?.name, turns?.platform, turns?.buckets[0], others]).toEqual(['turn', 'qq', before + 1, []]);
  expect(await plain.exists(keys.worker(worker))).toBe(0);
  client.disconnect();
});
