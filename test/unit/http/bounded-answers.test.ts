/** What a server may send that is more than anybody should keep: real servers, and the memory and time it takes. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttpClient, type HttpFailure, type HttpRequest } from '../../../src/http/client.ts';
import { createFetch } from '../../../src/http/fetch.ts';
import { AnswerTooLong } from '../../../src/http/http-failure.ts';
import { PACKERS, repeated, send } from '../../support/endless-body.ts';

const MIB = 1024 * 1024;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(listener: RequestListener) {
  const server = createServer(listener);
  let open = 0;
  server.on('connection', (socket) => {
    open += 1;
    socket.on('close', () => (open -= 1));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, open: () => open };
}

function client() {
  const http = createHttpClient();
  closers.push(() => http.destroy());
  return http;
}

const signal = new AbortController().signal;
const get = (url: string, change: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'GET',
  url,
  deadlineMs: 8_000,
  what: 'test call',
  ...change,
});
const failureOf = (call: Promise<unknown>): Promise<HttpFailure> =>
  call.then(
    () => {
      throw new Error('it succeeded');
    },
    (error: HttpFailure) => error,
  );

/** Highest growth of the process's memory while it runs, bytes, and the longest standstill of its event loop, ms. */
async function costOf(run: () => Promise<unknown>): Promise<{ readonly bytes: number; readonly standstillMs: number }> {
  const before = process.memoryUsage.rss();
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 5);
  const lag = monitorEventLoopDelay({ resolution: 5 });
  lag.enable();
  await run();
  lag.disable();
  clearInterval(watch);
  return { bytes: Math.max(most, process.memoryUsage.rss()) - before, standstillMs: lag.max / 1e6 };
}

