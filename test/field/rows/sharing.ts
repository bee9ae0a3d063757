/** Connections that workers share, where one of them cannot take any, and where one joins. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { connectionId } from '../../../src/model.ts';
import { wishHandoff } from '../../../src/state/desired.ts';
import { type Flow, FlowProxy } from '../../support/flow-proxy.ts';
import { type Installation, LONG, qqConnection } from '../../support/installation.ts';
import type { ServedProcess } from '../../support/served-process.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { type FieldRow, replay } from '../row.ts';
import { PATIENCE_MS, type Stage } from '../stage.ts';

const MANY = 12;
const IDS = Array.from({ length: MANY }, (_, n) => `qq-${n}`);

/** Twelve bots, a scheduler, and a Redis behind a relay. */
async function twelve(stage: Stage) {
  const account = (n: number) => ({ appId: `10400${n}`, clientSecret: `sharing-${n}` });
  const bots = IDS.map((_, n) => account(n));
  const qq = await stage.qq({ bots: bots.slice(1), ...account(0) });
  const proxy = stage.use(await FlowProxy.start((await stage.redis()).path));
  const all = [qq, ...bots.slice(1).map(({ appId }) => qq.bot(appId))];
  const installation = await stage.install({
    connections: IDS.map((id, n) => qqConnection(qq, id, all[n])),
    redis: { url: proxy.url },
  });
  await installation.scheduler();
  return { qq, proxy, installation };
}

async function counts(installation: Installation, of: ServedProcess): Promise<number> {
  const { connections } = await installation.status();
  return connections.filter(({ owner, state }) => state === 'live' && owner?.endsWith(`/${of.pid}`)).length;
}

const flowsOf =
  ({ pid }: ServedProcess, which: 'main' | 'blocking' | 'both') =>
  ({ name, blocks }: Flow) =>
    name.startsWith('holdfast:connections:') &&
    name.includes(`/${pid}`) &&
    (which === 'both' || blocks === (which === 'blocking'));

const halfOpen = (['main', 'blocking', 'both'] as const).map(
  (which, n): FieldRow => ({
    id: n === 0 ? 'S1' : `S1${'ab'[n - 1]}`,
    must: `keep connections with their owners when the ${which} flow by which a worker gets its jobs is half-open`,
    timeoutMs: 120_000,
    async run(stage) {
      const { qq, proxy, installation } = await twelve(stage);
      const first = await installation.worker('connections');
      const second = await installation.worker('connections');
      await waitUntil(
        'all to be live',
        async () => {
          const [a, b] = [await counts(installation, first), await counts(installation, second)];
          return a + b === MANY && Math.abs(a - b) <= 2;
        },
        { timeoutMs: 2 * PATIENCE_MS, explain: () => installation.tails() },
      );
      proxy.halfOpen(flowsOf(first, which));
      const taken = (await installation.status()).connections.filter(({ owner }) => owner?.endsWith(`/${first.pid}`));
      const { client, keys } = await installation.reader();
      for (const { id, owner } of taken.slice(0, 4)) {
        await wishHandoff(client, keys, connectionId(id), { target: null, avoid: owner });
      }
      await delay(5_000);
      const before = qq.journal.count('resumed');
      let unowned = 0;
      for (let look = 0; look < 30; look += 1) {
        const { connections } = await installation.status();
        unowned += connections.filter(({ state }) => state !== 'live').length;
        await delay(250);
      }
      expect({ unowned, resumed: qq.journal.count('resumed') - before }, installation.tails()).toEqual({
        unowned: expect.toSatisfy((found: number) => found <= 4),
        resumed: expect.toSatisfy((found: number) => found <= 4),
      });
      const held = (await counts(installation, first)) + (await counts(installation, second));
      expect(held).toBe(MANY);
    },
  }),
);

replay('sharing connections', [
  ...(LONG ? halfOpen : halfOpen.slice(0, 1)),
  {
    id: 'S2',
    must: 'share evenly with a worker that joins, by Resume, and no more of them than that worker has room for',
    timeoutMs: 90_000,
    async run(stage) {
      const { qq, installation } = await twelve(stage);
      const first = await installation.worker('connections');
      await waitUntil('all to be live', async () => (await counts(installation, first)) === MANY, {
        timeoutMs: 2 * PATIENCE_MS,
        explain: () => installation.tails(),
      });
      const small = await installation.start('worker', '--roles', 'connections', '--capacity', '2').ready();
      // One above its share is never moved, since that would only swap the roles.
      await waitUntil('the small one to have some', async () => (await counts(installation, small)) >= 1, {
        timeoutMs: PATIENCE_MS,
        explain: () => installation.tails(),
      });
      const second = await installation.worker('connections');
      await waitUntil('an even share', async () => (await counts(installation, second)) >= 4, {
        timeoutMs: 30_000,
        explain: () => installation.tails(),
      });
      expect(qq.journal.count('identify')).toBe(MANY);
      expect(await counts(installation, small)).toBeLessThanOrEqual(2);
    },
  },
]);
