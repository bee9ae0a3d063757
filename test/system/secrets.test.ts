/**
 * Secrets stay where they belong (SECURITY.md). Each of an installation's secrets is planted, and everything that can
 * quote one does: platforms, agents, proxies and receivers of alerts in their refusals, errors about URLs that hold one.
 * Then every place where text of Holdfast ends up is searched: logs of all processes, all of Redis and its file, every
 * route and page, every command, the command lines of processes, the files of the installation.
 */
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts';
import {
  type Installation,
  install,
  qqConnection,
  SCALED_TIMINGS,
  telegramConnection,
} from '../support/installation.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai-server.ts';
import { filesIn, leaks, type Place } from '../support/planted.ts';
import { type RealProxy, startTinyproxy, whyNoProxy } from '../support/proxies.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { everythingIn } from '../support/redis-contents.ts';
import { type ServedProcess, signalProcess } from '../support/served-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { call } from '../support/web-bench.ts';

/** None is part of another one, and each has a character that URLs or JSON spell otherwise. */
const PLANTED = {
  qqClientSecret: 'planted-qq-client/secret-Xq1',
  telegramToken: '4711000:planted-telegram-token-Xt2',
  nowhereToken: '4711003:planted-nowhere-token-Xt5',
  strangerToken: '4711001:planted-strangers-token-Xt3',
  adminToken: 'planted-admin/token-"quoted"-Xa4',
  agentKey: 'planted-agent-key-Xk5',
  agentSecret: 'planted-agent-webhook/secret-Xw6',
  alertSecret: 'planted-alert-webhook/secret-Xw7',
  slackPath: 'T0PLANTED/B0PLANTED/planted-slack-path-Xs8',
  proxyUser: 'planted-proxy-user-Xp9',
  proxyPassword: 'planted-Pa55-of-the-proxy-Xp0',
  redisPassword: 'planted-redis-password-Xr1',
} as const;

/** For what is waited for while the machine has much else to do, ms. */
const PATIENCE_MS = 60_000;

const proxyMissing = whyNoProxy('tinyproxy');
if (proxyMissing !== null) console.warn(`secrets.test.ts: no secrets of a proxy are planted: ${proxyMissing}`);

