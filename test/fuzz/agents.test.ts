/** Whatever an agent answers, over real HTTP: text, or an error of ours; and then the next answer is read as ever. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Agent, AgentTurn } from '../../src/agents/agent.ts';
import { createAgent } from '../../src/agents/create-agent.ts';
import { GatewayError } from '../../src/errors.ts';
import { message, QQ } from '../support/inbound.ts';
import { expectNoPollution, hostileText, mutantsOf, runs } from './hostile.ts';

const WHOLE = {
  id: 'c',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
} as const;
const CHUNK = { id: 'c', choices: [{ index: 0, delta: { content: 'hello' }, finish_reason: null }] } as const;
const LAST = { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] } as const;
const ERROR = { error: { message: 'no', type: 'x', code: 'y', param: null } } as const;
const TEXT = { text: 'hello' } as const;
const REPLIES = { replies: [{ text: 'hello', to: '1' }, { text: 'more' }] } as const;

const TURN: AgentTurn = {
  id: 'turn-1',
  connectionId: QQ,
  conversation: 'c2c:ann',
  session: 'holdfast-qq-main-abc',
  messages: [message('1')],
  history: [],
};

describe('an agent', () => {
  let answer: (response: ServerResponse) => void = (response) => response.end();
  const server = createServer((request, response) => {
    request.resume().once('end', () => answer(response));
  });
  let agents: { readonly openai: Agent; readonly webhook: Agent };

  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const common = { timeoutMs: 5_000, historyMessages: 0, maxMessagesPerTurn: 1 };
    agents = {
      openai: createAgent({ kind: 'openai', url: `${url}/v1`, model: 'm', maxRetries: 0, ...common }),
      webhook: createAgent({ kind: 'webhook', url, secret: 'a shared secret', ...common }),
    };
  });

  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  /** What comes of one answer: text, or an error that says what to do with the turn. */
  async function expectSense(agent: Agent, status: number, type: string, body: string): Promise<void> {
    answer = (response) => response.writeHead(status, { 'content-type': type }).end(body);
    const { signal } = new AbortController();
    const outcome = await agent.reply(TURN, { signal }).catch((error: unknown) => error);
    if (outcome instanceof Error) {
      if (!(outcome instanceof GatewayError)) throw outcome;
      expect(outcome.message.length).toBeLessThan(10_000);
    } else {
      for (const { text } of outcome as readonly { text: unknown }[]) expect(typeof text).toBe('string');
    }
    expectNoPollution();
  }

  async function expectStillWell(agent: Agent, type: string, body: string): Promise<void> {
    answer = (response) => response.writeHead(200, { 'content-type': type }).end(body);
    const replies = await agent.reply(TURN, { signal: new AbortController().signal });
    expect(replies.map(({ text }) => text)).toEqual(['hello']);
  }

  const status = fc.oneof(
    { weight: 4, arbitrary: fc.constant(200) },
    fc.constantFrom(201, 204, 302, 400, 401, 429, 500, 502),
  );
  const check = async (property: fc.IAsyncProperty<[number, string]>, quick: number) =>
    await fc.assert(property, { numRuns: runs(quick), endOnFailure: true });

  it('that answers whole', { timeout: 3_600_000 }, async () => {
    const property = fc.asyncProperty(status, mutantsOf(WHOLE, ERROR), (code, body) =>
      expectSense(agents.openai, code, 'application/json', body),
    );
    await check(property, 800);
    await expectStillWell(agents.openai, 'application/json', JSON.stringify(WHOLE));
  });

  it('that streams', { timeout: 3_600_000 }, async () => {
    const event = fc.oneof(
      { weight: 6, arbitrary: mutantsOf(CHUNK, LAST, ERROR).map((json) => `data: ${json}\n\n`) },
      { weight: 2, arbitrary: fc.constant(`data: ${JSON.stringify(CHUNK)}\n\n`) },
      { weight: 1, arbitrary: hostileText.map((text) => `${text}\n`) },
      {
        weight: 1,
        arbitrary: fc.constantFrom('data: [DONE]\n\n', ': ping\n\n', 'event: error\ndata: {}\n\n', 'data\n\n'),
      },
    );
    const property = fc.asyncProperty(
      status,
      fc.array(event, { maxLength: 5 }).map((all) => all.join('')),
      (code, body) => expectSense(agents.openai, code, 'text/event-stream', body),
    );
    await check(property, 800);
    const whole = [CHUNK, LAST].map((one) => `data: ${JSON.stringify(one)}\n\n`).join('');
    await expectStillWell(agents.openai, 'text/event-stream', `${whole}data: [DONE]\n\n`);
  });

  it('that is a webhook', { timeout: 3_600_000 }, async () => {
    const property = fc.asyncProperty(status, mutantsOf(TEXT, REPLIES), (code, body) =>
      expectSense(agents.webhook, code, 'application/json', body),
    );
    await check(property, 800);
    await expectStillWell(agents.webhook, 'application/json', JSON.stringify(TEXT));
  });
});
