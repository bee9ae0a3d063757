/**
 * What comes back from outside, and where what goes out may go: bodies without an end, packed or not, redirects, addresses
 * that were given to us, and addresses of a name that are far away.
 */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { connectionId } from '../../../src/model.ts';
import { PACKERS, repeated, send } from '../../support/endless-body.ts';
import { LONG, qqConnection, telegramConnection } from '../../support/installation.ts';
import { SlowLink, whyNoSlowLink } from '../../support/slow-link.ts';
import { makeTestCa } from '../../support/test-ca.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { type FieldRow, replay } from '../row.ts';
import { type Answer, chunkOf } from '../scripted-agent.ts';
import { askQq, askTelegram, PATIENCE_MS, type Scene, type Stage } from '../stage.ts';

const MIB = 1024 * 1024;
/** What a bomb holds: enough to be seen, and made within seconds on a busy machine. */
const MUCH = (LONG ? 2_048 : 384) * MIB;

/** Of a process and all below it, bytes. */
function memoryOf(pid: number): number {
  const field = (text: string, name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const text = readFileSync(`/proc/${name}/status`, 'utf8');
        return [{ pid: Number(name), parent: field(text, 'PPid'), bytes: field(text, 'VmRSS') * 1024 }];
      } catch {
        return [];
      }
    });
  const below = (of: number): number =>
    all.filter(({ parent }) => parent === of).reduce((sum, each) => sum + each.bytes + below(each.pid), 0);
  return (all.find((each) => each.pid === pid)?.bytes ?? 0) + below(pid);
}

/** Asks for an answer that is hostile; meanwhile others are answered, and memory stays where it was. */
async function sustain(scene: Scene, hostile: Answer): Promise<void> {
  const { agent, telegram, up } = scene;
  await askTelegram(telegram, 7, 'warm up');
  const before = memoryOf(up.pid);
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, memoryOf(up.pid));
  }, 100);
  try {
    agent.next(hostile);
    telegram.bot().say(5, 'the hostile one');
    await waitUntil('the agent to be asked', () => agent.calls.some(({ text }) => text.includes('the hostile one')), {
      timeoutMs: PATIENCE_MS,
    });
    expect(await askTelegram(telegram, 6, 'and me?')).toEqual(['echo: and me?']);
    await refused(scene);
  } finally {
    clearInterval(watch);
  }
  expect(most - before).toBeLessThan(250 * MIB);
}

/** The turn ends as a dead letter that says why, after one question; the chat goes on. */
async function refused({ agent, telegram, installation }: Scene): Promise<void> {
  const dead = async () => (await installation.run(['messages', 'dead'])).stdout;
  await waitUntil('a dead letter', async () => (await dead()).includes('AGENT_REFUSED'), {
    timeoutMs: 40_000,
    everyMs: 500,
  });
  expect(agent.calls.filter(({ text }) => text.includes('the hostile one'))).toHaveLength(1);
  expect(await askTelegram(telegram, 5, 'again')).toEqual(['echo: again']);
}

const stream = (response: ServerResponse, headers: Record<string, string> = {}) =>
  response.writeHead(200, { 'content-type': 'text/event-stream', ...headers });
const word = 'data: {"choices":[{"delta":{"content":"bomb "}}]}\n\n';

interface Hostile {
  readonly id: string;
  readonly what: string;
  readonly kind: 'openai' | 'webhook';
  readonly answer: Answer;
}

const HOSTILE: readonly Hostile[] = [
  {
    id: 'H3',
    what: 'one JSON of gigabytes in half a megabyte of gzip',
    kind: 'openai',
    answer(_, response) {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      void send(repeated(' ', MUCH), response, PACKERS.gzip());
    },
  },
  {
    id: 'H3b',
    what: 'a line of a stream that does not end',
    kind: 'openai',
    answer(_, response) {
      stream(response).write('data: {"choices":[{"delta":{"content":"');
      void send(repeated('x', MUCH), response);
    },
  },
  {
    id: 'H3c',
    what: 'a stream of proper words, packed with br, that does not end',
    kind: 'openai',
    answer: (_, response) =>
      void send(repeated(word, MUCH), stream(response, { 'content-encoding': 'br' }), PACKERS.br()),
  },
  {
    id: 'H3d',
    what: 'a refusal without an end',
    kind: 'openai',
    answer: (_, response) => void send(repeated('no ', MUCH), response.writeHead(400)),
  },
  {
    id: 'H3e',
    what: 'millions of empty replies',
    kind: 'webhook',
    answer: (_, response) =>
      void response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(`{"replies":[${'{},'.repeat(5_000_000)}{}]}`),
  },
  {
    id: 'H3f',
    what: 'more JSON than any files would make, packed',
    kind: 'webhook',
    answer(_, response) {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'deflate' });
      void send(repeated('{"text":"ok","files":["', MUCH), response, PACKERS.deflate());
    },
  },
];

