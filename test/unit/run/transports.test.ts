import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { transportsBy } from '../../../src/run/transports.ts';
import { waitUntil } from '../../support/wait-until.ts';

const config = { proxyEnvironment: {} } as Parameters<typeof transportsBy>[0];
const direct = { proxy: 'direct' };
const never = () => ({ signal: new AbortController().signal });
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Answers all but `/slow`. */
async function platform() {
  const slow: ServerResponse[] = [];
  const sockets = new Set<Socket>();
  /** Of each request in turn. */
  const askedBy: Socket[] = [];
  const server = createServer((request, response) => {
    askedBy.push(request.socket);
    if (request.url === '/slow') slow.push(response);
    else response.end('{}');
  });
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    slow,
    sockets,
    askedBy,
    at: (path: string) => ({ method: 'GET', url: url + path, deadlineMs: 10_000, what: 'call' }) as const,
  };
}

/** undici lets a turn of the event loop pass before it uses a socket again, in case the server closes it after all. */
const freed = () => new Promise(setImmediate);

describe('transports of one proxy', () => {
  it('use the sockets of one another, also of those that are gone', async () => {
    const { sockets, at } = await platform();
    const open = transportsBy(config, null);
    for (const _ of [1, 2, 3]) {
      const transport = open(direct);
      await transport.http.request(at('/'), never());
      await transport.destroy();
      await freed();
    }
    expect(sockets.size).toBe(1);
  });

  it('are ended one by one: what others have asked is answered', async () => {
    const { slow, askedBy, at } = await platform();
    const open = transportsBy(config, null);
    const [gone, other] = [open(direct), open(direct)];
    // undici takes its sockets in the order of their first use.
    const answered = other.http.request(at('/slow'), never());
    const cut = expect(gone.http.request(at('/slow'), never())).rejects.toMatchObject({ maybeSent: true });
    await waitUntil('both calls', () => slow.length === 2);
    await gone.destroy();
    await cut;
    await waitUntil('the cut', () => slow.some(({ destroyed }) => destroyed));
    for (const response of slow) response.end('{}');
    expect(await answered).toMatchObject({ status: 200 });
    // Nor do others dial anew because of it.
    await freed();
    await other.http.request(at('/'), never());
    expect(askedBy.at(-1)).toBe(askedBy[0]);
    await expect(gone.http.request(at('/'), never())).rejects.toMatchObject({ maybeSent: false });
  });

  it('dial anew for everybody when one of them distrusts its sockets, and leave calls that are out alone', async () => {
    const { slow, sockets, at } = await platform();
    const open = transportsBy(config, null);
    const [one, other] = [open(direct), open(direct)];
    await one.http.request(at('/'), never());
    await freed();
    const answered = other.http.request(at('/slow'), never());
    await waitUntil('the slow call', () => slow.length === 1);
    await one.http.request(at('/'), never());
    await freed();
    const before = sockets.size;
    await one.http.destroy();
    await one.http.request(at('/'), never());
    expect(sockets.size).toBe(before + 1);
    slow[0]?.end('{}');
    expect(await answered).toMatchObject({ status: 200 });
  });

  it('have as many sockets per host as they may, and calls beyond wait', async () => {
    const { slow, at } = await platform();
    const open = transportsBy(config, 2);
    const calls = [1, 2, 3].map(() => open(direct).http.request(at('/slow'), never()));
    await waitUntil('two calls', () => slow.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(slow.length).toBe(2);
    slow[0]?.end('{}');
    await waitUntil('the third', () => slow.length === 3);
    for (const response of slow) response.end('{}');
    await Promise.all(calls);
  });

  it('have as many as there are calls where no bound is set: a thousand long polls do not wait for one another', async () => {
    const { slow, at } = await platform();
    const open = transportsBy(config, null);
    const calls = Array.from({ length: 200 }, () => open(direct).http.request(at('/slow'), never()));
    await waitUntil('all calls', () => slow.length === calls.length);
    for (const response of slow) response.end('{}');
    await Promise.all(calls);
  });
});

describe('transports of different proxies', () => {
  it('go different ways', () => {
    const open = transportsBy(config, null);
    const routeOf = (proxy: string) => open({ proxy }).routeOf('https://api.example/');
    expect(routeOf('http://127.0.0.1:1')).toContain('127.0.0.1:1');
    expect(routeOf('http://127.0.0.1:2')).toContain('127.0.0.1:2');
    expect(routeOf('direct')).toBe('direct');
  });
});
