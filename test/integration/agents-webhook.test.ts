/** The webhook agent against a real HTTP server that checks the signature as its author would. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { AgentTurn } from '../../src/agents/agent.ts';
import { createAgent } from '../../src/agents/create-agent.ts';
import { FatalError, TransientError } from '../../src/errors.ts';
import { message, QQ } from '../support/inbound.ts';

const SECRET = 'a shared secret';
const servers = new Set<Server>();

interface Call {
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

async function startHook(answer: (response: ServerResponse, call: Call) => void) {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const call = { headers: request.headers, body: Buffer.concat(chunks).toString() };
      calls.push(call);
      answer(response, call);
    });
  });
  servers.add(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/turns`, calls };
}

afterEach(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
  servers.clear();
});

const sends =
  (status: number, body: string, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  };

const webhook = (url: string, timeoutMs = 5_000) =>
  createAgent({ kind: 'webhook', url, secret: SECRET, timeoutMs, historyMessages: 0, maxMessagesPerTurn: 5 });

const turn = (change: Partial<AgentTurn> = {}): AgentTurn => ({
  id: 'turn-1',
  connectionId: QQ,
  conversation: 'c2c:ann',
  session: 'holdfast-qq-main-abc',
  messages: [message('1'), message('2')],
  history: [],
  ...change,
});
const signal = () => ({ signal: new AbortController().signal });

describe('WebhookAgent', () => {
  it('sends the turn signed, under its id, and takes the text as reply to the last message', async () => {
    const hook = await startHook(sends(200, '{"text":"hello 🌍"}'));
    const asked = turn();
    expect(await webhook(hook.url).reply(asked, signal())).toEqual([{ to: asked.messages[1], text: 'hello 🌍' }]);
    const [call] = hook.calls;
    const { 'x-holdfast-timestamp': at, 'x-holdfast-signature': given, 'idempotency-key': key } = call?.headers ?? {};
    const expected = `sha256=${createHmac('sha256', SECRET).update(`${at}.${call?.body}`).digest('hex')}`;
    expect(timingSafeEqual(Buffer.from(String(given)), Buffer.from(expected))).toBe(true);
    expect(Math.abs(Number(at) - Date.now() / 1_000)).toBeLessThan(60);
    expect(key).toBe('turn-1');
    expect(JSON.parse(call?.body ?? '')).toMatchObject({
      id: 'turn-1',
      connection: 'qq-main',
      conversation: 'c2c:ann',
      messages: [{ id: '1', text: 'text 1', sender: { id: 'ann', name: 'Ann' } }, { id: '2' }],
    });
    expect(call?.body).not.toContain(SECRET);
  });

  it('takes several replies, each to the message it names', async () => {
    const hook = await startHook(sends(200, '{"replies":[{"text":"one","to":"1"},{"text":"and more"}]}'));
    const asked = turn();
    expect(await webhook(hook.url).reply(asked, signal())).toEqual([
      { to: asked.messages[0], text: 'one' },
      { to: asked.messages[1], text: 'and more' },
    ]);
  });

  it('says nothing on 204', async () => {
    const hook = await startHook((response) => response.writeHead(204).end());
    expect(await webhook(hook.url).reply(turn(), signal())).toEqual([]);
  });

  it.each([
    ['500', sends(500, '{}')],
    ['an HTML page with 200', sends(200, '<html>', { 'content-type': 'text/html' })],
    ['an empty body with 200', sends(200, '')],
    ['an empty text', sends(200, '{"text":""}')],
    ['no answer in time', () => undefined],
    ['a reset', (response: ServerResponse) => void response.destroy()],
  ])('asks again later after %s', async (_, answer) => {
    const hook = await startHook(answer);
    await expect(webhook(hook.url, 300).reply(turn(), signal())).rejects.toBeInstanceOf(TransientError);
  });

  it('waits as long as a 429 asks', async () => {
    const hook = await startHook(sends(429, '{}', { 'retry-after': '7' }));
    await expect(webhook(hook.url).reply(turn(), signal())).rejects.toMatchObject({ retryAfterMs: 7_000 });
  });

  it('gives a turn up that the other side refuses', async () => {
    const hook = await startHook(sends(401, '{}'));
    await expect(webhook(hook.url).reply(turn(), signal())).rejects.toBeInstanceOf(FatalError);
  });

  it.each([
    ['more than 4 MiB of text', JSON.stringify({ text: `${'é'.repeat(2 * 1024 * 1024)}!` })],
    ['of several replies together', JSON.stringify({ replies: Array(5).fill({ text: 'x'.repeat(1_000_000) }) })],
    ['more JSON than files could make', JSON.stringify({ text: 'ok', files: ['A'.repeat(32 * 1024 * 1024)] })],
    ['more replies than anybody reads', JSON.stringify({ replies: Array(10_001).fill({ text: 'x' }) })],
    ['a million replies that are none', `{"replies":[${'{},'.repeat(1_000_000)}{}]}`],
  ])('gives a turn up whose answer is too long: %s (H3)', async (_, body) => {
    const hook = await startHook(sends(200, body));
    const asking = webhook(hook.url).reply(turn(), signal());
    await expect(asking).rejects.toBeInstanceOf(FatalError);
    await expect(asking).rejects.toThrow(/more than|longer than/);
  });

  it('takes an answer with 20 MiB of files in base64 beside its text', async () => {
    const hook = await startHook(
      sends(200, JSON.stringify({ text: 'ok', files: [Buffer.alloc(20 * 1024 * 1024).toString('base64')] })),
    );
    expect(await webhook(hook.url).reply(turn(), signal())).toMatchObject([{ text: 'ok' }]);
  });

  it('follows no redirect, and says where it would have gone', async () => {
    const hook = await startHook((response) => void response.writeHead(307, { location: 'http://evil.test/?x' }).end());
    await expect(webhook(hook.url).reply(turn(), signal())).rejects.toThrow(
      'agent webhook: redirected to evil.test (HTTP 307), which is not followed',
    );
  });
});
