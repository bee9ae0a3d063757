/** What Redis, its users, its rights and the way to it can do to an installation. */
import { setTimeout as sleepFor } from 'node:timers/promises';
import { expect } from 'vitest';
import { qqConnection } from '../../support/installation.ts';
import type { TestRedis } from '../../support/redis.ts';

import { replay } from '../row.ts';
import { askQq, type Stage } from '../stage.ts';

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
      const timings = { renewEveryMs: 1_500, leaseMs: 12_000, sweepEveryMs: 500 };
      const options = { connections: [qqConnection(qq)], redis: { url: redis.url }, timings };
      const installation = await stage.install(options);
      stage.processesMayDie();
      const first = await installation.up();
      await installation.live();
      await installation.up();
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
    id: 'S3',
    must: 'refuse a Redis Cluster with one line, and write nothing there',
    async run(stage) {
      const redis = await stage.redis({ args: ['--cluster-enabled', 'yes'] });
      await refusedAtStart(stage, redis.url, /this is a Redis Cluster/);
      expect(await redis.client().dbsize()).toBe(0);
    },
  },
]);
