/**
 * What a proxy can do to a connection, by the reason that people then read. Each holds for a call and for a WebSocket,
 * is transient, leaves nothing open, and counts as not sent.
 */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer as createHttps, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { HttpFailure } from '../../src/http/client.ts';
import { createTransport } from '../../src/http/transport.ts';
import type { WebSocketEnd } from '../../src/http/web-socket.ts';
import { type HostileProxy, type Misdeed, startHostileProxy } from '../support/hostile-proxy.ts';
import { makeTestCa, type TestCa } from '../support/test-ca.ts';
import { waitUntil } from '../support/wait-until.ts';

const USER = 'user-of-the-proxy';
const PASSWORD = 'p@ss/word#of%the:proxy';
const CREDENTIALS = `${USER}:${encodeURIComponent(PASSWORD)}`;

let ca: TestCa;
let caText: string;
let target: Server;
beforeAll(async () => {
  ca = await makeTestCa();
  caText = await readFile(ca.caFile, 'utf8');
  target = createHttps(ca.server, (_request, response) => response.end('{"ok":true}'));
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
});
afterAll(async () => {
  target.closeAllConnections();
  target.close();
  await ca[Symbol.asyncDispose]();
});

const opened: { destroy(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.destroy();
});

interface Way {
  readonly proxy: string;
  readonly host?: string;
  readonly port?: number;
  readonly deadlineMs?: number;
  readonly secure?: boolean;
  readonly trusted?: boolean;
}

const targetPort = () => (target.address() as AddressInfo).port;

function transportBy({ proxy, trusted = true }: Way) {
  const transport = createTransport({ proxy, environment: {}, ...(trusted ? { ca: caText } : {}) });
  opened.push(transport);
  return transport;
}

async function callFailure(way: Way): Promise<HttpFailure> {
  const { host = '127.0.0.1', port = targetPort(), deadlineMs = 4_000, secure = true } = way;
  const url = `${secure ? 'https' : 'http'}://${host}:${port}/`;
  const call = transportBy(way).http.request(
    { method: 'POST', url, json: {}, deadlineMs, what: 'call' },
    { signal: new AbortController().signal },
  );
  const error = await call.then(
    () => new Error('it succeeded'),
    (caught: unknown) => caught,
  );
  if (error instanceof HttpFailure) return error;
  throw error;
}

async function dialFailure(way: Way): Promise<Extract<WebSocketEnd, { kind: 'not-opened' }>> {
  const { host = '127.0.0.1', port = targetPort(), deadlineMs = 4_000, secure = true } = way;
  const url = `${secure ? 'wss' : 'ws'}://${host}:${port}/`;
  const transport = transportBy(way);
  const end = await new Promise<WebSocketEnd>((resolve, reject) => {
    const unexpected = () => reject(new Error('it opened'));
    transport.openWebSocket(
      { url, deadlineMs },
      { opened: unexpected, text: unexpected, binary: unexpected, pong: unexpected, ended: resolve },
    );
  });
  if (end.kind !== 'not-opened') throw new Error('it had opened');
  return end;
}

const noneOpen = (proxy: HostileProxy) => waitUntil('the proxy to be left', () => proxy.open === 0);

