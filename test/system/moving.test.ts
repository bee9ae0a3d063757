/**
 * Connections that move on purpose while people write: to a worker that joins, to one that is named, and away from one
 * whose time is up. Each move is a Resume.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StatusDocument } from '../../src/status/document.ts';
import { type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { Conversations, NOTHING_WRONG } from '../support/conversations.ts';
import { type Installation, install, qqConnection, SCALED_TIMINGS } from '../support/installation.ts';
import type { ServedProcess } from '../support/served-process.ts';
import { CLOSED_BOUND_MS } from '../support/status-watch.ts';
import { waitUntil } from '../support/wait-until.ts';

const IDS = ['qq-1', 'qq-2', 'qq-3', 'qq-4', 'qq-5', 'qq-6'] as const;
/** At most one connection of a worker moves in this time (connection-worker.ts), ms; a timer may come a little early. */
const MOVES_EVERY_MS = 1_000 - 100;

describe('six connections', () => {
  let qq: QqEmulator;
  let installation: Installation;
  let first: ServedProcess;
  let second: ServedProcess;

  beforeAll(async () => {
    const others = IDS.slice(1).map((id) => ({ appId: `1040000${id.at(-1)}`, clientSecret: `moving-${id}` }));
    qq = await startQq({ heartbeatIntervalMs: 1_000, bots: others });
    installation = await install({
      connections: IDS.map((id, n) => qqConnection(qq, id, bots()[n])),
      timings: SCALED_TIMINGS,
    });
    await Promise.all([installation.scheduler(), installation.worker('agent,delivery')]);
    first = await installation.worker('connections');
    for (const id of IDS) await installation.live(id);
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await qq?.close();
  });

  function bots() {
    return [qq, ...IDS.slice(1).map((id) => qq.bot(`1040000${id.at(-1)}`))];
  }

  function talk(name: string): Conversations[] {
    return bots().map((bot, n) => new Conversations(bot, qq.journal, { name: `${name}-${n}`, everyMs: 100 }).start());
  }

  async function expectNothingWrong(people: readonly Conversations[]): Promise<void> {
    for (const each of people) {
      const account = await each.account();
      expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
    }
    expect(qq.journal.of('identify')).toHaveLength(IDS.length);
    expect(bots().map((bot) => bot.overlap().peak)).toEqual(IDS.map(() => 1));
  }

  const heldBy = ({ connections }: StatusDocument, { pid }: ServedProcess) =>
    connections.filter(({ owner, state }) => state === 'live' && owner?.endsWith(`/${pid}`)).map(({ id }) => id);

  it('move to a worker that joins one by one, by Resume, and no further than fair', async () => {
    expect(heldBy(await installation.status(), first)).toHaveLength(IDS.length);
    const people = talk('JOIN');
    second = await installation.worker('connections');
    // A fair share is three; four is one above it, and moving that one would only swap the roles.
    await waitUntil('two to have moved', async () => heldBy(await installation.status(), second).length === 2, {
      timeoutMs: 15_000,
      explain: () => installation.tails(),
    });
    await delay(3 * MOVES_EVERY_MS);
    expect(heldBy(await installation.status(), first)).toHaveLength(4);
    expect(qq.journal.count('resumed')).toBe(2);
    const times = first.lines.filter(({ event }) => event === 'rebalance').map(({ time }) => Date.parse(String(time)));
    expect(times).toHaveLength(2);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(MOVES_EVERY_MS);
    await expectNothingWrong(people);
  });

  it('go to the worker that `connections handoff --to` names, and stay where nobody else could take them (F31)', async () => {
    const [id = IDS[0]] = heldBy(await installation.status(), second);
    const before = await installation.connection(id);
    const ask = (...args: string[]) => installation.run(['connections', 'handoff', id, ...args]);
    const nobody = await ask('--to', 'nobody/1');
    expect(nobody.code).toBe(1);
    expect(nobody.stderr).toMatch(/worker "nobody\/1" cannot take it/);
    expect((await ask('--to', String(before.owner))).code).toBe(1);
    const people = talk('HANDOFF');
    const { workers } = await installation.status();
    const target = workers.find(({ id: name }) => name.endsWith(`/${first.pid}`))?.id ?? '';
    expect(await ask('--to', target)).toMatchObject({ code: 0, stdout: expect.stringContaining('asked for') });
    const moved = await installation.waitFor('to be where it was asked to', ({ owner }) => owner === target, { id });
    expect(moved.fencingToken).toBeGreaterThan(Number(before.fencingToken));
    await installation.live(id);
    await expectNothingWrong(people);
  });

  it('leave a worker whose --max-tenure is over: it ends by itself with 0 (F34)', async () => {
    const people = talk('TENURE');
    const lent = await installation.start('worker', '--roles', 'connections', '--max-tenure', '4').ready();
    const since = performance.now();
    // The others drain, so it gets everything; soon after it has to leave, and the next one is there.
    await Promise.all([first.stop(), second.stop()]);
    await waitUntil(
      'all to be on the lent worker',
      async () => heldBy(await installation.status(), lent).length === IDS.length,
      {
        explain: () => installation.tails(),
      },
    );
    const next = await installation.worker('connections');
    expect(await lent.exited).toMatchObject({ code: 0, signal: null });
    expect(performance.now() - since).toBeGreaterThan(3_500);
    expect(lent.lines.find(({ event }) => event === 'draining')).toMatchObject({ reason: 'maximum tenure reached' });
    await waitUntil(
      'all to be on the next',
      async () => heldBy(await installation.status(), next).length === IDS.length,
      {
        timeoutMs: CLOSED_BOUND_MS + 5_000,
        explain: () => installation.tails(),
      },
    );
    await expectNothingWrong(people);
  });
});
