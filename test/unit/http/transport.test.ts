import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { createTransport } from '../../../src/http/transport.ts';
import type { WebSocketListener } from '../../../src/http/web-socket.ts';
import { waitUntil } from '../../support/wait-until.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Answers `/broken` by a cut, `/slow` never, and takes WebSockets. */
async function platform() {
  const slow: ServerResponse[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/slow') slow.push(response);
    else if (request.url === '/broken') request.socket.destroy();
    else response.end('{}');
  });
  const sockets = new WebSocketServer({ server });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    sockets.close();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { slow, sockets, http: `http://127.0.0.1:${port}`, ws: `ws://127.0.0.1:${port}` };
}

const signal = new AbortController().signal;
const call = (url: string) => ({ method: 'GET', url, deadlineMs: 10_000, what: 'call' }) as const;

function listener(said: string[]): WebSocketListener {
  return {
    opened: () => void said.push('opened'),
    text: (text) => void said.push(text),
    binary: () => void said.push('binary'),
    pong: () => void said.push('pong'),
    ended: () => void said.push('ended'),
  };
}

describe('a transport that is destroyed', () => {
  it('cuts calls and sockets at once, tells the listeners no more, and does nothing any longer', async () => {
    const { slow, sockets, http, ws } = await platform();
    const transport = createTransport({ proxy: 'direct', environment: {} });
    const said: string[] = [];
    transport.openWebSocket({ url: ws, deadlineMs: 5_000 }, listener(said));
    await waitUntil('the socket', () => said.includes('opened'));
    const [peer] = sockets.clients;
    // One call on a pool that was left behind after a failure, one on the present pool.
    const cut = [expect(transport.http.request(call(`${http}/slow`), { signal })).rejects.toThrow('call: ')];
    await waitUntil('the first call', () => slow.length === 1);
    await expect(transport.http.request(call(`${http}/broken`), { signal })).rejects.toThrow('connection reset');
    cut.push(expect(transport.http.request(call(`${http}/slow`), { signal })).rejects.toThrow('call: '));
    await waitUntil('the second call', () => slow.length === 2);

    await transport.destroy();
    await Promise.all(cut);
    if (peer !== undefined && peer.readyState !== peer.CLOSED) await once(peer, 'close');
    expect(said).toEqual(['opened']);
    await expect(transport.http.request(call(http), { signal })).rejects.toMatchObject({ maybeSent: false });
    expect(() => transport.openWebSocket({ url: ws, deadlineMs: 5_000 }, listener(said))).toThrow('was closed');
    await transport.destroy();
  });

  it('does not stop another one', async () => {
    const { http } = await platform();
    const [one, other] = [0, 1].map(() => createTransport({ proxy: 'direct', environment: {} }));
    await one?.destroy();
    expect(await other?.http.request(call(http), { signal })).toMatchObject({ status: 200 });
    await other?.destroy();
  });
});