describe('a proxy that (F26)', () => {
  it.each<[what: string, misdeed: Misdeed, scheme: string, reason: string]>([
    ['is not there', { do: 'refuse' }, 'http', 'proxy connection refused (ECONNREFUSED)'],
    ['resets during CONNECT', { do: 'reset' }, 'http', 'the proxy broke off during CONNECT ('],
    ['closes during CONNECT', { do: 'close' }, 'http', 'the proxy broke off during CONNECT ('],
    ['speaks something else', { do: 'garbage' }, 'http', 'the proxy broke off during CONNECT ('],
    ['wants authentication', { do: 'status', status: 407 }, 'http', 'proxy authentication required (407)'],
    ['forbids the target', { do: 'status', status: 403 }, 'http', 'does not allow this target (403 to CONNECT)'],
    ['answers 502', { do: 'status', status: 502 }, 'http', 'overloaded (502 to CONNECT)'],
    ['answers 503', { do: 'status', status: 503 }, 'http', 'overloaded (503 to CONNECT)'],
    ['answers 418', { do: 'status', status: 418 }, 'http', 'refused the tunnel (418 to CONNECT)'],
    ['resets the tunnel', { do: 'grant-and-reset' }, 'http', 'TLS with the target failed behind the proxy ('],
    ['is not there for SOCKS', { do: 'refuse' }, 'socks5h', 'proxy connection refused (ECONNREFUSED)'],
    ['resets during SOCKS', { do: 'reset' }, 'socks5h', 'the proxy broke off during the SOCKS handshake ('],
    ['closes during SOCKS', { do: 'close' }, 'socks5h', 'the proxy broke off during the SOCKS handshake ('],
    ['is no SOCKS proxy', { do: 'status', status: 400 }, 'socks5h', 'the proxy broke off during the SOCKS handshake ('],
    ['refuses by rule', { do: 'socks-reply', reply: 2 }, 'socks5h', 'SOCKS proxy refused the tunnel: not allowed'],
    ['reaches no host', { do: 'socks-reply', reply: 4 }, 'socks5h', 'refused the tunnel: host unreachable'],
    ['is refused', { do: 'socks-reply', reply: 5 }, 'socks5h', 'refused the tunnel: connection refused'],
    ['refuses the password', { do: 'socks-auth-refused' }, 'socks5h', 'SOCKS proxy authentication refused'],
    ['speaks no TLS', { do: 'reset' }, 'https', 'connection or TLS to the proxy failed ('],
  ])('%s is named: %j over %s', async (_what, misdeed, scheme, reason) => {
    await using proxy = await startHostileProxy(misdeed);
    const way = { proxy: `${scheme}://${CREDENTIALS}@127.0.0.1:${proxy.port}` };
    const places = `${scheme.replace('5h', '5')} proxy 127.0.0.1:${proxy.port} → 127.0.0.1:${targetPort()}`;
    const call = await callFailure(way);
    expect(call.message).toContain(reason);
    expect(call.message).toContain(places);
    expect(call).toMatchObject({ code: 'TRANSPORT', disposition: 'retry', maybeSent: false });
    const { error } = await dialFailure(way);
    expect(error.message).toContain(reason);
    expect(error.message).toContain(places);
    expect(error).toMatchObject({ code: 'TRANSPORT', disposition: 'retry' });
    for (const text of [everythingIn(call), everythingIn(error)]) {
      expect(text).not.toContain(PASSWORD);
      expect(text).not.toContain(encodeURIComponent(PASSWORD));
      expect(text).not.toContain(USER);
    }
    await noneOpen(proxy);
  });

  it.each<[what: string, misdeed: Misdeed, scheme: string, waiting: string]>([
    ['swallows CONNECT', { do: 'hang' }, 'http', 'waiting for the answer of http proxy 127.0.0.1:PORT to CONNECT'],
    ['swallows SOCKS', { do: 'hang' }, 'socks5', 'waiting for the SOCKS answer of socks5 proxy 127.0.0.1:PORT'],
    ['leads nowhere', { do: 'grant-and-hang' }, 'http', 'waiting for TLS with 127.0.0.1:'],
    ['swallows TLS to itself', { do: 'hang' }, 'https', 'waiting for a connection to https proxy 127.0.0.1:PORT'],
  ])('%s is given up at the deadline, and what hangs is named', async (_what, misdeed, scheme, waiting) => {
    await using proxy = await startHostileProxy(misdeed);
    const way = { proxy: `${scheme}://127.0.0.1:${proxy.port}`, deadlineMs: 300 };
    const expected = waiting.replace('PORT', String(proxy.port));
    const { error } = await dialFailure(way);
    expect(error.message).toContain('not open within 300 ms (');
    expect(error.message).toContain(expected);
    await noneOpen(proxy);
    const call = await callFailure(way);
    expect(call.message).toContain('no answer within 300 ms, waiting for ');
    expect(call.message).toContain(expected);
    expect(call).toMatchObject({ code: 'DEADLINE', maybeSent: false });
  });

  it('swallows CONNECT does not hold a call longer than a dial may take, however long the call may', async () => {
    await using proxy = await startHostileProxy({ do: 'hang' });
    const call = await callFailure({ proxy: `http://127.0.0.1:${proxy.port}`, deadlineMs: 30_000 });
    expect(call.message).toContain('no tunnel within 5000 ms, waiting for the answer of http proxy');
    expect(call.maybeSent).toBe(false);
    await noneOpen(proxy);
  });

  it('fails in a dial is left by the signal at once', async () => {
    await using proxy = await startHostileProxy({ do: 'hang' });
    const transport = transportBy({ proxy: `http://127.0.0.1:${proxy.port}` });
    const never = () => {
      throw new Error('the listener was called');
    };
    const socket = transport.openWebSocket(
      { url: `wss://127.0.0.1:${targetPort()}/`, deadlineMs: 60_000 },
      { opened: never, text: never, binary: never, pong: never, ended: never },
    );
    await waitUntil('the CONNECT', () => proxy.asked.length === 1);
    socket.terminate();
    await noneOpen(proxy);
  });

  it('closes the tunnel of a plain target is named as the way', async () => {
    await using proxy = await startHostileProxy({ do: 'grant-and-reset' });
    const way = { proxy: `http://127.0.0.1:${proxy.port}`, secure: false };
    const via = ` via http proxy 127.0.0.1:${proxy.port})`;
    // The request went into the tunnel: nobody knows how far.
    const call = await callFailure(way);
    expect(call.message).toContain(via);
    expect(call.maybeSent).toBe(true);
    expect((await dialFailure(way)).error.message).toContain(via);
  });
});