describe('planted secrets', { timeout: 240_000 }, () => {
  let qq: QqEmulator;
  let telegram: TelegramEmulator;
  let redis: TestRedis;
  let proxy: RealProxy | undefined;
  let agent: OpenAiServer;
  let quoting: Awaited<ReturnType<typeof startQuotingServer>>;
  let installation: Installation;
  let folder: string;
  /** What came of secrets while it ran: access tokens, session cookies. */
  const derived: Record<string, string> = {};
  const shown: Place[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hf-secrets-'));
    await writeFile(join(folder, 'redis.conf'), conf(), { mode: 0o600 });
    [qq, telegram, redis, agent, quoting] = await Promise.all([
      startQq({ clientSecret: PLANTED.qqClientSecret }),
      startTelegram({ token: PLANTED.telegramToken }),
      startRedis({ config: join(folder, 'redis.conf') }),
      startOpenAiServer((text) => `you said: ${text}`),
      startQuotingServer(),
    ]);
    if (proxyMissing === null) {
      proxy = await startTinyproxy({ user: { user: PLANTED.proxyUser, password: PLANTED.proxyPassword } });
    }
    installation = await install({ ...settings('openai'), env: environment() });
  }, 60_000);

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await Promise.all([quoting, agent, proxy, redis].map((each) => each?.[Symbol.asyncDispose]()));
    await Promise.all([qq?.close(), telegram?.close()]);
    await rm(folder, { recursive: true, force: true });
  });

  const conf = () => `requirepass ${PLANTED.redisPassword}\nappendonly yes\nappendfsync always\nsave ""\n`;
  const reference = (name: string) => `\${${name}}`;
  const proxyUrl = (password: string) =>
    `http://${PLANTED.proxyUser}:${encodeURIComponent(password)}@127.0.0.1:${proxy?.port}`;

  function environment(): Record<string, string> {
    return {
      ...PLANTED,
      redisUrl: redis.url.replace('redis://', `redis://:${PLANTED.redisPassword}@`),
      slackUrl: `${quoting.url}/slack/${PLANTED.slackPath}`,
      deafSlackUrl: `http://127.0.0.1:9/slack/${PLANTED.slackPath}`,
      ownProxy: proxy === undefined ? 'direct' : proxyUrl(PLANTED.proxyPassword),
      wrongProxy: proxy === undefined ? 'direct' : proxyUrl(`${PLANTED.proxyPassword}-wrong`),
    };
  }

  function settings(kind: 'openai' | 'webhook') {
    return {
      redis: { url: reference('redisUrl'), prefix: 'planted' },
      timings: { ...SCALED_TIMINGS, probeEveryMs: 1_000 },
      http: { port: 0, adminToken: reference('adminToken') },
      agent:
        kind === 'openai'
          ? { kind, url: agent.url, apiKey: reference('agentKey'), model: 'm' }
          : { kind, url: `${quoting.url}/agent`, secret: reference('agentSecret') },
      alerts: {
        downAfterMs: 1_000,
        sinks: [
          { kind: 'webhook', url: `${quoting.url}/alerts`, secret: reference('alertSecret') },
          { kind: 'slack', webhookUrl: reference('slackUrl') },
          { kind: 'slack', webhookUrl: reference('deafSlackUrl') },
        ],
      },
      connections: [
        qqConnection(qq, 'qq-main', qq, { clientSecret: reference('qqClientSecret'), proxy: reference('ownProxy') }),
        telegramConnection(telegram, { token: reference('telegramToken'), pollMs: 1_000 }),
        // The platform knows no such bot, and the proxy no such password.
        telegramConnection(telegram, { id: 'tg-stranger', token: reference('strangerToken') }),
        telegramConnection(telegram, { id: 'tg-proxy', token: '4711002:somebody', proxy: reference('wrongProxy') }),
        // Its errors are about a URL with a token in it.
        telegramConnection(telegram, {
          id: 'tg-nowhere',
          token: reference('nowhereToken'),
          apiBaseUrl: 'http://no-such-host.invalid',
        }),
      ],
    };
  }

  it('are used and quoted everywhere: refusals, outages, a takeover, alerts, dead letters', async () => {
    const up = await installation.start('up', '--processes', '2').ready();
    await Promise.all(['qq-main', 'tg-main'].map((id) => installation.live(id, PATIENCE_MS)));
    const asked = qq.user('ALICE').say('hello');
    await qq.journal.waitUntil(() => qq.journal.repliesTo(asked.messageId).length > 0, { timeoutMs: PATIENCE_MS });

    // The platforms quote: the secret to the token call, the token to sends, discovery and closes.
    const [token = ''] = qq.tokens();
    const quote = (...values: string[]) => `refused, you sent ${values.join(' and ')}`;
    const body = { code: 40034999, message: quote(token, PLANTED.qqClientSecret) };
    qq.faults.apiError({ name: 'json', status: 400, body }, { path: /\/messages$/, times: 2 });
    telegram.faults.refuse(
      { code: 400, description: quote(PLANTED.telegramToken, `https://api/bot${PLANTED.telegramToken}/x`) },
      { method: 'sendMessage', times: 2 },
    );
    agent.failNext.push(401);
    qq.user('BOB').say('a question that the agent refuses');
    await waitUntil('the agent to be asked', () => agent.failNext.length === 0, { timeoutMs: PATIENCE_MS });
    qq.user('CAROL').say('an answer that the platform refuses');
    telegram.bot().say(7_001, 'an answer that the platform refuses');
    await deadLetters(3);

    const mark = qq.journal.mark();
    qq.faults.tokenError(100999, { times: 2, message: quote(PLANTED.qqClientSecret) });
    qq.faults.apiError({ name: 'json', status: 500, body }, { path: /^\/gateway/, times: 2 });
    qq.faults.revokeTokens();
    qq.faults.close(4009, quote(token).slice(0, 120));
    telegram.faults.refuse(
      { code: 500, description: quote(PLANTED.telegramToken) },
      { method: 'getUpdates', times: 2 },
    );
    const isBack = () =>
      qq.journal.of('resumed', undefined, mark).length +
        qq.journal.of('identify', ({ outcome }) => outcome === 'accepted', mark).length >
      0;
    await waitUntil('QQ to be back', isBack, { timeoutMs: PATIENCE_MS, explain: aboutQq });

    // A takeover, an outage long enough for alerts, and their sinks that refuse, each in its words.
    const { owner } = await installation.live('qq-main', PATIENCE_MS);
    signalProcess(Number(owner?.split('/').at(-1)), 'SIGKILL');
    await installation.waitFor('to be held by another', (each) => each.state === 'live' && each.owner !== owner, {
      timeoutMs: PATIENCE_MS,
    });
    qq.faults.tokenError(100016, { message: quote(PLANTED.qqClientSecret) });
    qq.faults.revokeTokens();
    qq.faults.dropSockets({ how: 'rst' });
    await installation.waitFor('to be down', ({ state }) => state !== 'live');
    await waitUntil('alerts', () => quoting.seen.has('/alerts') && quoting.seen.has('/slack'), {
      timeoutMs: PATIENCE_MS,
    });

    await look(up);
    await up.stop();
  });

  it('and by an agent that is a webhook', async () => {
    await qq.faults.clear();
    await installation.configure({ ...settings('webhook') });
    const up = await installation.up();
    await installation.live('tg-main', PATIENCE_MS);
    const before = (await dead()).length;
    telegram.bot().say(7_002, 'a question that the webhook refuses');
    await deadLetters(before + 1);
    expect(quoting.seen).toContain('/agent');
    await look(up);
    await up.stop();
  });

  it('stand in no log, no Redis value or file, no page, no API answer, no metric, no command line', async () => {
    for (const [index, token] of qq.tokens().entries()) derived[`accessToken${index}`] = token;
    expect(Object.keys(derived).filter((name) => name.startsWith('accessToken')).length).toBeGreaterThanOrEqual(3);
    const client = redis.client({ password: PLANTED.redisPassword }) as Redis;
    const dump = await everythingIn(client as never);
    await client.save();
    const places: Place[] = [
      ...shown,
      ...installation.processes.map(({ output, name, pid }) => ({
        name: `the log of ${name} (${pid})`,
        text: output,
        contains: '"event":"ready"',
      })),
      { name: 'Redis', text: dump, contains: 'qq-main' },
      ...filesIn(redis.dir)
        .filter(({ path }) => /aof|rdb/.test(path))
        .map(({ path, bytes }) => ({ name: path, text: bytes, contains: '' })),
      ...filesIn(installation.dir).map(({ path, bytes }) => ({ name: path, text: bytes, contains: '' })),
    ];
    expect(places.some(({ name }) => name.endsWith('.rdb'))).toBe(true);
    expect(places.some(({ name }) => name.includes('aof'))).toBe(true);
    // What comes first in a token is public: the id of the bot.
    const secrets = Object.entries({ ...PLANTED, ...derived }).map(([name, value]) => [
      name,
      value.replace(/^\d+:/, ''),
    ]);
    if (proxyMissing !== null) expect(secrets).not.toHaveLength(0);
    expect(leaks(Object.fromEntries(secrets), places)).toEqual([]);
  });

  const dead = async (): Promise<unknown[]> =>
    JSON.parse((await installation.run(['messages', 'dead', '--json'])).stdout);

  const aboutQq = () =>
    installation
      .output()
      .split('\n')
      .filter((line) => line.includes('"qq-main"'))
      .slice(-12)
      .join('\n');

  async function deadLetters(least: number): Promise<void> {
    await waitUntil(`${least} dead letters`, async () => (await dead()).length >= least, {
      timeoutMs: PATIENCE_MS,
      everyMs: 500,
      explain: () => installation.tails(),
    });
  }

  /** Everything that somebody could look at while it runs. */
  async function look(up: ServedProcess): Promise<void> {
    const { url } = await up.waitForLine(({ event }) => event === 'web');
    const web = String(url);
    const bearer = { authorization: `Bearer ${PLANTED.adminToken}` };
    const wrong = await call(`${web}/api/status`, { headers: { authorization: 'Bearer not-the-token' } });
    expect(wrong.status).toBe(401);
    const session = await logIn(web);

    const openapi = (await call(`${web}/api/openapi.json`, { headers: bearer })).json();
    const told: { path: string; text: string }[] = [];
    const ask = async (path: string, method: 'GET' | 'POST' = 'GET', headers: Record<string, string> = bearer) => {
      const body = method === 'POST' ? { body: '{}' } : {};
      const json = method === 'POST' ? { 'content-type': 'application/json' } : {};
      const answer = await readFor(`${web}${path}`, { method, headers: { ...headers, ...json }, ...body });
      told.push({ path: `${method} ${path}`, text: answer });
    };
    for (const [template, methods] of Object.entries(openapi.paths as Record<string, object>)) {
      for (const method of Object.keys(methods)) {
        for (const path of fillIn(template)) await ask(path, method === 'get' ? 'GET' : 'POST');
      }
    }
    const pages = [
      '/',
      '/login',
      '/connections/qq-main',
      '/connections/tg-stranger',
      '/metrics',
      '/healthz',
      '/readyz',
    ];
    for (const path of pages) await ask(path, 'GET', { cookie: session, accept: 'text/html' });
    const board = '/admin/queues/api/queues';
    for (const queue of ['connections', 'turns', 'deliveries'])
      await ask(`${board}?activeQueue=${queue}&status=latest`);
    for (const id of ['qq-main', 'tg-main', 'tg-stranger']) {
      await ask(`${board}/connections/${id}`);
      await ask(`${board}/connections/${id}/logs`);
    }
    // A token where it does not belong must not come back in an answer or a log.
    await call(`${web}/api/nothing?token=${encodeURIComponent(PLANTED.adminToken)}`, { headers: bearer });
    shown.push({
      name: 'HTTP',
      text: told.map(({ path, text }) => `${path}\n${text}`).join('\n'),
      contains: 'tg-stranger',
    });

    const commands = [
      ['status'],
      ['status', '--json'],
      ['connections', 'list'],
      ['connections', 'show', 'qq-main'],
      ['connections', 'show', 'tg-stranger', '--json'],
      ['messages', 'dead'],
      ['messages', 'dead', '--json'],
      ['doctor'],
      ['doctor', '--json'],
    ];
    const outputs = await Promise.all(commands.map((command) => installation.run(command)));
    const printed = outputs.map(({ stdout, stderr }) => `${stdout}${stderr}`).join('\n');
    shown.push({ name: 'commands', text: printed, contains: 'tg-stranger' });
    shown.push({ name: 'command lines', text: await commandLines(), contains: 'cli.js' });
  }

  async function logIn(web: string): Promise<string> {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const post = (token: string) =>
      call(`${web}/login`, { method: 'POST', headers: form, body: `token=${encodeURIComponent(token)}&next=%2Flogin` });
    const refused = await post(`${PLANTED.adminToken}-mistyped`);
    shown.push({ name: 'a refused login', text: refused.text, contains: 'That is not the admin token' });
    const { headers } = await post(PLANTED.adminToken);
    const [cookie = ''] = String(headers['set-cookie']).split(';');
    expect(cookie).toMatch(/^holdfast_session=.+/);
    derived.session = decodeURIComponent(cookie.split('=')[1] ?? '');
    return cookie;
  }
});