describe('a body', () => {
  it.each(['gzip', 'br', 'deflate'] as const)(
    'packed with %s into a thousandth of itself is not unpacked beyond the bound (H3)',
    async (name) => {
      const { url } = await serve((_request, response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': name });
        void send(repeated(' ', 256 * MIB), response, PACKERS[name]());
      });
      let failure: HttpFailure | undefined;
      const { bytes } = await costOf(async () => {
        failure = await failureOf(client().request(get(url), { signal }));
      });
      expect(failure).toBeInstanceOf(AnswerTooLong);
      expect(failure?.message).toBe('test call: the answer is longer than 4194304 bytes');
      expect(bytes).toBeLessThan(150 * MIB);
    },
  );

  it('packed twice is unpacked twice, and three times is not', async () => {
    const { url } = await serve((request, response) => {
      const times = Number(request.url?.slice(1));
      let body: Buffer = Buffer.from('{"a":1}');
      for (let n = 0; n < times; n += 1) body = gzipSync(body);
      response.writeHead(200, { 'content-encoding': Array(times).fill('gzip').join(', ') }).end(body);
    });
    const http = client();
    expect((await http.request(get(`${url}2`), { signal })).json).toEqual({ a: 1 });
    const failure = await failureOf(http.request(get(`${url}3`), { signal }));
    expect(failure.message).toBe('test call: the answer came as "gzip, gzip, gzip", which nobody asked for');
  });

  it.each([
    ['zstd', 'the answer came as "zstd", which nobody asked for'],
    ['constructor', 'the answer came as "constructor", which nobody asked for'],
    ['gzip', 'the answer is no gzip'],
  ])('that says it is %s and is not fails with the reason', async (encoding, words) => {
    const { url } = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end('{"a":1}');
    });
    expect((await failureOf(client().request(get(url), { signal }))).message).toContain(words);
  });

  it('is asked for as it is', async () => {
    const { url } = await serve((request, response) =>
      response.end(JSON.stringify(request.headers['accept-encoding'])),
    );
    expect((await client().request(get(url), { signal })).json).toBe('identity');
  });

  it('of a refusal is read for 4 KiB, and the socket closed', async () => {
    const { url, open } = await serve((_request, response) => {
      response.writeHead(500);
      void send(repeated('no ', 1024 * MIB), response);
    });
    const answer = await client().request(get(url), { signal });
    expect(answer).toMatchObject({ status: 500, json: undefined });
    expect(answer.text).toHaveLength(4096);
    while (open() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('of a refusal may be packed, too', async () => {
    const { url } = await serve((request, response) => {
      response.writeHead(400, { 'content-encoding': 'gzip' });
      if (request.url === '/short') response.end(gzipSync('{"code":7}'));
      else void send(repeated('no ', 512 * MIB), response, PACKERS.gzip());
    });
    const http = client();
    expect((await http.request(get(`${url}short`), { signal })).json).toEqual({ code: 7 });
    expect((await http.request(get(url), { signal })).text).toHaveLength(4096);
  });

  it('that nobody wants is not read, and the answer counts (as a receipt of an alert)', async () => {
    const { url, open } = await serve((_request, response) => {
      response.writeHead(200);
      void send(repeated('thanks ', 1024 * MIB), response);
    });
    expect((await client().request(get(url, { enoughBytes: 100 }), { signal })).status).toBe(200);
    while (open() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('of a million and one tiny values is not parsed, and one of a long text is', async () => {
    const { url } = await serve((request, response) => {
      response.end(
        request.url === '/text' ? JSON.stringify({ text: '[{,"\\'.repeat(600_000) }) : `[${'0,'.repeat(1_000_000)}0]`,
      );
    });
    const http = client();
    expect((await failureOf(http.request(get(url), { signal }))).message).toBe(
      'test call: the answer has more than 1000000 values',
    );
    const { json } = await http.request(get(`${url}text`, { maxBodyBytes: 8 * MIB }), { signal });
    expect((json as { text: string }).text).toHaveLength(3_600_000 - 600_000);
  });

  it('that drips ends with the deadline, packed or not', async () => {
    const { url } = await serve((request, response) => {
      response.writeHead(200, request.url === '/gzip' ? { 'content-encoding': 'gzip' } : {});
      const drip = setInterval(() => response.write(Buffer.of(0x1f)), 20);
      response.on('close', () => clearInterval(drip));
    });
    for (const path of ['', 'gzip']) {
      const failure = await failureOf(client().request(get(url + path, { deadlineMs: 200 }), { signal }));
      expect(failure).toMatchObject({ code: 'DEADLINE', maybeSent: true });
    }
  });
});

describe('a head', () => {
  it('of more than 16 KiB is refused, whether it ends or not', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.write('HTTP/1.1 200 OK\r\n');
      const more = setInterval(() => socket.write(`X-Head: ${'h'.repeat(4_000)}\r\n`), 1);
      socket.on('close', () => clearInterval(more));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => void server.close());
    const failure = await failureOf(
      client().request(get(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`), { signal }),
    );
    expect(failure.message).toContain('the head of the answer is longer than 16384 bytes');
  });
});

describe('a streamed answer', () => {
  const fetchOf = (maxBodyBytes = 4 * MIB, deadlineMs = 8_000) =>
    createFetch({ http: client(), what: 'agent', deadlineMs, maxBodyBytes });

  it('comes piece by piece, with its head first', async () => {
    let finish = () => {};
    const { url } = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'x-odd': Buffer.from('ü').toString('latin1') });
      response.write('one ');
      finish = () => void response.end('two');
    });
    const response = await fetchOf()(url);
    expect(response.headers.get('content-type')).toBe('text/plain');
    finish();
    expect(await response.text()).toBe('one two');
  });

  it('keeps no more in memory than the reader has not taken, however much is behind it', async () => {
    const { url } = await serve((_request, response) => {
      response.writeHead(200);
      void send(repeated('x', 512 * MIB), response);
    });
    const response = await fetchOf(1024 * MIB)(url);
    const { bytes } = await costOf(() => new Promise((resolve) => setTimeout(resolve, 300)));
    expect(bytes).toBeLessThan(30 * MIB);
    await response.body?.cancel();
  });

  it.each(['gzip', 'br', 'deflate'] as const)(
    'packed with %s is unpacked up to the bound, at a steady size and pace (H3)',
    async (name) => {
      const { url, open } = await serve((_request, response) => {
        response.writeHead(200, { 'content-encoding': name });
        void send(repeated('bomb', 512 * MIB), response, PACKERS[name]());
      });
      let read = 0;
      const { bytes, standstillMs } = await costOf(async () => {
        const response = await fetchOf(64 * MIB)(url);
        const reading = async () => {
          for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) read += chunk.length;
        };
        expect(await failureOf(reading())).toBeInstanceOf(AnswerTooLong);
      });
      expect(read).toBe(64 * MIB);
      expect(bytes).toBeLessThan(100 * MIB);
      expect(standstillMs).toBeLessThan(250);
      while (open() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    },
  );

  it('that is a refusal ends after 4 KiB', async () => {
    const { url } = await serve((_request, response) => {
      response.writeHead(429);
      void send(repeated('no ', 1024 * MIB), response);
    });
    const response = await fetchOf()(url);
    expect(response.status).toBe(429);
    expect(await response.text()).toHaveLength(4096);
  });

  it.each([
    ['a redirect', 307, /^agent: redirected to evil.test \(HTTP 307\), which is not followed/],
    ['a status that is none', 999, /^agent: answered with the status 999, which is none$/],
  ])('that is %s is none', async (_, status, words) => {
    const { url, open } = await serve((_request, response) => {
      response.writeHead(status, { location: 'http://evil.test/?q=secret' });
      void send(repeated('x', MIB), response);
    });
    expect((await failureOf(fetchOf()(url))).message).toMatch(words);
    while (open() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('that nobody reads ends with the deadline, and nobody is hurt by that', async () => {
    const { url, open } = await serve((_request, response) => void response.writeHead(200).write('x'));
    const response = await fetchOf(MIB, 100)(url);
    while (open() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await failureOf(response.text())).toMatchObject({ code: 'DEADLINE' });
  });

  it('that is broken off fails while it is read; aborted it fails with the reason of the signal', async () => {
    const { url } = await serve((request, response) => {
      response.writeHead(200).write('x', () => {
        if (request.url === '/cut') response.destroy();
      });
    });
    expect(await failureOf((await fetchOf()(`${url}cut`)).text())).toMatchObject({
      code: 'HTTP_BODY',
      maybeSent: true,
    });
    const controller = new AbortController();
    const response = await fetchOf()(url, { signal: controller.signal });
    const reason = new Error('enough');
    setTimeout(() => controller.abort(reason), 20);
    await expect(response.text()).rejects.toBe(reason);
  });
});