describe('TLS through a proxy', () => {
  it("is checked against the target's name and authority, not the proxy's", async () => {
    await using proxy = await startHostileProxy({ do: 'pass' });
    await using other = await makeTestCa('DNS:somebody.else');
    const impostor = createHttps(other.server, (_request, response) => response.end());
    impostor.listen(0, '127.0.0.1');
    await once(impostor, 'listening');
    const by = `http://127.0.0.1:${proxy.port}`;
    try {
      const transport = createTransport({ proxy: by, environment: {}, ca: await readFile(other.caFile, 'utf8') });
      opened.push(transport);
      const url = `https://127.0.0.1:${(impostor.address() as AddressInfo).port}/`;
      await expect(
        transport.http.request(
          { method: 'GET', url, deadlineMs: 4_000, what: 'call' },
          { signal: new AbortController().signal },
        ),
      ).rejects.toThrow('TLS with the target failed behind the proxy (ERR_TLS_CERT_ALTNAME_INVALID');
    } finally {
      impostor.closeAllConnections();
      impostor.close();
    }
    const untrusted = { proxy: by, trusted: false };
    expect((await callFailure(untrusted)).message).toMatch(/TLS with the target failed behind the proxy \(\w*VERIFY/);
    expect((await dialFailure(untrusted)).error.message).toMatch(/failed behind the proxy \(\w*VERIFY/);
  });

  it('to the proxy itself is checked as well, and credentials do not go to an impostor', async () => {
    await using other = await makeTestCa();
    await using proxy = await startHostileProxy({ do: 'pass' }, other.server);
    const way = { proxy: `https://${CREDENTIALS}@127.0.0.1:${proxy.port}` };
    expect((await callFailure(way)).message).toMatch(/connection or TLS to the proxy failed \(\w*VERIFY/);
    expect((await dialFailure(way)).error.message).toMatch(/connection or TLS to the proxy failed \(\w*VERIFY/);
    expect(proxy.asked).toEqual([]);
  });

  it("keeps the two names apart: the proxy's certificate is for the proxy's, the target's for the target's", async () => {
    await using numbered = await makeTestCa('IP:127.0.0.1');
    await using proxy = await startHostileProxy({ do: 'pass' }, numbered.server);
    const both = `${await readFile(numbered.caFile, 'utf8')}${caText}`;
    const call = async (proxyHost: string) => {
      const transport = createTransport({ proxy: `https://${proxyHost}:${proxy.port}`, environment: {}, ca: both });
      opened.push(transport);
      return await transport.http.request(
        { method: 'GET', url: `https://localhost:${targetPort()}/`, deadlineMs: 4_000, what: 'call' },
        { signal: new AbortController().signal },
      );
    };
    expect((await call('127.0.0.1')).json).toEqual({ ok: true });
    await expect(call('localhost')).rejects.toThrow(
      'connection or TLS to the proxy failed (ERR_TLS_CERT_ALTNAME_INVALID',
    );
  });

  it('works inside of TLS to the proxy, with user and password as they were written', async () => {
    await using proxy = await startHostileProxy({ do: 'pass' }, ca.server);
    const transport = transportBy({ proxy: `https://${CREDENTIALS}@127.0.0.1:${proxy.port}` });
    const answer = await transport.http.request(
      { method: 'GET', url: `https://127.0.0.1:${targetPort()}/`, deadlineMs: 4_000, what: 'call' },
      { signal: new AbortController().signal },
    );
    expect(answer.json).toEqual({ ok: true });
    const basic = Buffer.from(`${USER}:${PASSWORD}`).toString('base64');
    expect(proxy.asked[0]).toMatch(new RegExp(`^CONNECT 127\\.0\\.0\\.1:${targetPort()} HTTP/1\\.1\r\n`));
    expect(proxy.asked[0]?.toLowerCase()).toContain(`proxy-authorization: basic ${basic}`.toLowerCase());
  });
});

/** Every property of an error and its causes, as an unlucky log line might show them. */
function everythingIn(error: unknown): string {
  const seen: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const own = Object.getOwnPropertyNames(at).map((name) => {
      const value = (at as unknown as Record<string, unknown>)[name];
      return `${name}: ${value instanceof Error ? value.message : JSON.stringify(value)}`;
    });
    seen.push(own.join('\n'));
  }
  return seen.join('\n');
}
