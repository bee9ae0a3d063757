/** What doctor makes of what it read: each finding says what it means and what to do. */
import { describe, expect, it } from 'vitest';
import { judgeSkew, judgeSteadiness } from '../../../src/doctor/check-clock.ts';
import { judgeInstallation } from '../../../src/doctor/check-installation.ts';
import { judgeRedis } from '../../../src/doctor/check-redis.ts';
import { type Finding, ok, reportOf, skipped, warn } from '../../../src/doctor/finding.ts';
import { runChecks } from '../../../src/doctor/run-checks.ts';
import type { RedisSetup } from '../../../src/state/redis-setup.ts';
import type { Trouble } from '../../../src/status/chain.ts';
import type { ConnectionStatus, HoldingDocument, StatusDocument } from '../../../src/status/document.ts';
import { inChain, trouble } from '../../support/in-chain.ts';

const good: RedisSetup = {
  version: '7.0.15',
  evictionPolicy: 'noeviction',
  role: 'master',
  replicas: 0,
  minReplicas: 0,
  uptimeMs: 1,
  usedBytes: 10,
  maxBytes: 100,
  evictedKeys: 0,
  clients: 1,
  durability: 'always',
  aof: { enabled: true, healthy: true },
  refusesWrites: null,
};
const statusOf = (findings: readonly Finding[], check: string) =>
  findings.find((finding) => finding.check === check)?.status;

describe('Redis', () => {
  it('that is as it should be raises nothing', () => {
    expect(judgeRedis(good, false).map(({ check, status }) => [check, status])).toEqual([
      ['redis.version', 'ok'],
      ['redis.eviction', 'ok'],
      ['redis.durability', 'ok'],
      ['redis.memory', 'ok'],
      ['redis.replicas', 'skipped'],
    ]);
  });

  it.each<[string, Partial<RedisSetup>, boolean, string, Finding['status'], RegExp]>([
    ['too old', { version: '6.2.1' }, false, 'redis.version', 'fail', /upgrade to 7\.0/],
    ['may evict', { evictionPolicy: 'allkeys-lru' }, false, 'redis.eviction', 'fail', /noeviction/],
    ['has evicted', { evictedKeys: 3 }, false, 'redis.eviction', 'warn', /dead letters/],
    ['has no AOF', { aof: { enabled: false, healthy: true } }, false, 'redis.durability', 'warn', /appendonly yes/],
    ['cannot write its AOF', { aof: { enabled: true, healthy: false } }, false, 'redis.durability', 'fail', /disk/],
    ['never syncs', { durability: 'no' }, false, 'redis.durability', 'warn', /appendfsync always/],
    ['has no limit', { maxBytes: null }, false, 'redis.memory', 'warn', /set maxmemory/],
    ['is nearly full', { usedBytes: 65 }, false, 'redis.memory', 'warn', /80 %/],
    ['is full', { usedBytes: 81 }, false, 'redis.memory', 'fail', /80 %/],
    ['is a replica', { role: 'slave' }, false, 'redis.replicas', 'fail', /name the master/],
    ['has Sentinels and nobody to fail over to', {}, true, 'redis.replicas', 'warn', /start a replica/],
    ['takes writes when cut off', { replicas: 1 }, true, 'redis.replicas', 'warn', /min-replicas-to-write/],
  ])('that %s is told with the fix', (_, change, sentinels, check, status, fix) => {
    const findings = judgeRedis({ ...good, ...change }, sentinels);
    expect(findings.filter(({ status: each }) => each !== 'ok' && each !== 'skipped')).toEqual([
      expect.objectContaining({ check, status, fix: expect.stringMatching(fix) }),
    ]);
  });
});

describe('clocks', () => {
  it.each([
    [400, 20, 'ok'],
    [-900, 20, 'ok'],
    [1_500, 1_000, 'ok'],
    [1_500, 20, 'warn'],
    [-20_000, 20, 'warn'],
    [-45_000, 20, 'fail'],
  ] as const)('%d ms apart, known within %d ms, are %s', (aheadMs, uncertainMs, status) => {
    const finding = judgeSkew('clock', 'host-a', aheadMs, uncertainMs);
    expect(finding).toMatchObject({ status, subject: 'host-a' });
    expect(finding.message).toContain(aheadMs < 0 ? 'behind' : 'ahead of');
    expect(finding.fix === null).toBe(status === 'ok');
  });

  it('that jump are told', () => {
    expect([judgeSteadiness(-20, 400).status, judgeSteadiness(3_600_000, 400).status]).toEqual(['ok', 'warn']);
  });
});

