/** Many sockets that say little shut nobody out, and the health checks least of all. */
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { useRedis } from '../support/redis.ts';
import { waitUntil } from '../support/wait-until.ts';
import { call, startWebBench } from '../support/web-bench.ts';

const redis = useRedis();
const place = () => ({ path: redis.server.path, prefix: redis.prefix() });

const opened: Socket[] = [];
afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy();
});

/** Says `text` and nothing more. */
async function say(url: string, text: string, from = '127.0.0.1'): Promise<{ heard(): string; ended(): boolean }> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), localAddress: from });
  opened.push(socket);
  let heard = '';
  let ended = false;
  socket.on('data', (chunk) => {
    heard += chunk;
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    ended = true;
  });
  await new Promise<void>((resolve) => {
    socket.once('connect', () => resolve());
    socket.once('close', () => resolve());
  });
  socket.write(text);
  return { heard: () => heard, ended: () => ended };
}

const many = (count: number, url: string, text: string) =>
  Promise.all(Array.from({ length: count }, () => say(url, text)));

describe('half a request, a thousand times from one address (M9)', () => {
  it('keeps neither health checks nor people out, and is told in one line and a counter', async () => {
    await using web = await startWebBench(place());
    const halves = await many(1_000, web.url, 'GET /api/status HTTP/1.1\r\nHost: 127.0.0.1\r\n');
    await web.seemAlive();
    for (const path of ['/healthz', '/readyz', '/api/status']) {
      expect([path, (await web.call(path)).status]).toEqual([path, 200]);
    }
    expect(halves.filter((half) => !half.ended()).length).toBeLessThanOrEqual(250);
    const line = () => web.lines.filter(({ event }) => event === 'web.refused-sockets');
    await waitUntil('the line', () => line().length > 0);
    expect(line()).toHaveLength(1);
    expect(line()[0]).toMatchObject({ level: 40, callers: { 'this machine': expect.toSatisfy((n) => n > 100) } });
    const counted = [...web.measurements.take().latencies].filter(([field]) => field === 'web-refused|waiting');
    expect(counted).toEqual([['web-refused|waiting', expect.toSatisfy((n) => n >= 750)]]);
    // What is left is gone within the time for headers, and not after half a minute.
    await waitUntil('the rest to be gone', () => halves.every((half) => half.ended()), { timeoutMs: 8_000 });
  });

  it('a socket that says nothing, a byte, or headers without an end is closed within seconds', async () => {
    await using web = await startWebBench(place());
    const quiet = await Promise.all(['', 'G', 'GET / HTTP/1.1\r\nHost: x\r\n'].map((text) => say(web.url, text)));
    await waitUntil('them to be closed', () => quiet.every((each) => each.ended()), { timeoutMs: 13_000 });
  });
});

describe('a body that does not come', () => {
  const login = 'POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\ncontent-type: application/x-www-form-urlencoded\r\n';

  it('is answered with 408 and counted, and is no defect (M9)', async () => {
    await using web = await startWebBench(place());
    const slow = await say(web.url, `${login}content-length: 100\r\n\r\ntoken=`);
    await waitUntil('an answer', () => slow.ended(), { timeoutMs: 8_000 });
    expect(slow.heard()).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    expect(web.measurements.take().latencies.get('web-refused|slow')).toBe(1);
    expect(web.lines.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });

  it('and whose sender leaves is no defect either', async () => {
    await using web = await startWebBench(place());
    for (const headers of ['content-length: 100\r\n\r\n', 'transfer-encoding: chunked\r\n\r\n5\r\ntok']) {
      await say(web.url, `${login}${headers}`);
      opened.at(-1)?.destroy();
    }
    expect((await web.call('/api/status')).status).toBe(200);
    expect(web.lines.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });

  it('takes no place from others, however many there are', async () => {
    await using web = await startWebBench(place());
    const slow = await many(600, web.url, `${login}content-length: 100\r\n\r\ntoken=`);
    for (const path of ['/healthz', '/api/status']) {
      expect([path, (await web.call(path)).status]).toEqual([path, 200]);
    }
    expect(slow.filter((each) => !each.ended()).length).toBeLessThanOrEqual(250);
  });
});

it('many complete requests at once are all answered', async () => {
  await using web = await startWebBench(place());
  const answers = await Promise.all(Array.from({ length: 150 }, () => call(`${web.url}/healthz`)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  expect(web.measurements.take().latencies.size).toBe(0);
});
