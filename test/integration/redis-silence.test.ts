/** A flow to Redis that is dead on the way, while something there goes on acknowledging: TCP never notices, so we must (S1). */
import { Worker } from 'bullmq';
import { describe, expect, it, onTestFinished } from 'vitest';
import { boundSilence, bullConnection, openRedis, type RedisClient, type RedisProfile } from '../../src/state/redis.ts';
import { useRedis } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';

const redis = useRedis({ aof: false });
/** Not the quarter of an hour that TCP would take. */
const NOTICED_MS = 6_000;

/** `once` of Node fails with any error that comes first; here one is expected. */
function next(client: RedisClient, event: string): Promise<void> {
  return new Promise((resolve) => client.once(event, () => resolve()));
}

async function proxied() {
  const proxy = await RedisProxy.start(redis.server.path);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

describe('a half-open flow to a Redis without Sentinels (S1)', () => {
  it.each(['queue', 'fenced', 'reader', 'subscriber'] satisfies RedisProfile[])(
    'is left within seconds by a client of the profile %s, which then goes on over another one',
    async (profile) => {
      const proxy = await proxied();
      const client = openRedis({ url: proxy.url }, profile, 'test', () => undefined);
      onTestFinished(() => client.disconnect());
      if (client.status !== 'ready') await next(client, 'ready');
      proxy.swallowAnswers();
      const closed = next(client, 'close');
      const startedAt = performance.now();
      const asked = client.get('a').catch(() => null);
      await closed;
      expect(performance.now() - startedAt).toBeLessThan(NOTICED_MS);
      const back = next(client, 'ready');
      proxy.heal();
      await back;
      await asked;
      expect(await client.ping()).toBe('PONG');
    },
  );

  it('is left within seconds by a worker of BullMQ where it does not block, and within its longest wait where it does', async () => {
    const proxy = await proxied();
    const worker = new Worker('q', null, {
      autorun: false,
      prefix: redis.prefix(),
      connection: bullConnection({ url: proxy.url }, 'test'),
      skipStalledCheck: true,
    });
    worker.on('error', () => undefined);
    onTestFinished(() => worker.close(true));
    await worker.waitUntilReady();
    boundSilence(worker);
    const main = (await worker.backend.client) as unknown as { on(name: string, listener: () => void): void };
    const closed = new Promise<void>((resolve) => main.on('close', resolve));
    proxy.swallowAnswers();
    const startedAt = performance.now();
    const fetched = worker.getNextJob('t', { block: false }).catch(() => undefined);
    await closed;
    expect(performance.now() - startedAt).toBeLessThan(NOTICED_MS);
    proxy.heal();
    expect(await fetched).toBeUndefined();
    expect(bullConnection({ url: proxy.url }, 'test')).toMatchObject({ socketTimeout: 12_000 });
  });
});