replay('what agents answer', [
  ...HOSTILE.map(
    ({ id, what, kind, answer }): FieldRow => ({
      id,
      must: `refuse ${what}, once, with memory where it was and others answered meanwhile`,
      timeoutMs: LONG ? 300_000 : 90_000,
      run: async (stage) => sustain(await stage.echoing({ agent: kind, on: ['telegram'] }), answer),
    }),
  ),
  {
    id: 'H3g',
    must: 'follow no redirect of an agent, say where it leads, and answer when it is gone',
    async run(stage) {
      const elsewhere = await stage.agent();
      const { agent, telegram, installation } = await stage.echoing({ agent: 'openai', on: ['telegram'] });
      const there = elsewhere.origin.replace('127.0.0.1', 'localhost');
      agent.always((_, response) => void response.writeHead(307, { location: `${there}/v1?token=in-the-query` }).end());
      telegram.bot().say(5, 'private words');
      const host = there.replace('http://', '');
      await waitUntil('it is told', () => installation.output().includes(`redirected to ${host}`), {
        timeoutMs: PATIENCE_MS,
      });
      expect(elsewhere.calls).toEqual([]);
      expect(installation.output()).not.toContain('in-the-query');
      agent.always(undefined);
      await waitUntil('the answer', () => telegram.bot().delivered(5).length > 0, { timeoutMs: PATIENCE_MS });
      expect(telegram.bot().delivered(5)).toMatchObject([{ text: 'echo: private words' }]);
    },
  },
]);

/** Counts who comes; `host` is none of this machine's loopback names, where it has another. */
async function evilServer(stage: Stage): Promise<{ readonly host: string; readonly visits: () => number }> {
  let visits = 0;
  const server: Server = createServer((_request, response) => response.end('{}'));
  server.on('connection', () => (visits += 1));
  server.listen(0);
  await once(server, 'listening');
  stage.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const outer = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  const { port } = server.address() as AddressInfo;
  return { host: `${outer?.address ?? 'evil.localhost'}:${port}`, visits: () => visits };
}

replay('addresses that were given to us', [
  {
    id: 'M8',
    must: 'dial no gateway in clear that was named over TLS, and say so',
    async run(stage) {
      const ca = stage.use(await makeTestCa());
      const evil = await evilServer(stage);
      const qq = await stage.qq({ tls: ca.server });
      qq.faults.apiError(
        { name: 'json', status: 200, body: { url: `ws://127.0.0.1:${evil.host.split(':')[1]}/` } },
        { path: /^\/gateway/ },
      );
      const installation = await stage.install({
        connections: [qqConnection(qq)],
        env: { NODE_EXTRA_CA_CERTS: ca.caFile },
      });
      await installation.up();
      const { reason } = await installation.waitFor('to be parked', ({ state }) => state === 'parked');
      expect(reason).toMatch(/127\.0\.0\.1:\d+ is not encrypted and 127\.0\.0\.1:\d+ is/);
      expect(evil.visits()).toBe(0);
      expect((await installation.run(['status'])).code).toBe(1);
    },
  },
  {
    id: 'M8b',
    must: 'send the token to no gateway that somebody wrote into Redis, and keep the session',
    async run(stage) {
      const evil = await evilServer(stage);
      const redis = await stage.redis();
      const { qq, installation, up } = await stage.echoing({ on: ['qq'], rest: { redis: { url: redis.url } } });
      await up.stop();
      const { client, keys } = await installation.reader();
      const key = keys.connection(connectionId('qq-main')).cursor;
      const cursor = JSON.parse((await client.hget(key, 'cursor')) ?? '') as Record<string, unknown>;
      expect(cursor.gatewayUrl).toBe(qq.gatewayUrl);
      const gatewayUrl = `ws://${evil.host}/`;
      await client.hset(key, 'cursor', JSON.stringify({ ...cursor, gatewayUrl }));
      const { messageId } = qq.user('ALICE').say('meanwhile');
      const again = await installation.up();
      await installation.live('qq-main', PATIENCE_MS);
      await qq.journal.waitUntil(() => qq.journal.repliesTo(messageId).length === 1, { timeoutMs: PATIENCE_MS });
      expect(evil.visits()).toBe(0);
      expect(qq.journal.count('identify')).toBe(1);
      expect(again.lines.filter(({ event }) => event === 'gateway-refused')).toHaveLength(1);
    },
  },
]);

