/** The OpenAI-compatible agent against a real HTTP server that streams, and that fails in the ways such servers do. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { AgentTurn } from '../../src/agents/agent.ts';
import { createAgent } from '../../src/agents/create-agent.ts';
import type { OpenAiOptions } from '../../src/agents/openai.ts';
import { FatalError, ProcessStopping, TransientError } from '../../src/errors.ts';
import { PACKERS, repeated, send } from '../support/endless-body.ts';
import { message, QQ } from '../support/inbound.ts';
import { LONG } from '../support/installation.ts';

interface Call {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: { readonly model: string; readonly stream: boolean; readonly messages: unknown };
}

type Behaviour = (response: ServerResponse, call: Call) => void;

const servers = new Set<Server>();

/** Behaves as told, call after call; the last behaviour repeats. */
async function startApi(...behaviours: readonly Behaviour[]): Promise<{ url: string; calls: Call[] }> {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const call = {
        path: request.url ?? '',
        headers: request.headers,
        body: JSON.parse(Buffer.concat(chunks).toString()),
      };
      calls.push(call);
      behaviours[Math.min(calls.length, behaviours.length) - 1]?.(response, call);
    });
  });
  servers.add(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, calls };
}

afterEach(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
  servers.clear();
});

const chunk = (content: string | null, finish: string | null = null) =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta: content === null ? {} : { content }, finish_reason: finish }],
  })}\n\n`;

const stream = (response: ServerResponse) =>
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });

/** With what Hermes Agent mixes in: keepalive comments and events of its own. */
const says =
  (...pieces: readonly string[]): Behaviour =>
  (response) => {
    stream(response);
    response.write(': keepalive\n\n');
    response.write('event: hermes.tool.progress\ndata: {"tool":"terminal","emoji":"💻"}\n\n');
    for (const piece of pieces) response.write(chunk(piece));
    response.write(chunk(null, 'stop'));
    response.end('data: [DONE]\n\n');
  };
const refuses =
  (status: number, headers: Record<string, string> = {}, text = 'no'): Behaviour =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify({ error: { message: text, type: 'x', code: null } }));
  };
const html =
  (status: number): Behaviour =>
  (response) => {
    response.writeHead(status, { 'content-type': 'text/html' });
    response.end('<html><body><h1>nginx</h1></body></html>');
  };
const hangs: Behaviour = () => {};
const hangsMidStream: Behaviour = (response) => {
  stream(response).write(chunk('half an ans'));
};
const breaksOff: Behaviour = (response) => {
  stream(response).write(chunk('half an ans'), () => response.destroy());
};
const endsWithoutFinish: Behaviour = (response) => {
  stream(response).end(chunk('half an ans'));
};
const failsInStream: Behaviour = (response) => {
  stream(response).write(chunk('half'));
  response.end(`data: ${JSON.stringify({ error: { message: 'model crashed', type: 'server_error' } })}\n\n`);
};

function openai(url: string, change: Partial<OpenAiOptions> = {}) {
  return createAgent({
    kind: 'openai',
    url,
    model: 'hermes-agent',
    timeoutMs: 5_000,
    maxRetries: 0,
    historyMessages: 20,
    maxMessagesPerTurn: 5,
    ...change,
  });
}

const turn = (change: Partial<AgentTurn> = {}): AgentTurn => ({
  id: 'turn-1',
  connectionId: QQ,
  conversation: 'c2c:ann',
  session: 'holdfast-qq-main-abc',
  messages: [message('1')],
  history: [],
  ...change,
});
const signal = () => ({ signal: new AbortController().signal });

const whole =
  (content: string): Behaviour =>
  (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const message = { role: 'assistant', content };
    response.end(
      JSON.stringify({ object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }] }),
    );
  };

const MUCH = 512 * 1024 * 1024;
const endless =
  (line: string): Behaviour =>
  (response) => {
    stream(response).write(line);
    void send(repeated('x', MUCH), response);
  };
const packed =
  (name: 'gzip' | 'br', piece: string): Behaviour =>
  (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': name });
    void send(repeated(piece, MUCH), response, PACKERS[name]());
  };
const values: Behaviour = (response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).end(`{"choices":[${'{},'.repeat(1_000_000)}{}]}`);
};
const block = (type: string, text: string) => ({ type, [type]: type === 'text' ? text : [{ type: 'text', text }] });
const blocks: Behaviour = (response) => {
  stream(response);
  for (const content of [[block('thinking', 'hm')], [block('text', 'Hello')], ' there']) {
    response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`);
  }
  response.end(`${chunk(null, 'stop')}data: [DONE]\n\n`);
};
const wholeBlocks: Behaviour = (response) => {
  const content = [block('thinking', 'hm'), block('text', 'Hello'), block('text', ' there')];
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ choices: [{ message: { role: 'assistant', content }, finish_reason: 'stop' }] }));
};

