/** /healthz says that the process runs; /readyz that it does its work, by evidence in Redis. */
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { listen } from '../../src/web/listener.ts';
import { healthyHold, startOneWorker } from '../support/one-worker.ts';
import { startRedis, uniquePrefix, useRedis } from '../support/redis.ts';
import { waitUntil } from '../support/wait-until.ts';
import { call, startWebBench } from '../support/web-bench.ts';

/** Of a listener on its own. */
const unheard = { onRefused: () => undefined, log: pino({ level: 'silent' }) };
const redis = useRedis();
const place = () => ({ path: redis.server.path, prefix: redis.prefix() });

describe('/readyz', () => {
  it('is ready while Redis answers, somebody sweeps and this process reports itself', async () => {
    await using web = await startWebBench(place());
    await web.seemAlive();
    const ready = await web.call('/readyz');
    expect(ready.status).toBe(200);
    expect(ready.json()).toEqual({
      ready: true,
      reasons: [],
      redisAnsweredInMs: expect.any(Number),
      lastSweepAgeMs: expect.any(Number),
      connections: { live: 0, wanted: 0 },
    });
  });

  it('is not ready when nobody judges, and says whether anybody ever did (F06)', async () => {
    await using web = await startWebBench(place());
    await web.seemAlive();
    await web.client.hset(web.keys.scheduler, 'at', String(Date.now() - 60_000));
    const late = await web.call('/readyz');
    expect(late.status).toBe(503);
    expect(late.json().reasons).toEqual([
      expect.stringMatching(/^the last sweep was 6\d{4} ms ago, more than 3000 ms/),
    ]);
    await web.client.del(web.keys.scheduler);
    expect((await web.call('/readyz')).json().reasons).toEqual([expect.stringMatching(/^no scheduler has ever swept/)]);
  });

  it('is not ready while its own process reports nothing, or still starts', async () => {
    let started = false;
    await using web = await startWebBench({ ...place(), started: () => started });
    await web.seemAlive();
    expect((await web.call('/readyz')).json().reasons).toEqual(['roles of this process are still starting']);
    started = true;
    expect((await web.call('/readyz')).status).toBe(200);
    await web.client.del(web.keys.workers);
    expect((await web.call('/readyz')).json().reasons).toEqual(['this process could not report itself lately']);
  });

  it('is not ready while it should hold connections and none of them is live (F33)', async () => {
    const where = place();
    let dead = true;
    await using world = await startOneWorker({
      ...where,
      ids: ['conn-a', 'conn-b'],
      hold: (context) => (dead ? Promise.reject(new Error('the platform is away')) : healthyHold(context)),
    });
    await using web = await startWebBench({ ...where, holdsConnections: true });
    await using onlyWeb = await startWebBench(where);
    await web.seemAlive();
    const healthy = await web.call('/healthz');
    const ready = await web.call('/readyz');
    expect([healthy.status, ready.status]).toEqual([200, 503]);
    expect(ready.json()).toMatchObject({
      reasons: ['none of 2 connections is live'],
      connections: { live: 0, wanted: 2 },
    });
    // A process that only shows goes on showing.
    expect((await onlyWeb.call('/readyz')).json()).toMatchObject({ ready: true, connections: { live: 0, wanted: 2 } });
    dead = false;
    await world.desire('f2');
    await waitUntil('ready', async () => (await web.call('/readyz')).status === 200, { timeoutMs: 20_000 });
  });

  it('is not ready while Redis is frozen or gone, says so in bounded time, and is ready again by itself', async () => {
    await using server = await startRedis();
    await using web = await startWebBench({ path: server.path, prefix: uniquePrefix() });
    await web.seemAlive();
    server.freeze();
    const frozen = await web.call('/readyz');
    expect([frozen.status, frozen.json().reasons]).toEqual([503, ['Redis does not answer']]);
    server.thaw();
    await waitUntil('ready after the thaw', async () => (await web.call('/readyz')).status === 200);
    await server.kill();
    const [ready, healthy, status] = await Promise.all(
      ['/readyz', '/healthz', '/api/status'].map((path) => web.call(path)),
    );
    expect([ready?.status, healthy?.status, status?.status]).toEqual([503, 200, 503]);
    expect(status?.json()).toMatchObject({ title: 'Service Unavailable', code: 'REDIS_UNAVAILABLE' });
    expect(status?.headers['retry-after']).toBe('1');
    await server.restart();
    await web.seemAlive();
    await waitUntil('ready after the restart', async () => (await web.call('/readyz')).status === 200);
  });
});

describe('a listener', () => {
  it('says that it lives before the application is there, and gives its port back at the end', async () => {
    const listener = await listen({ host: '127.0.0.1', port: 0, ...unheard });
    const port = Number(new URL(listener.url).port);
    expect((await call(`${listener.url}/healthz`)).status).toBe(200);
    const ready = await call(`${listener.url}/readyz`);
    expect([ready.status, ready.json().reasons]).toEqual([503, ['still starting']]);
    await listener.close();
    const again = await listen({ host: '127.0.0.1', port, ...unheard });
    await again.close();
  });

  it('names what is wrong with an address that it cannot have', async () => {
    const listener = await listen({ host: '127.0.0.1', port: 0, ...unheard });
    const port = Number(new URL(listener.url).port);
    const taken = listen({ host: '127.0.0.1', port, ...unheard });
    await expect(taken).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
      message: expect.stringContaining('taken by another'),
    });
    await listener.close();
    const foreign = listen({ host: '192.0.2.1', port: 0, ...unheard });
    await expect(foreign).rejects.toMatchObject({ message: expect.stringContaining('no address of this machine') });
  });
});
