/** Doctor against real platforms, proxies, sinks and Redis that have what it should find, and beside who must not be disturbed. */
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig } from '../../src/config.ts';
import { examine } from '../../src/doctor/doctor.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { type Evidence, gather } from '../../src/doctor/gather.ts';
import { createAdapters } from '../../src/run/adapters.ts';
import { desiredFromConfig } from '../../src/run/desired-from-config.ts';
import { applyDesired } from '../../src/state/desired.ts';
import { createKeys } from '../../src/state/keys.ts';
import { openQueue } from '../../src/state/queues.ts';
import { recordSweep } from '../../src/state/sweeps.ts';
import { reportWorker } from '../../src/state/workers.ts';
import { startQq } from '../emulators/qq/index.ts';
import { startTelegram } from '../emulators/telegram/index.ts';
import { startAlertReceiver } from '../support/alert-receiver.ts';
import { startTinyproxy } from '../support/proxies.ts';
import { startRedis, useRedis } from '../support/redis.ts';
import { folderWith } from '../unit/config/load.ts';

const redis = useRedis();
const WORKER = 'other-host/1' as never;

async function doctor(document: object, { evidence = null as Evidence | null, sendAlerts = false } = {}) {
  const folder = folderWith({ 'holdfast.yaml': stringify({ http: false, ...document }) });
  const findings = await examine(
    {
      config: loadConfig({ file: join(folder, 'holdfast.yaml'), env: {} }),
      problems: [],
      evidence,
      whyNot: 'no Redis in this test',
      adapters: createAdapters(),
      sendAlerts,
      log: pino({ level: 'silent' }),
    },
    new AbortController().signal,
  );
  return {
    findings,
    of: (check: string, subject?: string): Finding =>
      findings.find((one) => one.check === check && (subject === undefined || one.subject === subject)) ??
      expect.fail(`no ${check} in ${JSON.stringify(findings, null, 1)}`),
  };
}

type Qq = Awaited<ReturnType<typeof startQq>>;
const qqAt = ({ appId, clientSecret, apiBaseUrl, tokenUrl }: Qq, more: object = {}) => ({
  id: 'qq-main',
  platform: 'qq',
  appId,
  clientSecret,
  apiBaseUrl,
  tokenUrl,
  ...more,
});

describe('QQ', () => {
  it('that is well is found well, without opening a session', async () => {
    await using qq = await startQq();
    const { findings, of } = await doctor({ connections: [qqAt(qq)] });
    for (const check of ['token', 'whitelist', 'gateway', 'sessions'])
      expect(of(`platform.${check}`).status).toBe('ok');
    expect(of('platform.sessions').message).toMatch(/\d+ of \d+ new sessions/);
    expect(findings.filter(({ status }) => status === 'fail')).toEqual([]);
    expect([qq.journal.count('identify'), qq.journal.count('resume')]).toEqual([0, 0]);
  });

  it('with a wrong secret, an address that is not listed, and few sessions is told so', async () => {
    await using qq = await startQq();
    const limit = { total: 1_000, remaining: 20, reset_after: 3_600_000, max_concurrency: 1 };
    const body = { url: 'ws://127.0.0.1:1/', shards: 1, session_start_limit: limit };
    const said = qq.faults.apiError({ name: 'json', status: 200, body }, { path: /gateway/ });
    const few = await doctor({ connections: [qqAt(qq)] });
    expect(few.of('platform.sessions')).toMatchObject({ status: 'warn', fix: expect.stringMatching(/second program/) });
    expect(few.of('platform.gateway')).toMatchObject({
      status: 'fail',
      message: expect.stringMatching(/127\.0\.0\.1:1/),
    });
    said.clear();
    const wrong = await doctor({ connections: [qqAt(qq, { clientSecret: 'not-the-secret-of-it' })] });
    expect(wrong.of('platform.token')).toMatchObject({ status: 'fail', fix: expect.stringMatching(/QQ bot console/) });
    expect(wrong.of('platform.gateway').status).toBe('skipped');
    expect(JSON.stringify(wrong.findings)).not.toContain('not-the-secret-of-it');
    qq.faults.ipNotListed();
    const unlisted = await doctor({ connections: [qqAt(qq)] });
    expect(unlisted.of('platform.whitelist')).toMatchObject({
      status: 'fail',
      message: expect.stringMatching(/whitelist .*40023002/),
      fix: expect.stringMatching(/IP whitelist/),
    });
  });
});

