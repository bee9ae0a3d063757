/** The test servers themselves: a fault that silently does nothing would make every test built on it worthless. */
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { startRedis, useRedis } from '../support/redis.ts';

describe('startRedis', () => {
  it('is reachable by socket and by url and keeps data over a SIGKILL and restart', async () => {
    await using server = await startRedis();
    const client = server.client();
    await client.set('kept', 'yes');

    await server.kill();
    expect(() => server.pid).toThrow('not running');
    await server.restart();

    const overTcp = new Redis(server.url);
    expect(await overTcp.get('kept')).toBe('yes');
    overTcp.disconnect();
    expect(await client.get('kept')).toBe('yes');
  });

  it('answers nothing while frozen and goes on when thawed', async () => {
    await using server = await startRedis({ aof: false });
    const client = server.client();
    await client.set('n', '1');

    server.freeze();
    const impatient = server.client({ path: server.path, commandTimeout: 300 });
    await expect(impatient.incr('n')).rejects.toThrow('timed out');
    const patient = client.incr('n');
    server.thaw();
    expect(await patient).toBeGreaterThanOrEqual(2);
  });
});

describe('useRedis', () => {
  const redis = useRedis({ aof: false });

  it('gives every caller a prefix of its own', () => {
    expect(redis.prefix()).not.toBe(redis.prefix());
  });

  it('serves the tests of its file', async () => {
    expect(await redis.server.client().ping()).toBe('PONG');
  });
});
