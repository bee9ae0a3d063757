/** Clocks that are wrong, that differ, and that somebody sets while messages are under way. */
import { expect } from 'vitest';
import { connectionId } from '../../../src/model.ts';
import { WallClock, withoutClockShim } from '../../support/clock-shim.ts';
import { LONG } from '../../support/installation.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { type FieldRow, replay } from '../row.ts';
import { askQq, PATIENCE_MS, type Scene, type Stage } from '../stage.ts';

const HOUR = 3_600_000;
const cannot = withoutClockShim();

/** An installation whose wall clock, Redis's included, the row may set. */
async function settable(stage: Stage, aheadMs = 0): Promise<Scene & { readonly clock: WallClock }> {
  const clock = new WallClock();
  stage.defer(() => clock[Symbol.dispose]());
  clock.step(aheadMs);
  stage.processesMayDie();
  const scene = await stage.echoing({ on: ['qq'], agent: 'webhook', rest: { env: clock.env } });
  return { ...scene, clock };
}

type Kill = 'everything' | 'the holder of the connection' | 'Redis, too' | 'nothing';

/** Kills, and starts again what nobody else does. */
async function kill({ installation }: Scene, whom: Kill): Promise<void> {
  const up = installation.processes.at(-1) ?? expect.fail('nothing runs');
  if (whom === 'nothing') return;
  if (whom === 'the holder of the connection') {
    const { client, keys } = await installation.reader();
    const owner = await client.hget(keys.connection(connectionId('qq-main')).lease, 'owner');
    process.kill(Number(owner?.split('/').at(-1)), 'SIGKILL');
    return;
  }
  const { client } = await installation.reader();
  const redisPid = Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1]);
  up.kill('SIGKILL', 'group');
  await up.exited;
  if (whom === 'Redis, too') process.kill(redisPid, 'SIGKILL');
  await installation.up();
}

/** Steps the clock while an agent works on a message, kills, and sees that it is answered once and the next one, too. */
async function stepAndKill(scene: Scene & { readonly clock: WallClock }, byMs: number, whom: Kill): Promise<void> {
  const { qq, agent, clock, installation } = scene;
  const asked = agent.calls.length;
  agent.next(() => {
    // Whoever asked is killed, or cut; it asks again.
    if (whom !== 'everything' && whom !== 'Redis, too') throw new Error('the agent breaks off');
  });
  const { messageId } = qq.user('ALICE').say(`stepped by ${byMs}`);
  await waitUntil('the agent to be asked', () => agent.calls.length > asked, { timeoutMs: PATIENCE_MS });
  clock.step(byMs);
  await kill(scene, whom);
  await waitUntil('an answer', () => qq.journal.repliesTo(messageId).length > 0, {
    timeoutMs: PATIENCE_MS,
    explain: () => `${byMs} ms, ${whom} killed\n${installation.tails()}`,
  });
  await installation.live('qq-main', PATIENCE_MS);
  expect(await askQq(qq, 'ALICE', `after ${byMs}`)).toEqual([`echo: after ${byMs}`]);
  expect(qq.journal.repliesTo(messageId)).toHaveLength(1);
}

const steps: readonly FieldRow[] = ([-HOUR, HOUR, -400_000, 400_000] as const).map((byMs, n) => ({
  id: n === 0 ? 'H7' : `H7${'abc'[n - 1]}`,
  must: `answer what was under way when the clock was set by ${byMs / 1_000} s and processes were killed`,
  cannot,
  timeoutMs: LONG ? 300_000 : 90_000,
  async run(stage) {
    const scene = await settable(stage);
    const kills: readonly Kill[] = LONG
      ? ['everything', 'the holder of the connection', 'Redis, too', 'nothing']
      : [n % 2 === 0 ? 'everything' : 'Redis, too'];
    for (const whom of kills) await stepAndKill(scene, byMs, whom);
  },
}));

replay('clocks', [
  ...steps,
  {
    id: 'H7d',
    must: 'take a connection over within seconds after the clock was an hour ahead, set right, and set ahead again',
    cannot,
    timeoutMs: 90_000,
    async run(stage) {
      const scene = await settable(stage, HOUR);
      const { installation, clock } = scene;
      const token = async () => (await installation.connection()).fencingToken ?? 0;
      for (const byMs of [-HOUR, 400_000]) {
        const before = await token();
        clock.step(byMs);
        await kill(scene, 'the holder of the connection');
        await waitUntil('a new holder', async () => (await token()) > before, {
          timeoutMs: PATIENCE_MS,
          explain: () => installation.tails(),
        });
        await installation.live('qq-main', PATIENCE_MS);
      }
    },
  },
  ...([360_000, -360_000] as const).map(
    (skewMs, n): FieldRow => ({
      id: n === 0 ? 'G05a' : 'G05',
      must: `reply to a group within its window, though the platform's events are ${skewMs / 1_000} s off our clock`,
      async run(stage) {
        const { qq, agent } = await stage.echoing({ on: ['qq'], agent: 'webhook', qqExtra: { lateReply: 'drop' } });
        const { messageId } = qq.group('G1').atBot('M1', 'hello', { clockSkewMs: skewMs });
        await waitUntil('an answer', () => qq.journal.repliesTo(messageId).length > 0, { timeoutMs: PATIENCE_MS });
        expect(agent.calls).toHaveLength(1);
        expect(qq.journal.repliesTo(messageId).map(({ text }) => text)).toEqual(['echo: hello']);
      },
    }),
  ),
  ...([HOUR, -HOUR] as const).map(
    (skewMs, n): FieldRow => ({
      id: n === 0 ? 'M6' : 'M6a',
      must: `reply to groups within their windows, and say so, where all our clocks are ${skewMs / 1_000} s wrong`,
      cannot,
      async run(stage) {
        const { qq, installation } = await settable(stage, skewMs);
        const { messageId } = qq.group('G1').atBot('M1', 'hello');
        await waitUntil('an answer', () => qq.journal.repliesTo(messageId).length > 0, { timeoutMs: PATIENCE_MS });
        const { remark, platformAheadMs } = await installation.waitFor('to say so', (one) => one.remark !== null);
        expect(remark).toMatch(/the clock of its host is 3(599|600) s/);
        expect(remark).toContain(skewMs > 0 ? 'ahead of' : 'behind');
        expect(Math.abs(Number(platformAheadMs) + skewMs)).toBeLessThan(2_000);
        const { stdout } = await installation.run(['doctor', '--json']);
        expect(stdout).toMatch(/platform\.clock/);
        expect(stdout).toMatch(/the clock of this host is 3(599|600) s/);
      },
    }),
  ),
]);
