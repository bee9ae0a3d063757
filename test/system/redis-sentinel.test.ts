/** The master dies, and Sentinels make its replica the master: a step back in time by what was not replicated yet. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startQq } from '../emulators/qq/index.ts';
import { Conversations, NOTHING_WRONG } from '../support/conversations.ts';
import { install, LONG, qqConnection, SCALED_TIMINGS } from '../support/installation.ts';
import type { TestRedis } from '../support/redis.ts';
import { startSentinels } from '../support/sentinel.ts';
import { makeTestCa } from '../support/test-ca.ts';
import { waitUntil } from '../support/wait-until.ts';

const faults: readonly { what: string; strike(master: TestRedis): Promise<void> | void }[] = [
  { what: 'is killed', strike: (master) => master.kill() },
  // Connections to it stay open, and nothing on them is answered.
  { what: 'stands still', strike: (master) => master.freeze() },
];

it.each(LONG ? faults : faults.slice(0, 1))(
  'the master $what under traffic: live again on its successor, resumed, nothing lost or doubled (F37)',
  async ({ strike }) => {
    await using qq = await startQq({ heartbeatIntervalMs: 1_000 });
    await using redis = await startSentinels();
    await using installation = await install({
      connections: [qqConnection(qq)],
      timings: SCALED_TIMINGS,
      redis: { ...redis.settings, prefix: 'failover' },
    });
    const processes = await Promise.all([
      installation.scheduler(),
      installation.worker('connections,agent,delivery'),
      installation.worker('connections,agent,delivery'),
    ]);
    await installation.live();
    const people = new Conversations(qq, qq.journal, { everyMs: 30 }).start();
    await delay(1_000);

    await strike(redis.master);
    const promoted = redis.replica.client();
    await waitUntil(
      'the replica to be the master',
      async () => (await promoted.info('replication')).includes('role:master'),
      {
        timeoutMs: 30_000,
        explain: () => installation.tails(),
      },
    );
    const sweeps = async () => Number((await installation.status()).scheduler.lastSweepAgeMs);
    await waitUntil('a sweep on the new master', async () => (await sweeps().catch(() => Infinity)) < 1_000, {
      timeoutMs: 30_000,
      explain: () => installation.tails(),
    });
    await waitUntil('a live socket', () => qq.view().live, { timeoutMs: 20_000, explain: () => installation.tails() });
    await installation.live();
    await delay(500);

    const account = await people.account(30_000);
    expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
    expect(qq.journal.of('identify')).toHaveLength(1);
    expect(qq.overlap().peak).toBe(1);
    expect(processes.map(({ exit }) => exit)).toEqual([null, null, null]);
    expect((await installation.run(['status'])).code).toBe(0);
  },
);

it('over TLS alone, Sentinels included: the master is found, and after its death its successor (F37)', async () => {
  await using ca = await makeTestCa();
  await using qq = await startQq({ heartbeatIntervalMs: 1_000 });
  await using redis = await startSentinels({ tls: ca });
  await using installation = await install({
    connections: [qqConnection(qq)],
    timings: SCALED_TIMINGS,
    redis: { ...redis.settings, prefix: 'tls' },
    env: { NODE_EXTRA_CA_CERTS: ca.caFile },
  });
  const processes = await Promise.all([
    installation.scheduler(),
    installation.worker('connections,agent,delivery'),
    installation.worker('connections,agent,delivery'),
  ]);
  const all = { timeoutMs: 30_000, everyMs: 200, explain: () => installation.tails() };
  const statusSaysLive = async () => (await installation.run(['status'])).code === 0;
  await waitUntil('status to say that all is well', statusSaysLive, all);
  const people = new Conversations(qq, qq.journal, { everyMs: 50 }).start();
  await waitUntil('the first answers', () => qq.journal.count('delivered') > 5, all);

  await redis.master.kill();
  const promoted = redis.replica.client();
  const role = async () => (await promoted.info('replication')).includes('role:master');
  await waitUntil('the replica to be the master', role, all);
  await waitUntil('status to say that all is well', statusSaysLive, all);
  const account = await people.account(30_000);
  expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
  expect(qq.journal.of('identify')).toHaveLength(1);
  expect(qq.overlap().peak).toBe(1);
  expect(processes.map(({ exit }) => exit)).toEqual([null, null, null]);
});