describe('an installation', () => {
  const connection = { id: 'qq-main', state: 'live', reason: null } as ConnectionStatus;
  const document = (change: Partial<HoldingDocument> = {}, troubles: readonly Trouble[] = []): StatusDocument =>
    inChain(
      {
        at: '',
        scheduler: { lastSweepAgeMs: 300, worker: 'a/1' },
        workers: [
          {
            id: 'a/1',
            roles: [],
            connections: 1,
            capacity: 1,
            eventLoopLagMs: 1,
            configRefused: null,
            restartNeeded: [],
            notSharing: null,
          },
        ],
        connections: [connection],
        ...change,
      },
      troubles,
    );
  const worker = document().workers[0] ?? expect.fail('no worker');

  it('that has not begun yet is no failure', () => {
    const nothing = document({ scheduler: { lastSweepAgeMs: null, worker: null }, workers: [] });
    expect(judgeInstallation(nothing, [])).toEqual([skipped('scheduler', 'nothing runs yet: start "holdfast up"')]);
  });

  it.each<[string, Partial<HoldingDocument>, string, Finding['status']]>([
    ['does not sweep', { scheduler: { lastSweepAgeMs: 60_000, worker: 'a/1' } }, 'scheduler', 'fail'],
    ['has no worker', { workers: [] }, 'worker', 'fail'],
    ['refused a configuration', { workers: [{ ...worker, configRefused: 'x: is wrong' }] }, 'worker', 'fail'],
    [
      'waits for a restart',
      { workers: [{ ...worker, restartNeeded: ['redis.url'], notSharing: null }] },
      'worker',
      'warn',
    ],
    ['lags', { workers: [{ ...worker, eventLoopLagMs: 900 }] }, 'worker', 'warn'],
    ['has one parked', { connections: [{ ...connection, state: 'parked', reason: 'no' }] }, 'connection', 'fail'],
    ['has one paused', { connections: [{ ...connection, state: 'paused' }] }, 'connection', 'skipped'],
    ['has one on its way', { connections: [{ ...connection, state: 'connecting' }] }, 'connection', 'warn'],
  ])('that %s is told', (_, change, check, status) => {
    expect(statusOf(judgeInstallation(document(change), []), check)).toBe(status);
  });

  it('is asked whether people are answered, and every broken link is told with what to do (H5)', () => {
    expect(statusOf(judgeInstallation(document(), []), 'chain')).toBe('ok');
    const broken = [
      trouble({ kind: 'queue-settings', link: 'turn', subject: 'turns' }),
      trouble({ kind: 'turn-long', link: 'answer', subject: 'qq-main', state: 'watch' }),
      trouble({ kind: 'disconnected', link: 'received', subject: 'qq-main' }),
    ];
    const found = judgeInstallation(document({}, broken), []).filter(({ check }) => check === 'chain');
    expect(found.map(({ subject, status, fix }) => [subject, status, fix])).toEqual([
      ['turns', 'fail', 'do something'],
      ['qq-main', 'warn', 'do something'],
    ]);
  });

  it('tells a budget only when the day runs out of it', () => {
    const budget = { platform: 'qq', account: '1', name: 'identify', count: 10 };
    const found = judgeInstallation(document(), [
      { ...budget, used: 10, windowMs: 5_000 },
      { ...budget, used: 9, windowMs: 86_400_000 },
    ]).filter(({ check }) => check === 'budget');
    expect(found.map(({ status }) => status)).toEqual(['ok', 'warn']);
  });
});

describe('checks', () => {
  it('are bounded, side by side, in order, and what one throws is a finding', async () => {
    const findings = await runChecks(
      [
        { check: 'a', subject: 's', run: () => Promise.reject(new TypeError('broken')) },
        { check: 'b', subject: null, run: async () => [ok('b', 'fine'), warn('b', 'Bearer abcdefghijkl', 'fix')] },
      ],
      new AbortController().signal,
    );
    expect(findings).toEqual([
      { check: 'a', subject: 's', status: 'fail', message: 'broken', fix: expect.stringMatching(/defect/) },
      ok('b', 'fine'),
      warn('b', 'Bearer [redacted]', 'fix'),
    ]);
    expect(reportOf(findings, new Date(0))).toMatchObject({
      at: '1970-01-01T00:00:00.000Z',
      ok: false,
      counts: { ok: 1, warn: 1, fail: 1, skipped: 0 },
    });
  });
});