describe('OpenAiAgent', () => {
  it('takes a whole answer from a server that knows no streaming', async () => {
    const api = await startApi(whole('all at once'));
    expect(await openai(api.url).reply(turn(), signal())).toMatchObject([{ text: 'all at once' }]);
  });

  it('takes [DONE] for the end of an answer without finish_reason', async () => {
    const api = await startApi((response) => {
      stream(response).write(chunk('short and done'));
      response.end('data: [DONE]\n\n');
    });
    expect(await openai(api.url).reply(turn(), signal())).toMatchObject([{ text: 'short and done' }]);
  });

  it('puts the streamed pieces together and answers the last message', async () => {
    const api = await startApi(says('Hel', 'lo ', '🌍'));
    const messages = [message('1'), message('2')];
    const replies = await openai(api.url).reply(turn({ messages }), signal());
    expect(replies).toEqual([{ to: messages[1], text: 'Hello 🌍' }]);
    expect(api.calls[0]).toMatchObject({ path: '/v1/chat/completions', body: { model: 'hermes-agent', stream: true } });
  });

  it('sends system prompt, history and all messages of the turn as one, with names where several people speak', async () => {
    const api = await startApi(says('ok'));
    const bob = { sender: { id: 'bob', name: null } };
    const picture = { attachments: [{ contentType: 'image/png', url: 'https://x.test/cat.png', name: null }] };
    await openai(api.url, { systemPrompt: 'Be kind.' }).reply(
      turn({
        messages: [message('1', 'g', { text: 'hi', ...picture }), message('2', 'g', { text: 'ho', ...bob })],
        history: [
          { role: 'user', name: 'Ann', text: 'first' },
          { role: 'assistant', name: null, text: 'second' },
        ],
      }),
      signal(),
    );
    expect(api.calls[0]?.body.messages).toEqual([
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'Ann: first' },
      { role: 'assistant', content: 'second' },
      { role: 'user', content: 'Ann: hi\n[image/png: https://x.test/cat.png]\n\nbob: ho' },
    ]);
  });

  it('sends the turn id as idempotency key, and with a key the Hermes session headers', async () => {
    const api = await startApi(says('ok'));
    await openai(api.url, { apiKey: 'sk-secret' }).reply(turn(), signal());
    expect(api.calls[0]?.headers).toMatchObject({
      authorization: 'Bearer sk-secret',
      'idempotency-key': 'turn-1',
      'x-hermes-session-id': 'holdfast-qq-main-abc',
      'x-hermes-session-key': 'holdfast-qq-main-abc',
    });
  });

  it('without a key sends no authorization and no session headers, which Hermes would refuse with 403', async () => {
    const api = await startApi(says('ok'));
    await openai(api.url).reply(turn(), signal());
    const headers = api.calls[0]?.headers ?? {};
    expect(headers).not.toHaveProperty('authorization');
    expect(headers).not.toHaveProperty('x-hermes-session-id');
    expect(headers).toMatchObject({ 'idempotency-key': 'turn-1' });
  });

  it.each([400, 401, 403, 404, 422])('gives up on HTTP %i: asking again would not help', async (status) => {
    const api = await startApi(refuses(status));
    await expect(openai(api.url, { maxRetries: 3 }).reply(turn(), signal())).rejects.toThrow(FatalError);
    expect(api.calls).toHaveLength(1);
  });

  it.each([408, 409, 429, 500, 502, 503])('takes HTTP %i as passing', async (status) => {
    const api = await startApi(refuses(status));
    await expect(openai(api.url).reply(turn(), signal())).rejects.toThrow(TransientError);
  });

  it.each([
    ['an HTML page with 200', html(200)],
    ['an HTML page with 502', html(502)],
    ['a stream that breaks off', breaksOff],
    ['a stream that ends without its end', endsWithoutFinish],
    ['an error inside the stream', failsInStream],
  ])('takes %s as passing, and never as half an answer', async (_, behaviour) => {
    const api = await startApi(behaviour);
    const asking = openai(api.url).reply(turn(), signal());
    await expect(asking).rejects.toThrow(TransientError);
    await expect(asking).rejects.toMatchObject({ code: 'AGENT_FAILED' });
  });

  it('takes a refused connection as passing', async () => {
    const api = await startApi(says('ok'));
    const [server] = servers;
    server?.close();
    await expect(openai(api.url).reply(turn(), signal())).rejects.toThrow(TransientError);
  });

  it.each([
    ['headers that never come', hangs],
    ['a stream that stands still', hangsMidStream],
  ])('bounds %s by timeoutMs', async (_, behaviour) => {
    const api = await startApi(behaviour);
    await expect(openai(api.url, { timeoutMs: 200 }).reply(turn(), signal())).rejects.toMatchObject({
      code: 'DEADLINE',
    });
  });

  it('repeats a failed call with the same key, also one whose stream broke off', async () => {
    const api = await startApi(refuses(500), breaksOff, says('at last'));
    expect(await openai(api.url, { maxRetries: 2 }).reply(turn(), signal())).toMatchObject([{ text: 'at last' }]);
    expect(api.calls.map(({ headers }) => headers['idempotency-key'])).toEqual(['turn-1', 'turn-1', 'turn-1']);
  });

  it.each([
    ['Retry-After in seconds', { 'retry-after': '42' }, 42_000],
    ['retry-after-ms', { 'retry-after-ms': '33000' }, 33_000],
  ])('hands on %s instead of holding its place', async (_, headers, retryAfterMs) => {
    const api = await startApi(refuses(429, headers));
    const asking = openai(api.url, { maxRetries: 5 }).reply(turn(), signal());
    await expect(asking).rejects.toMatchObject({ retryAfterMs });
    expect(api.calls).toHaveLength(1);
  });

  it('understands Retry-After as a date', async () => {
    const api = await startApi(refuses(503, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }));
    const error = await openai(api.url)
      .reply(turn(), signal())
      .catch((caught: unknown) => caught);
    expect((error as TransientError).retryAfterMs).toBeGreaterThan(50_000);
  });

  it('takes an empty answer for a refusal: silence would not be noticed', async () => {
    const api = await startApi(says(' ', '\n'));
    await expect(openai(api.url).reply(turn(), signal())).rejects.toThrow(/empty.*finish_reason stop/);
  });

  it('never repeats the API key in an error (P7)', async () => {
    const api = await startApi(refuses(401, {}, 'Incorrect API key provided: sk-secret-1'));
    const error = await openai(api.url, { apiKey: 'sk-secret-1' })
      .reply(turn(), signal())
      .catch((caught: unknown) => caught);
    expect((error as Error).message).toContain('Incorrect API key provided: ***');
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error as object)) + (error as Error).stack).not.toContain(
      'sk-secret-1',
    );
  });

  it.each([
    ['streamed', says('é'.repeat(1024 * 1024), 'é'.repeat(1024 * 1024), '!')],
    ['whole', whole(`${'é'.repeat(2 * 1024 * 1024)}!`)],
    ['whole, and longer than any text may be in JSON', whole('x'.repeat(17 * 1024 * 1024))],
    ['streamed in one line', says('x'.repeat(1024 * 1024))],
    ['streamed in a line that does not end', endless('data: x')],
    ['streamed as a comment that does not end', endless(': x')],
    ['packed', packed('gzip', 'data: {"choices":[{"delta":{"content":"bomb bomb bomb bomb "}}]}\n\n')],
    ['packed, without a line', packed('br', ' ')],
    ['of too many values', values],
  ])('refuses an answer that is too long, and does not ask for it again: %s (H3)', async (_, behaviour) => {
    const api = await startApi(behaviour);
    const asking = openai(api.url, { maxRetries: 3, timeoutMs: 20_000 }).reply(turn(), signal());
    await expect(asking).rejects.toBeInstanceOf(FatalError);
    await expect(asking).rejects.toThrow(/more than|longer than/);
    expect(api.calls).toHaveLength(1);
  });

  it.each([
    ['streamed', says('x'.repeat(900_000), ...Array<string>(3).fill('é'.repeat(500_000)))],
    ['whole', whole('é'.repeat(1024 * 1024))],
  ])('takes a long answer: %s', async (_, behaviour) => {
    const api = await startApi(behaviour);
    const [reply] = await openai(api.url).reply(turn(), signal());
    expect(Buffer.byteLength(reply?.text ?? '')).toBeGreaterThanOrEqual(2 * 1024 * 1024);
  });

  it.each([301, 302, 307, 308])(
    'follows no redirect (HTTP %i), and says where it would have gone (H3)',
    async (status) => {
      const other = await startApi(says('not for you'));
      const location = other.url.replace('127.0.0.1', 'localhost');
      const api = await startApi((response) => void response.writeHead(status, { location }).end());
      await expect(openai(api.url).reply(turn(), signal())).rejects.toThrow(
        `redirected to ${new URL(location).host} (HTTP ${status}), which is not followed`,
      );
      expect(other.calls).toHaveLength(0);
    },
  );

  it.runIf(LONG)(
    'answers after more than 300 s of silence, where timeoutMs allows it (G13)',
    { timeout: 400_000 },
    async () => {
      const api = await startApi((response, call) => void setTimeout(() => says('at last')(response, call), 320_000));
      const asking = openai(api.url, { timeoutMs: 600_000 }).reply(turn(), signal());
      expect(await asking).toMatchObject([{ text: 'at last' }]);
      expect(api.calls).toHaveLength(1);
    },
  );

  it('asks for the answer as it is, and reads 4 KiB of a refusal', async () => {
    const api = await startApi((response) => void response.writeHead(400).end(`{"error":"${'x'.repeat(60_000)}"}`));
    const asking = openai(api.url).reply(turn(), signal());
    await expect(asking).rejects.toBeInstanceOf(FatalError);
    const { message } = (await asking.catch((error: unknown) => error)) as Error;
    expect(message.length).toBeLessThan(600);
    expect(api.calls[0]?.headers['accept-encoding']).toBe('identity');
  });

  it.each([
    ['streamed', blocks],
    ['whole', wholeBlocks],
  ])('takes the text of an answer in blocks, and nothing that was thought: %s (G07)', async (_, behaviour) => {
    const api = await startApi(behaviour);
    expect(await openai(api.url).reply(turn(), signal())).toMatchObject([{ text: 'Hello there' }]);
  });

  it.each([
    'null',
    '7',
    '"text"',
    '[]',
    '{"choices":null}',
    '{"choices":{"0":{}}}',
    '{"choices":[null]}',
    '{"choices":[{"delta":7}]}',
  ])('passes over an event that says nothing: %s', async (data) => {
    const api = await startApi((response) => {
      stream(response).write(`data: ${data}\n\n`);
      response.end(`${chunk('fine')}data: [DONE]\n\n`);
    });
    expect(await openai(api.url).reply(turn(), signal())).toMatchObject([{ text: 'fine' }]);
  });

  it('never repeats the API key from an error inside the stream', async () => {
    const api = await startApi((response) =>
      stream(response).end('data: {"error":{"message":"bad key sk-secret-1"}}\n\n'),
    );
    await expect(openai(api.url, { apiKey: 'sk-secret-1' }).reply(turn(), signal())).rejects.toThrow('bad key ***');
  });

  it('cuts the call when its signal aborts, and passes the reason on', async () => {
    const api = await startApi(hangsMidStream);
    const controller = new AbortController();
    const reason = new ProcessStopping('stop');
    const asking = openai(api.url, { maxRetries: 5 }).reply(turn(), { signal: controller.signal });
    while (api.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort(reason);
    await expect(asking).rejects.toBe(reason);
    expect(api.calls).toHaveLength(1);
  });
});
