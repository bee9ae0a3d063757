import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { createDialer } from '../../../src/http/proxy/dialer.ts';
import { openWebSocket, type WebSocketEnd, type WebSocketHandle } from '../../../src/http/web-socket.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listen(server: Server | HttpServer): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

async function gateway(onConnection: (socket: WebSocket, raw: Socket) => void, maxPayload?: number): Promise<string> {
  const server = createHttpServer();
  new WebSocketServer({ server, ...(maxPayload === undefined ? {} : { maxPayload }) }).on(
    'connection',
    (socket, request) => {
      socket.on('error', () => {});
      onConnection(socket, request.socket);
    },
  );
  return listen(server);
}

const straight = createDialer({ router: () => ({ kind: 'direct' }) });

function dial(url: string, change: { readonly deadlineMs?: number; readonly maxPayload?: number } = {}) {
  const log: string[] = [];
  const ends: WebSocketEnd[] = [];
  let handle: WebSocketHandle | undefined;
  const ended = new Promise<WebSocketEnd>((resolve) => {
    handle = openWebSocket(
      { url, deadlineMs: 2_000, ...change },
      {
        opened: () => void log.push('opened'),
        text: (text) => void log.push(text.length > 40 ? `${text.length} characters` : text),
        binary: (data) => void log.push(`binary ${data.length}`),
        pong: () => void log.push('pong'),
        ended: (end) => {
          ends.push(end);
          resolve(end);
        },
      },
      straight,
    );
  });
  const socket = handle as unknown as WebSocketHandle;
  closers.push(async () => socket.terminate());
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  return { log, ends, ended, socket, until };
}

async function errorOf(ended: Promise<WebSocketEnd>): Promise<string> {
  const end = await ended;
  if (end.kind !== 'not-opened') throw new Error('it opened');
  expect(end.error.disposition).toBe('retry');
  return end.error.message;
}

describe('a dial', () => {
  it('hears the first words even when they come in the same packet as the upgrade', async () => {
    const url = await gateway((socket, raw) => {
      raw.cork();
      socket.send('hello');
      raw.uncork();
    });
    const { log, until } = dial(url);
    await until(() => log.length === 2);
    expect(log).toEqual(['opened', 'hello']);
  });

  it('to a closed port says so', async () => {
    const url = await listen(createTcpServer());
    await closers.pop()?.();
    expect(await errorOf(dial(url).ended)).toMatch(
      /^gateway dial: connection refused \(ECONNREFUSED 127\.0\.0\.1:\d+\)$/,
    );
  });

  it('to a name that does not exist says so', async () => {
    expect(await errorOf(dial('ws://no-such-host.invalid/').ended)).toContain('DNS lookup failed');
  });

  it('that nobody answers ends at its deadline', async () => {
    const url = await listen(createTcpServer((socket) => socket.resume()));
    expect(await errorOf(dial(url, { deadlineMs: 80 }).ended)).toContain('not open within 80 ms');
  });

  it('whose upgrade is dripped ends at its deadline', async () => {
    const timers = new Set<NodeJS.Timeout>();
    const url = await listen(
      createTcpServer((socket) => {
        socket.on('error', () => {});
        socket.write('HTTP/1.1 101 Switching Protocols\r\nX-Slow: ');
        timers.add(setInterval(() => socket.write('x'), 10));
      }),
    );
    closers.push(async () => timers.forEach(clearInterval));
    expect(await errorOf(dial(url, { deadlineMs: 80 }).ended)).toContain('not open within 80 ms');
  });

  it('whose TLS handshake is never answered ends at its deadline', async () => {
    const url = await listen(createTcpServer((socket) => socket.resume()));
    expect(await errorOf(dial(url.replace('ws:', 'wss:'), { deadlineMs: 80 }).ended)).toContain(
      'not open within 80 ms',
    );
  });

  it.each([
    [302, 'redirected to 127.0.0.2:1 (HTTP 302), which is not followed'],
    [401, 'refused the upgrade with HTTP 401'],
    [502, 'refused the upgrade with HTTP 502'],
  ])('that is answered with HTTP %i says so, and follows nowhere', async (status, words) => {
    const server = createHttpServer();
    server.on('upgrade', (_request, socket) => {
      socket.end(`HTTP/1.1 ${status} No\r\nLocation: ws://127.0.0.2:1/?secret\r\nContent-Length: 0\r\n\r\n`);
    });
    const error = await errorOf(dial(await listen(server)).ended);
    expect(error).toContain(words);
    expect(error).not.toContain('secret');
  });

  it('that is reset says so', async () => {
    const url = await listen(createTcpServer((socket) => socket.once('data', () => socket.resetAndDestroy())));
    expect(await errorOf(dial(url).ended)).toMatch(/connection reset|socket hang up/);
  });

  it('that is given up by us tells nothing any more', async () => {
    const url = await listen(createTcpServer((socket) => socket.resume()));
    const { ends, socket } = dial(url, { deadlineMs: 30 });
    socket.terminate();
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(ends).toEqual([]);
  });
});