const cannot = whyNoSlowLink();
const ROUND_TRIP_MS = 300;

/** The port of a URL of an emulator, and the URL with a name in the place of its address. */
function named(url: string, name: string): { readonly port: number; readonly url: string } {
  const { port } = new URL(url);
  return { port: Number(port), url: url.replace('127.0.0.1', name) };
}

/** A link on which these ports are open, with a command prefix under which the names lead there. */
async function far(stage: Stage, ports: readonly number[], ...names: readonly string[]) {
  const link = stage.use(await SlowLink.create(ROUND_TRIP_MS));
  for (const port of ports) await link.open(port);
  const dir = await mkdtemp(join(tmpdir(), 'hf-far-'));
  stage.defer(() => rm(dir, { recursive: true, force: true }));
  return link.naming(dir, ...names);
}

replay('names whose first address takes 300 ms, and whose second never answers', [
  {
    id: 'G03',
    must: 'be reached by HTTP: platform and agent',
    cannot,
    async run(stage) {
      const [telegram, agent] = await Promise.all([stage.telegram(), stage.agent()]);
      const api = named(telegram.url, 'tg.slow.test');
      const model = named(agent.origin, 'agent.slow.test');
      const via = await far(stage, [api.port, model.port], 'tg.slow.test', 'agent.slow.test');
      const installation = await stage.install({
        connections: [telegramConnection(telegram, { apiBaseUrl: api.url, pollMs: 2_000 })],
        agent: { ...agent.settings('openai'), url: `${model.url}/v1` },
        timings: {},
      });
      const up = await installation.startVia(via, 'up').ready();
      expect(await askTelegram(telegram, 5, 'far away?')).toEqual(['echo: far away?']);
      expect(up.lines.filter(({ reason }) => String(reason).includes('timed out'))).toEqual([]);
    },
  },
  {
    id: 'G03b',
    must: 'be reached by WebSocket',
    cannot,
    async run(stage) {
      const qq = await stage.qq();
      const api = named(qq.apiBaseUrl, 'qq.slow.test');
      const gateway = named(qq.gatewayUrl, 'qq.slow.test');
      qq.faults.apiError({ name: 'json', status: 200, body: { url: gateway.url } }, { path: /^\/gateway/ });
      const via = await far(stage, [api.port, gateway.port], 'qq.slow.test');
      const urls = { apiBaseUrl: api.url, tokenUrl: named(qq.tokenUrl, 'qq.slow.test').url };
      const installation = await stage.install({ connections: [qqConnection(qq, 'qq-main', qq, urls)], timings: {} });
      await installation.startVia(via, 'up').ready();
      await installation.live('qq-main', PATIENCE_MS);
      expect(await askQq(qq, 'ALICE', 'far away?')).toEqual(['echo: far away?']);
      expect(qq.journal.count('dial')).toBe(1);
    },
  },
  {
    id: 'G03c',
    must: 'be reached as Redis',
    cannot,
    async run(stage) {
      const [telegram, redis] = await Promise.all([stage.telegram(), stage.redis()]);
      const { port, url } = named(redis.url, 'redis.slow.test');
      const via = await far(stage, [port], 'redis.slow.test');
      const connections = [telegramConnection(telegram, { pollMs: 2_000 })];
      const installation = await stage.install({ connections, redis: { url }, timings: {} });
      // Every command takes the round trip: that it began is enough.
      await installation.startVia(via, 'up').ready();
    },
  },
]);

replay('answers in blocks', [
  {
    id: 'G07',
    must: 'read content in blocks as text, streamed and whole, and drop what was thought',
    async run(stage) {
      const { telegram, agent } = await stage.echoing({ on: ['telegram'], agent: 'openai' });
      const thought = [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }];
      const hello = [{ type: 'text', text: 'Hello' }];
      agent.next((_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (const content of [thought, hello, ' there']) response.write(chunkOf({ content }, null));
        response.end(`${chunkOf({}, 'stop')}data: [DONE]\n\n`);
      });
      expect(await askTelegram(telegram, 1, 'streamed?')).toEqual(['Hello there']);
      agent.next((_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const message = { role: 'assistant', content: [...thought, ...hello] };
        response.end(
          JSON.stringify({
            id: 'c',
            object: 'chat.completion',
            choices: [{ index: 0, message, finish_reason: 'stop' }],
          }),
        );
      });
      expect(await askTelegram(telegram, 1, 'whole?')).toEqual(['Hello']);
      agent.say('and plain');
      expect(await askTelegram(telegram, 1, 'plain?')).toEqual(['and plain']);
    },
  },
]);