/** Routes with a connection or a letter in them, asked for some that are there and one that is not. */
function fillIn(template: string): string[] {
  if (!template.includes('{')) return [template];
  // Stopping what is looked at would hide what is looked for.
  if (/\/(?:pause|restart|handoff|retry|remove)$/.test(template)) return [template.replace(/\{\w+\}/g, 'nobody')];
  return ['qq-main', 'tg-stranger', 'nobody'].map((id) => template.replace(/\{\w+\}/g, id));
}

/** An answer; of a stream what comes within a moment. */
async function readFor(url: string, init: RequestInit): Promise<string> {
  const answer = await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(10_000) });
  if (!answer.headers.get('content-type')?.includes('text/event-stream')) {
    return `${JSON.stringify([...answer.headers])}\n${await answer.text()}`;
  }
  let text = '';
  const until = performance.now() + 500;
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  while (reader !== undefined && performance.now() < until) {
    const late = new Promise<null>((resolve) => setTimeout(resolve, 500, null));
    const piece = await Promise.race([reader.read(), late]);
    if (piece === null || piece.done) break;
    text += piece.value;
  }
  await reader?.cancel();
  return text;
}

/** Command lines and titles of all processes of this machine. */
async function commandLines(): Promise<string> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const read = (path: string) => readFile(path, 'utf8').catch(() => '');
  const lines = pids.flatMap((pid) => [read(`/proc/${pid}/cmdline`), read(`/proc/${pid}/comm`)]);
  return (await Promise.all(lines)).join('\n');
}

/** Refuses everything, and says in its refusals what it was sent: headers, its own path, and the secrets it knows. */
async function startQuotingServer() {
  const seen = new Set<string>();
  const server = createServer((request: IncomingMessage, response) => {
    seen.add(`/${request.url?.split('/')[1]}`);
    const knows = [PLANTED.agentSecret, PLANTED.alertSecret, PLANTED.slackPath];
    request.resume().once('end', () => {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { url: request.url, headers: request.headers, knows } }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
