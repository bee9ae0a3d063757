import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { controllerForMany } from '../../../src/async/abort.ts';
import { createHttpClient, HttpFailure, type HttpRequest } from '../../../src/http/client.ts';
import { readRetryAfter } from '../../../src/http/whole-answer.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listen(server: Server, sockets = new Set<Socket>()): Promise<string> {
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function client(options: Parameters<typeof createHttpClient>[0] = {}) {
  const http = createHttpClient(options);
  closers.push(() => http.destroy());
  return http;
}

const signal = new AbortController().signal;
const get = (url: string, change: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'GET',
  url,
  deadlineMs: 2_000,
  what: 'test call',
  ...change,
});

async function failureOf(call: Promise<unknown>): Promise<HttpFailure> {
  const error = await call.then(
    () => new Error('it succeeded'),
    (caught: unknown) => caught,
  );
  if (error instanceof HttpFailure) return error;
  throw error;
}

describe('an answer', () => {
  const serve = (listener: RequestListener) => listen(createHttpServer(listener));

  it('comes with status, headers, text and parsed JSON', async () => {
    const base = await serve((request, response) => {
      response.writeHead(201, { 'X-Tps-trace-ID': 'T', 'content-type': 'application/json' });
      response.end(JSON.stringify({ method: request.method, url: request.url }));
    });
    const answer = await client().request(get(`${base}/a/b?c=d`), { signal });
    expect(answer).toMatchObject({ status: 201, json: { method: 'GET', url: '/a/b?c=d' }, retryAfterMs: null });
    expect(answer.headers['x-tps-trace-id']).toBe('T');
  });

  it('leaves its socket for calls that follow at once, and for no longer than a second, whatever the server offers', async () => {
    const server = createHttpServer({ keepAliveTimeout: 60_000 }, (_request, response) => response.end('{}'));
    const sockets = new Set<Socket>();
    const base = await listen(server, sockets);
    const http = client();
    const calls = 8;
    for (let n = 0; n < calls; n += 1) {
      expect((await http.request(get(base), { signal })).headers['keep-alive']).toBe('timeout=60');
    }
    expect(sockets.size).toBeLessThan(calls);
    // The server would wait for a minute.
    for (const socket of sockets) {
      if (!socket.destroyed) await once(socket, 'close', { signal: AbortSignal.timeout(5_000) });
    }
  });

  it('may be awaited by fifty calls on one signal without a warning of a leak', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on('warning', note);
    closers.push(async () => process.off('warning', note));
    const base = await serve((_request, response) => response.end('{}'));
    const http = client();
    const shared = controllerForMany();
    const calls = Array.from({ length: 50 }, () => http.request(get(base), { signal: shared.signal }));
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(warnings).toEqual([]);
  });

  it('to a POST gets the JSON and the headers that were given', async () => {
    const base = await serve((request, response) => {
      let text = '';
      request.on('data', (chunk) => {
        text += chunk;
      });
      request.on('end', () =>
        response.end(JSON.stringify({ text, type: request.headers['content-type'], x: request.headers.x })),
      );
    });
    const call = get(base, { method: 'POST', json: { 话: 'ü' }, headers: { x: 'y' } });
    const { json } = await client().request(call, { signal });
    expect(json).toEqual({ text: '{"话":"ü"}', type: 'application/json', x: 'y' });
  });

  it.each([
    [502, '<html>bad gateway</html>'],
    [200, ''],
    [200, '{"broken":'],
    [504, ''],
  ])('with status %i and the body %j is an answer without JSON', async (status, text) => {
    const base = await serve((_request, response) => void response.writeHead(status).end(text));
    expect(await client().request(get(base), { signal })).toMatchObject({ status, text, json: undefined });
  });

  it('names how long to wait', async () => {
    const base = await serve((_request, response) => void response.writeHead(429, { 'retry-after': '3' }).end());
    expect((await client().request(get(base), { signal })).retryAfterMs).toBe(3_000);
  });

  it.each([301, 302, 303, 307, 308])(
    'with status %i is not followed, and names the host it points to alone (H3)',
    async (status) => {
      const location = 'http://user:pw@elsewhere.test:81/path?token=secret';
      const base = await serve((_request, response) => void response.writeHead(status, { location }).end());
      const failure = await failureOf(client().request(get(base), { signal }));
      expect(failure).toMatchObject({ code: 'HTTP_REDIRECT', maybeSent: true });
      expect(failure.message).toBe(
        `test call: redirected to elsewhere.test:81 (HTTP ${status}), which is not followed: correct the URL in the configuration`,
      );
    },
  );
});

describe('Retry-After', () => {
  const now = Date.parse('2026-11-22T10:00:00Z');
  it.each([
    ['0', 0],
    ['2', 2_000],
    ['1.5', 1_500],
    ['Sun, 22 Nov 2026 10:00:09 GMT', 9_000],
    ['Sun, 22 Nov 2026 09:00:00 GMT', 0],
    ['soon', null],
    ['-1', null],
    [undefined, null],
  ])('%j is %s ms', (value, ms) => {
    expect(readRetryAfter(value, now)).toBe(ms);
  });
});