describe('Telegram', () => {
  const bot = (telegram: { token: string; url: string }, more: object = {}) => ({
    id: 'tg-main',
    platform: 'telegram',
    token: telegram.token,
    apiBaseUrl: telegram.url,
    ...more,
  });
  const polls = ({ journal }: Awaited<ReturnType<typeof startTelegram>>) =>
    journal.of('call', ({ method }) => /^getUpdates$/i.test(method)).length;

  it('is not polled while somebody of ours holds it, or may', async () => {
    await using telegram = await startTelegram();
    const { of } = await doctor({ connections: [bot(telegram)] });
    expect([of('platform.token').status, of('platform.webhook').status]).toEqual(['ok', 'ok']);
    expect(of('platform.rival')).toMatchObject({ status: 'skipped', message: expect.stringMatching(/not probed/) });
    expect(polls(telegram)).toBe(0);
  });

  it('is probed when nobody of ours can poll, and a rival, a webhook and a wrong token are named', async () => {
    await using telegram = await startTelegram();
    const client = redis.server.client();
    const keys = createKeys(redis.prefix());
    const evidence = await gather(client, keys, TIMINGS, null);
    const free = await doctor({ connections: [bot(telegram)] }, { evidence });
    expect(free.of('platform.rival').status).toBe('ok');
    expect(polls(telegram)).toBeGreaterThan(0);
    const conflict = { code: 409, description: 'Conflict: terminated by other getUpdates request' };
    const standing = telegram.faults.refuse(conflict, { method: 'getUpdates' });
    const rival = await doctor({ connections: [bot(telegram)] }, { evidence });
    expect(rival.of('platform.rival')).toMatchObject({ status: 'fail', fix: expect.stringMatching(/other program/) });
    standing.clear();
    const wrong = await doctor({ connections: [bot(telegram, { token: '4711:not-the-token-of-it' })] }, { evidence });
    expect(wrong.of('platform.token')).toMatchObject({ status: 'fail', fix: expect.stringMatching(/@BotFather/) });
    expect(JSON.stringify(wrong.findings)).not.toContain('not-the-token');
    const set = await fetch(`${telegram.url}/bot${telegram.token}/setWebhook?url=https://hook.example/secret-path`);
    expect(set.status).toBe(200);
    const hooked = await doctor({ connections: [bot(telegram)] }, { evidence });
    expect(hooked.of('platform.webhook')).toMatchObject({
      status: 'fail',
      message: 'a webhook is set (hook.example), which excludes polling',
    });
    expect(hooked.of('platform.rival').status).toBe('skipped');
  });
});

const TIMINGS = { renewEveryMs: 300, sweepEveryMs: 100 };

describe('the way to a platform', () => {
  it('through a proxy is tried with its credentials', async () => {
    const user = { user: 'bot', password: 'right-password' };
    await using proxy = await startTinyproxy({ user });
    await using qq = await startQq();
    const by = (password: string) => ({
      connections: [qqAt(qq, { proxy: `http://bot:${password}@127.0.0.1:${proxy.port}` })],
    });
    const right = await doctor(by(user.password));
    expect(right.of('route')).toMatchObject({
      status: 'ok',
      message: expect.stringContaining(`http proxy 127.0.0.1:${proxy.port}`),
    });
    const wrong = await doctor(by('other-password'));
    expect(wrong.of('route')).toMatchObject({ status: 'fail', fix: expect.stringMatching(/user and password/) });
    expect(JSON.stringify([right.findings, wrong.findings])).not.toMatch(/right-password|other-password/);
  });

  it('that is shared is tried once, and names that do not exist are told', async () => {
    await using qq = await startQq();
    const names = ['a', 'b', 'c', 'd', 'e'].map((id) => qqAt(qq, { id, apiBaseUrl: 'http://no-such-host.invalid' }));
    const { findings, of } = await doctor({ connections: names });
    expect(findings.filter(({ check }) => check === 'dns')).toHaveLength(2);
    expect(of('dns', 'a, b, c and 2 more')).toMatchObject({
      status: 'fail',
      message: expect.stringMatching(/^no-such-host\.invalid/),
    });
  });
});

