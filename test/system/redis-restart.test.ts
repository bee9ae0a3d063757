/** The store itself dies and comes back: what was acknowledged is still there, and nobody has to be asked. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startQq } from '../emulators/qq/index.ts';
import { Conversations, NOTHING_WRONG } from '../support/conversations.ts';
import { install, qqConnection, SCALED_TIMINGS } from '../support/installation.ts';
import { startRedis } from '../support/redis.ts';
import { signalProcess } from '../support/served-process.ts';
import { waitUntil } from '../support/wait-until.ts';

it('a Redis of redis.url is killed twice under traffic: live again by itself, nothing lost or doubled (F37)', async () => {
  await using qq = await startQq({ heartbeatIntervalMs: 1_000 });
  await using redis = await startRedis({ appendfsync: 'always' });
  await using installation = await install({
    connections: [qqConnection(qq)],
    timings: SCALED_TIMINGS,
    redis: { url: redis.url, prefix: 'sys' },
  });
  const up = await installation.up();
  await installation.live();
  const people = new Conversations(qq, qq.journal, { everyMs: 30 }).start();
  await delay(1_000);

  // Shorter than the lease: the same holder goes on.
  await redis.restart();
  await delay(1_000);
  // Longer than the lease: the holder lets go by itself, and Resumes when it may.
  await redis.kill();
  await waitUntil('the holder to let go of its socket', () => qq.liveSockets() === 0, { timeoutMs: 15_000 });
  expect((await installation.run(['status'])).code).toBe(2);
  await redis.restart();
  await waitUntil('a live socket', () => qq.view().live, { timeoutMs: 20_000, explain: () => up.tail() });
  await installation.live();
  await delay(1_000);

  const account = await people.account(30_000);
  expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
  expect(qq.journal.of('identify')).toHaveLength(1);
  expect(qq.overlap().peak).toBe(1);
  expect(up.exit).toBeNull();
});

it('the embedded Redis is killed: whoever notices starts it again, nothing lost or doubled (F37)', async () => {
  await using qq = await startQq({ heartbeatIntervalMs: 1_000 });
  await using installation = await install({ connections: [qqConnection(qq)], timings: SCALED_TIMINGS });
  const up = await installation.up();
  await installation.live();
  const people = new Conversations(qq, qq.journal, { everyMs: 30 }).start();
  await delay(1_000);
  const { client } = await installation.reader();
  const pid = Number(/^process_id:(\d+)/m.exec(await client.info('server'))?.[1]);
  expect(signalProcess(pid, 'SIGKILL')).toBe(true);
  await up.waitForLine(({ event }) => event === 'redis.back', 20_000);
  await installation.live();
  await delay(1_000);

  const account = await people.account(30_000);
  expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
  expect(qq.journal.of('identify')).toHaveLength(1);
});

it('SIGTERM while Redis is frozen: gone within 10 s, with exit code 0, and at once with 1 after a second one (F28)', async () => {
  await using qq = await startQq({ heartbeatIntervalMs: 1_000 });
  await using redis = await startRedis({});
  await using installation = await install({
    connections: [qqConnection(qq)],
    timings: SCALED_TIMINGS,
    redis: { url: redis.url, prefix: 'sys' },
  });
  const [up, impatient] = await Promise.all([installation.up(), installation.worker('connections,agent,delivery')]);
  await installation.live();
  await redis.freeze();
  try {
    const askedAt = performance.now();
    const stopped = up.stop();
    impatient.kill('SIGTERM');
    await impatient.waitForLine(({ event }) => event === 'draining');
    // It waits for a Redis that does not answer, as the other one does, until somebody insists.
    await delay(1_000);
    expect(impatient.exit).toBeNull();
    impatient.kill('SIGTERM');
    expect(await impatient.exited).toMatchObject({ code: 1, signal: null });
    expect(impatient.exit?.afterMs).toBeLessThan(3_000);
    expect(impatient.lines.findLast(({ pid }) => pid === impatient.pid)).toMatchObject({ event: 'forced' });

    expect(await stopped).toMatchObject({ code: 0 });
    expect(performance.now() - askedAt).toBeLessThan(10_000);
    expect(qq.liveSockets()).toBe(0);
  } finally {
    await redis.thaw();
  }
});