describe('no answer', () => {
  it('because nobody listens was provably not sent', async () => {
    const server = createTcpServer();
    const base = await listen(server);
    await closers.pop()?.();
    const failure = await failureOf(client().request(get(`${base}/secret-path`), { signal }));
    expect(failure).toMatchObject({ code: 'TRANSPORT', maybeSent: false });
    expect(failure.message).toMatch(/^test call: connection refused \(ECONNREFUSED 127\.0\.0\.1:\d+\)$/);
  });

  it('because the name does not exist was provably not sent', async () => {
    const failure = await failureOf(client().request(get('http://no-such-host.invalid/'), { signal }));
    expect(failure.maybeSent).toBe(false);
    expect(failure.message).toContain('DNS lookup failed');
  });

  it('because the server hung up after reading may have been acted on', async () => {
    const base = await listen(createTcpServer((socket) => socket.once('data', () => socket.destroy())));
    const failure = await failureOf(client().request(get(base, { method: 'POST', json: {} }), { signal }));
    expect(failure).toMatchObject({ code: 'TRANSPORT', maybeSent: true });
  });

  it('within the deadline may have been acted on, once the request had left', async () => {
    const base = await listen(createTcpServer((socket) => socket.resume()));
    const failure = await failureOf(client().request(get(base, { deadlineMs: 80 }), { signal }));
    expect(failure).toMatchObject({ code: 'DEADLINE', maybeSent: true, disposition: 'retry' });
    expect(failure.message).toBe('test call: no answer within 80 ms');
  });

  it('within the deadline, still waiting for a connection, was provably not sent', async () => {
    // One connection only, and it is busy for ever: the second call never gets to write.
    const base = await listen(createTcpServer((socket) => socket.resume()));
    const http = client({ connections: 1 });
    const busy = failureOf(http.request(get(base, { deadlineMs: 400 }), { signal }));
    const queued = await failureOf(http.request(get(base, { deadlineMs: 80 }), { signal }));
    expect(queued).toMatchObject({ code: 'DEADLINE', maybeSent: false });
    expect((await busy).maybeSent).toBe(true);
  });

  it('counts slow drips against the same deadline', async () => {
    const timers = new Set<NodeJS.Timeout>();
    const base = await listen(
      createHttpServer((_request, response) => {
        response.writeHead(200);
        timers.add(setInterval(() => response.write('x'), 20));
      }),
    );
    closers.push(async () => timers.forEach(clearInterval));
    const failure = await failureOf(client().request(get(base, { deadlineMs: 150 }), { signal }));
    expect(failure).toMatchObject({ code: 'DEADLINE', maybeSent: true });
  });

  it('because the body was cut short says so', async () => {
    const base = await listen(
      createHttpServer((_request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('half', () => response.destroy());
      }),
    );
    const failure = await failureOf(client().request(get(base), { signal }));
    expect(failure).toMatchObject({ code: 'HTTP_BODY', maybeSent: true });
    expect(failure.message).toContain('HTTP 200');
  });

  it('because the body is endless is an end all the same', async () => {
    const base = await listen(createHttpServer((_request, response) => void response.end('x'.repeat(5_000))));
    const failure = await failureOf(client({ maxBodyBytes: 1_000 }).request(get(base), { signal }));
    expect(failure).toMatchObject({ code: 'HTTP_BODY' });
  });

  it('never tells the URL or the headers', async () => {
    const base = await listen(createTcpServer((socket) => socket.destroy()));
    const call = get(`${base}/bot123:SECRET/x?token=SECRET`, { headers: { authorization: 'QQBot SECRET' } });
    const failure = await failureOf(client().request(call, { signal }));
    expect(JSON.stringify([failure.message, String(failure.cause)])).not.toContain('SECRET');
  });
});

describe('a call that is cut off', () => {
  it('fails with the reason it was given, at once', async () => {
    const base = await listen(createTcpServer((socket) => socket.resume()));
    const caller = new AbortController();
    const call = client().request(get(base, { deadlineMs: 60_000 }), { signal: caller.signal });
    const reason = new Error('stop');
    setTimeout(() => caller.abort(reason), 20);
    await expect(call).rejects.toBe(reason);
    await expect(client().request(get(base), { signal: caller.signal })).rejects.toBe(reason);
  });
});

describe('after a failure', () => {
  it('the next call dials anew', async () => {
    let connections = 0;
    let sick = true;
    const base = await listen(
      createHttpServer((_request, response) => {
        if (!sick) response.end('{}');
      }).on('connection', () => {
        connections += 1;
      }),
    );
    const http = client({ connections: 1 });
    await failureOf(http.request(get(base, { deadlineMs: 60 }), { signal }));
    sick = false;
    expect((await http.request(get(base), { signal })).status).toBe(200);
    expect(connections).toBe(2);
  });

  it('destroy cuts what is in flight, and the client goes on', async () => {
    let hang = true;
    const base = await listen(
      createHttpServer((_request, response) => {
        if (!hang) response.end('{}');
      }),
    );
    const http = client();
    const call = failureOf(http.request(get(base, { deadlineMs: 60_000 }), { signal }));
    setTimeout(() => void http.destroy(), 30);
    expect((await call).code).toBe('TRANSPORT');
    hang = false;
    expect((await http.request(get(base), { signal })).status).toBe(200);
  });
});