describe('alert sinks', () => {
  const sinks = (url: string, secret: string) => ({ alerts: { sinks: [{ kind: 'webhook', url, secret }] } });

  it('are only looked at, unless a test is asked for, which says that it is one', async () => {
    await using receiver = await startAlertReceiver();
    const looked = await doctor(sinks(receiver.url, receiver.secret));
    expect(looked.of('alerts').status).toBe('ok');
    expect(receiver.accepted).toEqual([]);
    const sent = await doctor(sinks(receiver.url, receiver.secret), { sendAlerts: true });
    expect(sent.of('alerts').status).toBe('ok');
    expect(receiver.accepted).toHaveLength(1);
    expect(receiver.accepted[0]?.notification).toMatchObject({
      kind: 'test',
      subjects: [],
      title: expect.stringMatching(/Test by/),
    });
    receiver.mode = 'fail';
    const refused = await doctor(sinks(receiver.url, receiver.secret), { sendAlerts: true });
    expect(refused.of('alerts')).toMatchObject({ status: 'fail', message: expect.stringMatching(/answered HTTP 5/) });
    const away = await doctor(sinks('http://127.0.0.1:1/', receiver.secret));
    expect(away.of('alerts')).toMatchObject({ status: 'fail', message: expect.stringMatching(/ECONNREFUSED/) });
    expect((await doctor({})).of('alerts')).toMatchObject({
      status: 'warn',
      message: expect.stringMatching(/no sink/),
    });
  });
});

describe('Redis and what runs', () => {
  it('are read as they are: policy, AOF, clocks of hosts, secrets that this host lacks', async () => {
    await using server = await startRedis({ aof: false });
    const client = server.client();
    const keys = createKeys('doctor');
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await using qq = await startQq();
    const document = { redis: { url: 'redis://127.0.0.1:1/0' }, connections: [qqAt(qq)] };
    const config = loadConfig({
      file: join(folderWith({ 'holdfast.yaml': stringify(document) }), 'holdfast.yaml'),
      env: {},
    });
    await applyDesired(client, keys, desiredFromConfig(config), { removeOthers: false });
    await recordSweep(client, keys, WORKER);
    const report = {
      roles: ['agent'],
      connections: 0,
      capacity: 0,
      eventLoopLagMs: 0,
      incarnation: 'i',
      draining: false,
    };
    await reportWorker(client, keys, WORKER, report, 60_000);
    const body = JSON.stringify({ ...report, wallAt: Date.now() - 5_000 });
    await client.hset(keys.worker(WORKER), 'body', body);
    const evidence = await gather(client, keys, TIMINGS, null);
    const { of } = await doctor(document, { evidence });
    expect(of('redis').status).toBe('ok');
    expect(of('redis.eviction')).toMatchObject({ status: 'fail', message: expect.stringMatching(/allkeys-lru/) });
    expect(of('redis.durability')).toMatchObject({ status: 'warn', fix: expect.stringMatching(/appendonly/) });
    expect(of('clock').status).toBe('ok');
    expect(of('clock.workers', 'other-host')).toMatchObject({
      status: 'warn',
      message: expect.stringMatching(/behind/),
    });
    expect(of('scheduler').status).toBe('ok');
    expect(of('connection', 'qq-main').status).toBe('fail');
    const gone = await doctor(document);
    expect(gone.of('redis')).toMatchObject({ status: 'fail', message: 'no Redis in this test' });
  });

  it('a chat carries the test of a chat sink', async () => {
    const client = redis.server.client();
    const keys = createKeys(redis.prefix());
    await using qq = await startQq();
    const document = {
      connections: [qqAt(qq)],
      alerts: { sinks: [{ kind: 'chat', connection: 'qq-main', conversation: 'c2c:4711' }] },
    };
    const deliveries = openQueue('deliveries', keys, { path: redis.server.path }, () => undefined);
    try {
      const read = await gather(client, keys, TIMINGS, { client, keys, deliveries: deliveries as never });
      const carrier = { id: 'qq-main', state: 'live', owner: 'a/1' };
      const live = { ...read, status: { ...read.status, connections: [carrier as never] } };
      expect((await doctor(document, { evidence: live })).of('alerts')).toMatchObject({
        status: 'ok',
        message: expect.stringMatching(/is live/),
      });
      expect((await doctor(document, { evidence: read })).of('alerts')).toMatchObject({ status: 'warn' });
      expect((await doctor(document, { evidence: live, sendAlerts: true })).of('alerts').status).toBe('ok');
      expect(await client.zcard(keys.connection('qq-main' as never).activeOutboxes)).toBe(1);
    } finally {
      await deliveries.close();
    }
  });
});
