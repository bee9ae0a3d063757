/** Names with several addresses, the first of which takes a second to answer: by every way out. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { createHttpClient } from '../../../../src/http/client.ts';
import type { Lookup } from '../../../../src/http/proxy/dial-tcp.ts';
import { createDialer, type Dialer } from '../../../../src/http/proxy/dialer.ts';
import { type ProxyAddress, readProxy } from '../../../../src/http/proxy/proxy-url.ts';
import type { Route } from '../../../../src/http/proxy/route.ts';
import { openWebSocket } from '../../../../src/http/web-socket.ts';
import { SlowListener } from '../../../support/slow-listener.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Nobody listens there. */
const REFUSES = '127.0.0.2';

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

/** @returns the port at which a server is reached by the slow way, which begins to answer after 400 ms */
async function slowly(to: number): Promise<number> {
  const listener = await SlowListener.start('127.0.0.1', to);
  closers.push(() => listener[Symbol.asyncDispose]());
  setTimeout(() => listener.open(), 400);
  return listener.port;
}

/** Every name is these, in this order. */
const names =
  (...addresses: readonly string[]): Lookup =>
  (_host, _options, found) =>
    found(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );

const straight = (): Route => ({ kind: 'direct' });
const through = (url: string) => (): Route => ({
  kind: 'proxy',
  proxy: (readProxy(url) as { proxy: ProxyAddress }).proxy,
});

async function statusBy(dialer: Dialer, url: string): Promise<number> {
  const http = createHttpClient({ dialer });
  closers.push(() => http.destroy());
  const call = { method: 'GET', url, deadlineMs: 5_000, what: 'call' } as const;
  return (await http.request(call, { signal: new AbortController().signal })).status;
}

describe('an address that answers within the deadline of the dial is used (G03)', () => {
  const teapot = () => listening(createHttpServer((_request, response) => response.writeHead(218).end()));

  it.each([
    ['before one that refuses', ['127.0.0.1', REFUSES]],
    ['between families', ['127.0.0.1', '::1', REFUSES]],
    ['behind one that refuses', ['::1', '127.0.0.1', REFUSES]],
  ])('by HTTP: %s', async (_, addresses) => {
    const port = await slowly(await teapot());
    const dialer = createDialer({ router: straight, lookup: names(...addresses) });
    expect(await statusBy(dialer, `http://slow.test:${port}/`)).toBe(218);
  });

  it('by WebSocket', async () => {
    const server = createServer();
    const http = createHttpServer();
    const sockets = new WebSocketServer({ server: http });
    closers.push(() => sockets.close());
    server.on('connection', (socket) => http.emit('connection', socket));
    const port = await slowly(await listening(server));
    const opened = new Promise<string>((resolve) => {
      const none = () => undefined;
      const listener = { opened: () => resolve('opened'), text: none, binary: none, pong: none };
      const socket = openWebSocket(
        { url: `ws://slow.test:${port}/`, deadlineMs: 5_000 },
        { ...listener, ended: (end) => resolve(JSON.stringify(end)) },
        createDialer({ router: straight, lookup: names('127.0.0.1', REFUSES) }),
      );
      closers.push(() => socket.terminate());
    });
    expect(await opened).toBe('opened');
  });

  it('by a proxy that is such an address', async () => {
    const target = await teapot();
    const proxy = createHttpServer().on('connect', (_request, socket: Socket) => {
      socket.write('HTTP/1.1 200 Established\r\n\r\n');
      socket.pipe(connect(target, '127.0.0.1')).pipe(socket);
    });
    const port = await slowly(await listening(proxy));
    const dialer = createDialer({ router: through(`http://slow.test:${port}`), lookup: names('127.0.0.1', REFUSES) });
    expect(await statusBy(dialer, 'http://far.test/')).toBe(218);
  });

  it('by a SOCKS proxy that is given addresses, which is asked for the next one while it is still busy', async () => {
    const asked: string[] = [];
    const target = await teapot();
    const proxy = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        socket.write(Buffer.of(5, 0));
        socket.once('data', (request: Buffer) => {
          const address = [...request.subarray(4, 8)].join('.');
          asked.push(address);
          if (address !== '10.255.0.2') return;
          socket.write(Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
          socket.pipe(connect(target, '127.0.0.1')).pipe(socket);
        });
      });
    });
    const router = through(`socks5://127.0.0.1:${await listening(proxy)}`);
    const dialer = createDialer({ router, lookup: names('10.255.0.1', '10.255.0.2') });
    expect(await statusBy(dialer, 'http://far.test/')).toBe(218);
    expect(asked).toEqual(['10.255.0.1', '10.255.0.2']);
  });

  it('and where none does, the reason comes at the deadline, and nothing was sent', async () => {
    const port = await slowly(await teapot());
    const dialer = createDialer({ router: straight, timeoutMs: 150, lookup: names('127.0.0.1', REFUSES) });
    await expect(statusBy(dialer, `http://slow.test:${port}/`)).rejects.toMatchObject({
      message: `call: connect timed out (ETIMEDOUT slow.test:${port})`,
      maybeSent: false,
    });
  });

  it('and a dial that is cut ends with the reason of its signal', async () => {
    const port = await slowly(await teapot());
    const dialer = createDialer({ router: straight, lookup: names('127.0.0.1', REFUSES) });
    const controller = new AbortController();
    const { socket } = dialer.dial(new URL(`ws://slow.test:${port}/`), controller.signal);
    const reason = new Error('stop');
    setTimeout(() => controller.abort(reason), 50);
    await expect(socket).rejects.toBe(reason);
  });
});
