/** What Redis, its users, its rights and the way to it can do to an installation. */
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { expect } from 'vitest';
import type { StatusDocument } from '../../../src/status/document.ts';
import { qqConnection } from '../../support/installation.ts';
import type { TestRedis } from '../../support/redis.ts';
import type { LogLine } from '../../support/served-process.ts';
import { makeTestCa } from '../../support/test-ca.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { replay } from '../row.ts';
import { askQq, askTelegram, type Stage } from '../stage.ts';

/** Longer than it took to fence a healthy holder ten times over, ms. */
const WATCHED_MS = 4_000;

/** A Redis with a user of these rights. */
async function redisFor(stage: Stage, rules: string): Promise<{ redis: TestRedis; url: string }> {
  const redis = await stage.redis();
  await redis.client().call('acl', 'setuser', 'app', 'on', '>pw-of-app', ...rules.split(' '));
  return { redis, url: `redis://app:pw-of-app@127.0.0.1:${redis.port}/0` };
}

/** `up` over that Redis with one QQ bot, live. */
async function liveOver(stage: Stage, url: string) {
  const qq = await stage.qq();
  const installation = await stage.install({ connections: [qqConnection(qq)], redis: { url } });
  const up = await installation.up();
  await installation.live();
  return { qq, installation, up };
}

/** Refused at start with exit code 2, and by doctor, each time in words that fit `says`. */
async function refusedAtStart(stage: Stage, url: string, says: RegExp): Promise<void> {
  const installation = await stage.install({ connections: [], redis: { url } });
  const up = installation.start('up');
  expect((await up.exited).code, up.tail()).toBe(2);
  expect(up.lines.find(({ event }) => event === 'redis-unfit')?.msg).toMatch(says);
  const doctor = await installation.run(['doctor']);
  expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringMatching(says)]);
  expect(doctor.stdout).toMatch(/FAIL {2}redis/);
}

const fenced = ({ event }: { readonly event?: string }) => event === 'declare-dead';