describe('an open socket', () => {
  it('carries text and pings both ways', async () => {
    const url = await gateway((socket) => socket.on('message', (data) => socket.send(`echo ${data}`)));
    const { log, socket, until } = dial(url);
    await until(() => log.includes('opened'));
    socket.send('hi');
    socket.ping();
    await until(() => log.length === 3);
    expect(log.sort()).toEqual(['echo hi', 'opened', 'pong']);
  });

  it('takes frames of 2 MB, binary frames, and text with broken characters', async () => {
    const url = await gateway((socket) => {
      socket.send('x'.repeat(2 * 1024 * 1024));
      socket.send(Buffer.from([1, 2, 3]));
      socket.send(Buffer.from([0x61, 0xff, 0x62]), { binary: false });
    });
    const { log, until } = dial(url);
    await until(() => log.length === 4);
    expect(log).toEqual(['opened', `${2 * 1024 * 1024} characters`, 'binary 3', 'a\ufffdb']);
  });

  it('ends over a frame beyond its bound, and the process goes on', async () => {
    const url = await gateway((socket) => socket.send('x'.repeat(2_000)));
    const end = await dial(url, { maxPayload: 1_000 }).ended;
    expect(end).toMatchObject({ kind: 'closed', error: { message: expect.stringContaining('Max payload') } });
  });

  it.each<[string, (socket: WebSocket, raw: Socket) => void, number, string]>([
    ['a close frame', (socket) => socket.close(4009, 'Session timed out'), 4009, 'Session timed out'],
    ['a close frame without a code', (socket) => socket.close(), 1005, ''],
    ['a FIN', (_socket, raw) => raw.end(), 1006, ''],
    ['a RST', (_socket, raw) => raw.resetAndDestroy(), 1006, ''],
  ])('tells how it ended: %s', async (_what, act, code, reason) => {
    const { ended, ends } = dial(await gateway((socket, raw) => setTimeout(() => act(socket, raw), 10)));
    expect(await ended).toMatchObject({ kind: 'closed', code, reason });
    expect(ends).toHaveLength(1);
  });

  it('can stop reading and go on', async () => {
    let peer: WebSocket | undefined;
    const url = await gateway((socket) => {
      peer = socket;
    });
    const { log, socket, until } = dial(url);
    await until(() => log.includes('opened') && peer !== undefined);
    socket.pause();
    await new Promise((resolve) => peer?.send('later', resolve));
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(log).toEqual(['opened']);
    socket.resume();
    await until(() => log.length === 2);
  });

  it('hands over a flood in order and in parts, with timers in between, and tells the end after the last frame', async () => {
    const url = await gateway((socket) => {
      for (let n = 0; n < 500; n += 1) socket.send(String(n));
      socket.close(4009);
    });
    const seen: string[] = [];
    let ticks = 0;
    const ticking = setInterval(() => (ticks += 1), 1);
    const end = await new Promise<WebSocketEnd>((resolve) => {
      const handle = openWebSocket(
        { url, deadlineMs: 2_000 },
        {
          opened: () => undefined,
          text(text) {
            seen.push(text);
            // 0.2 ms of work each: 100 ms in all.
            for (const until = performance.now() + 0.2; performance.now() < until; );
          },
          binary: () => undefined,
          pong: () => undefined,
          ended: resolve,
        },
        straight,
      );
      closers.push(async () => handle.terminate());
    });
    clearInterval(ticking);
    expect(end).toMatchObject({ kind: 'closed', code: 4009 });
    expect(seen).toEqual(Array.from({ length: 500 }, (_, n) => String(n)));
    expect(ticks).toBeGreaterThan(4);
  });

  it('that we terminate sends no close frame, and tells nothing any more', async () => {
    const codes: number[] = [];
    const url = await gateway((socket) => {
      socket.on('close', (code) => codes.push(code));
      socket.send('ready');
    });
    const { log, ends, socket, until } = dial(url);
    await until(() => log.length === 2);
    socket.terminate();
    socket.terminate();
    socket.send('into the void');
    socket.ping();
    await until(() => codes.length === 1);
    expect(codes).toEqual([1006]);
    expect(ends).toEqual([]);
  });
});