replay('Redis and its rights', [
  ...(
    [
      ['G01', '~* +@all', 'channels', /lacks &hf:presence:\*/],
      ['M7', '~hf:* ~{hf:bull}* +@all', 'channels, and only its own keys', /lacks &hf:presence:\*/],
      ['M7b', '~* &* +@all -@pubsub', 'a right to subscribe', /lacks .*\+subscribe/],
      ['M7c', '~* &* +@all -client -config', 'CLIENT and CONFIG', null],
    ] as const
  ).map(([id, rules, what, says]) => ({
    id,
    must: `hold a connection in peace for a Redis user without ${what}`,
    async run(stage: Stage) {
      const { url } = await redisFor(stage, rules);
      const { qq, installation, up } = await liveOver(stage, url);
      const before = await installation.connection();
      expect(await askQq(qq, 'ALICE', 'hello')).toEqual(['echo: hello']);
      await sleepFor(WATCHED_MS);
      expect(up.lines.filter(fenced)).toEqual([]);
      expect(await installation.connection()).toMatchObject({ state: 'live', fencingToken: before.fencingToken });
      expect(up.lines.some(({ event }) => event === 'sweep-failed')).toBe(false);
      const doctor = await installation.run(['doctor']);
      if (says === null) {
        expect(doctor.stdout).toContain('ok    redis.rights');
        return;
      }
      expect(doctor.code).toBe(1);
      expect(doctor.stdout).toMatch(says);
      expect(up.lines.find(({ event }) => event === 'redis.rights')?.msg).toMatch(says);
    },
  })),
  {
    id: 'G01b',
    must: 'never fence a holder that renews because its subscription is cut again and again',
    async run(stage) {
      const redis = await stage.redis();
      const { installation, up } = await liveOver(stage, redis.url);
      const { fencingToken } = await installation.connection();
      const admin = redis.client();
      for (const until = performance.now() + WATCHED_MS; performance.now() < until; ) {
        await admin.call('client', 'kill', 'type', 'pubsub');
        await sleepFor(40);
      }
      expect(up.lines.filter(fenced)).toEqual([]);
      expect(await installation.connection()).toMatchObject({ state: 'live', fencingToken });
    },
  },
  {
    id: 'G01c',
    must: 'still notice at once that a process which held connections was killed, its parent too',
    async run(stage) {
      const redis = await stage.redis();
      const qq = await stage.qq();
      const timings = { renewEveryMs: 1_500, leaseMs: 9_000, sweepEveryMs: 500 };
      const options = { connections: [qqConnection(qq)], redis: { url: redis.url }, timings };
      const installation = await stage.install(options);
      stage.processesMayDie();
      const first = await installation.up();
      await installation.live();
      await installation.up();
      // For one lease after a start of Redis nobody is taken for dead by an absent presence.
      const upFor = async () => Number(/uptime_in_seconds:(\d+)/.exec(await redis.client().info('server'))?.[1]);
      await waitUntil('Redis to be up for a lease', async () => (await upFor()) >= 10, {
        timeoutMs: 15_000,
        everyMs: 250,
      });
      const { owner } = await installation.connection();
      const holder = Number(owner?.split('/')[1]);
      const killedAt = performance.now();
      for (const pid of [first.pid, holder]) process.kill(pid, 'SIGKILL');
      await installation.waitFor('to be live elsewhere', (one) => one.state === 'live' && one.owner !== owner);
      expect(performance.now() - killedAt).toBeLessThan(6_000);
    },
  },
  {
    id: 'M7d',
    must: 'say which right was taken away while it runs, hold on, and be well again when it is given back',
    async run(stage) {
      const { redis, url } = await redisFor(stage, '~* &* +@all');
      const { installation, up } = await liveOver(stage, url);
      const { fencingToken } = await installation.connection();
      const admin = redis.client();
      await admin.call('acl', 'setuser', 'app', 'resetchannels');
      const unseen = await up.waitForLine(({ event }) => event === 'presence-unseen', 10_000);
      expect(unseen.msg).toContain('&hf:presence:*');
      const told = (status: StatusDocument) => status.chain.troubles.some(({ kind }) => kind === 'unseen');
      await waitUntil('status to say so', async () => told(await installation.status()));
      await sleepFor(3_000);
      await admin.call('acl', 'setuser', 'app', '&*');
      await up.waitForLine(({ event }) => event === 'presence-seen', 10_000);
      expect(up.lines.filter(fenced)).toEqual([]);
      expect(await installation.connection()).toMatchObject({ state: 'live', fencingToken });
    },
  },
  ...(
    [
      ['G26', '~* &* +@all -@dangerous', /lacks \+info.*ACL SETUSER app on ~hf:\*/s],
      ['M7e', '~* &* +@all -@scripting', /lacks \+eval \+evalsha/],
      ['M7f', '~hf:* &* +@all', /lacks ~\{hf:bull\}:\*/],
      ['M7g', '~* &* +@read +info +time', /lacks \+multi/],
      ['S5', '~* &* +@all -time', /lacks \+time/],
    ] as const
  ).map(([id, rules, says]) => ({
    id,
    must: `be refused at start and by doctor, with the rule to add, for a Redis user with "${rules}"`,
    async run(stage: Stage) {
      const { url } = await redisFor(stage, rules);
      await refusedAtStart(stage, url, says);
    },
  })),
  {
    id: 'S4',
    must: 'say in words that user or password are wrong, or missing, or that there is no such database',
    async run(stage) {
      const { redis, url } = await redisFor(stage, '~* &* +@all');
      await refusedAtStart(stage, url.replace('pw-of-app', 'pw-of-another'), /refuses the password of the user "app"/);
      await refusedAtStart(stage, `redis://127.0.0.1:${redis.port}/99`, /no database of the number/);
      await redis.client().call('acl', 'setuser', 'default', 'off');
      await refusedAtStart(stage, `redis://127.0.0.1:${redis.port}/0`, /wants a password/);
    },
  },
  {
    id: 'S4b',
    must: 'say in words that the certificate is signed by nobody it trusts, or that only one side speaks TLS',
    async run(stage) {
      const ca = stage.use(await makeTestCa());
      const [tls, plain] = [await stage.redis({ tls: ca }), await stage.redis()];
      await refusedAtStart(stage, tls.url, /signed by nobody whom this host trusts.*NODE_EXTRA_CA_CERTS/s);
      await refusedAtStart(stage, tls.url.replace('rediss:', 'redis:'), /speaks TLS.*write rediss:\/\//s);
      await refusedAtStart(stage, plain.url.replace('redis:', 'rediss:'), /speaks no TLS.*write redis:\/\//s);
    },
  },
  {
    id: 'S3',
    must: 'refuse a Redis Cluster with one line, and write nothing there',
    async run(stage) {
      const redis = await stage.redis({ args: ['--cluster-enabled', 'yes'] });
      await refusedAtStart(stage, redis.url, /this is a Redis Cluster/);
      expect(await redis.client().dbsize()).toBe(0);
    },
  },
  ...(['options', 'source', 'garbage'] as const).map((what, n) => ({
    id: `H6${['', 'b', 'c'][n]}`,
    must: `send no secret and no message where Redis says (${what} of the record tampered with), and repair it`,
    async run(stage: Stage) {
      const evil = await stage.use(await EvilHost.start());
      const redis = await stage.redis();
      const { installation, qq, telegram, up } = await stage.echoing({ rest: { redis: { url: redis.url } } });
      const admin = redis.client();
      for (const id of ['qq-main', 'tg-main']) {
        const key = `hf:{${id}}:desired`;
        const record = JSON.parse((await admin.get(key)) ?? '') as Tampered;
        await admin.set(key, what === 'garbage' ? '{"half' : JSON.stringify(tampered(record, what, evil.url)));
        await admin.hincrby(`hf:{${id}}:wishes`, 'restart', 1);
      }
      await up.waitForLine(({ event }) => event === 'desired-tampered', 10_000);
      await waitUntil('the records to be what the configuration says', async () => {
        const records = await Promise.all(['qq-main', 'tg-main'].map((id) => admin.get(`hf:{${id}}:desired`)));
        return records.every((record) => record?.includes('127.0.0.1') === true && !record.includes(evil.url));
      });
      await installation.live('qq-main');
      await installation.live('tg-main');
      expect(await askQq(qq, 'ALICE', 'hello')).toEqual(['echo: hello']);
      expect(await askTelegram(telegram, 5, 'hello')).toEqual(['echo: hello']);
      expect(evil.requests).toEqual([]);
    },
  })),
  {
    id: 'H6d',
    must: 'refuse the record of an added connection that sends its secret to a host nobody allowed, and name the key',
    async run(stage) {
      const evil = await stage.use(await EvilHost.start());
      const redis = await stage.redis();
      const telegram = await stage.telegram();
      const installation = await stage.install({
        connections: [],
        redis: { url: redis.url },
        env: { HOLDFAST_SECRET_TWO: telegram.token },
      });
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference
      const keys = ['platform=telegram', 'token=${HOLDFAST_SECRET_TWO}'];
      const refused = await installation.run(['connections', 'add', 'tg-two', ...keys, `apiBaseUrl=${evil.url}`]);
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/apiBaseUrl: .*runtime\.allowedHosts/)]);
      expect((await installation.run(['connections', 'add', 'tg-two', ...keys])).code).toBe(0);
      const admin = redis.client();
      const record = JSON.parse((await admin.get('hf:{tg-two}:desired')) ?? '') as Tampered;
      const definition = { ...record.definition, apiBaseUrl: evil.url };
      await admin.set('hf:{tg-two}:desired', JSON.stringify({ ...tampered(record, 'options', evil.url), definition }));
      await installation.up();
      const { reason } = await installation.waitFor(
        'to be refused',
        (one) => one.reason?.includes('allowedHosts') === true,
        {
          id: 'tg-two',
        },
      );
      expect(reason).toContain('no worker can hold it');
      expect(evil.requests).toEqual([]);
    },
  },
  {
    id: 'M10',
    must: 'say that Redis began empty where there were data, until somebody accepts it, and never at a first start',
    async run(stage) {
      const redis = await stage.redis();
      const qq = await stage.qq();
      const installation = await stage.install({ connections: [qqConnection(qq)], redis: { url: redis.url } });
      const missing = ({ event }: LogLine) => event === 'redis.data-missing';
      const first = await installation.up();
      await installation.live();
      const memory = join(installation.dir, '.holdfast', 'data-hf.json');
      await waitUntil('the data to be remembered', () => existsSync(memory));
      expect(statSync(memory).mode & 0o777).toBe(0o600);
      await first.stop();
      expect(first.lines.filter(missing)).toEqual([]);

      await redis.client().flushall();
      const second = await installation.up();
      await installation.live();
      const line = await second.waitForLine(missing, 5_000);
      expect(line).toMatchObject({ level: 'error', msg: expect.stringContaining('Redis began empty') });
      expect((await installation.connection()).counters.gaps).toBe(1);
      const status = await installation.run(['status']);
      expect([status.code, status.stdout]).toEqual([1, expect.stringContaining('holdfast data accept')]);
      expect((await installation.run(['data', 'accept'])).code).toBe(0);
      expect((await installation.run(['status'])).code).toBe(0);
      await second.stop();
      const third = await installation.up();
      await installation.live();
      expect(third.lines.filter(missing)).toEqual([]);
    },
  },
  {
    id: 'M10b',
    must: 'start no embedded Redis over append-only files whose manifest is gone, and bury nothing',
    async run(stage) {
      const installation = await stage.install({ connections: [] });
      await (await installation.up()).stop();
      const folder = join(installation.dir, '.holdfast', 'redis', 'appendonlydir');
      const files = () => readdirSync(folder).map((name) => [name, statSync(join(folder, name)).size]);
      rmSync(join(folder, 'appendonly.aof.manifest'));
      const before = files();
      const up = installation.start('up');
      expect((await up.exited).code).toBe(2);
      expect(up.lines.find(({ event }) => event === 'redis-unfit')?.msg).toMatch(
        /no appendonly\.aof\.manifest.*runbook/,
      );
      expect(files()).toEqual(before);
    },
  },
]);

interface Tampered {
  readonly options: Readonly<Record<string, unknown>>;
  readonly definition?: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

/** What somebody who can write to Redis would have. */
function tampered(record: Tampered, what: 'options' | 'source', url: string): Tampered {
  const options = { ...record.options, apiBaseUrl: url, tokenUrl: `${url}/token` };
  const { id, platform } = record;
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference
  const definition = { id, platform, apiBaseUrl: url, token: '${HOLDFAST_SECRET_X}' };
  return what === 'options' ? { ...record, options } : { ...record, options, source: 'runtime', definition };
}

/** Notes whatever reaches it. */
class EvilHost implements AsyncDisposable {
  readonly requests: string[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.requests.push(`${request.method} ${request.url}`);
      response.writeHead(500).end();
    });
  }

  static async start(): Promise<EvilHost> {
    const host = new EvilHost();
    host.#server.listen(0, '127.0.0.1');
    await once(host.#server, 'listening');
    return host;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
