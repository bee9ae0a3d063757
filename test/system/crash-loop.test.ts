/** A worker with two children of which one dies again and again, as soon as it works: what that costs the other's work. */
import { expect, it } from 'vitest';
import { startQq } from '../emulators/qq/index.ts';
import { Conversations, NOTHING_WRONG } from '../support/conversations.ts';
import { install, qqConnection, SCALED_PINGS, SCALED_TIMINGS } from '../support/installation.ts';
import { type ServedProcess, signalProcess } from '../support/served-process.ts';
import { CLOSED_BOUND_MS, StatusWatch } from '../support/status-watch.ts';
import { waitUntil } from '../support/wait-until.ts';

const CONNECTIONS = ['qq-1', 'qq-2', 'qq-3'] as const;
/** How long the child is killed each time it is ready, ms; and longer where it is ready too rarely for `FEWEST_KILLS`. */
const LOOP_MS = 12_000;
const LONGEST_LOOP_MS = 90_000;
const FEWEST_KILLS = 4;
/** In `LOOP_MS`: restarted without a pause it would be ready about once a second. */
const MOST_KILLS = 9;

it('a child that dies whenever it is ready is started ever later; its connections live with its sibling (F20)', async () => {
  const others = CONNECTIONS.slice(1).map((id, n) => ({ appId: `10300000${n}`, clientSecret: `crash-loop-${id}` }));
  await using qq = await startQq({ heartbeatIntervalMs: 1_000, bots: others });
  const bots = [qq, ...others.map(({ appId }) => qq.bot(appId))];
  await using installation = await install({
    connections: CONNECTIONS.map((id, place) => qqConnection(qq, id, bots[place])),
    timings: SCALED_TIMINGS,
  });
  await installation.scheduler();
  await installation.worker('agent,delivery');
  const parent = await installation.start('worker', '--roles', 'connections', '--processes', '2').ready();
  await waitUntil('both children', () => readyChildren(parent).length === 2, { timeoutMs: 20_000 });
  const owners = async () => Promise.all(CONNECTIONS.map((id) => installation.live(id)));
  const before = await owners();
  // The one that holds more: its connections have to go elsewhere.
  const [sibling, victim] = readyChildren(parent).toSorted(
    (one, other) => holdings(before, one) - holdings(before, other),
  );
  if (sibling === undefined || victim === undefined) throw new Error('there are not two children');
  using watch = new StatusWatch({
    status: () => installation.status(),
    bot: qq,
    id: CONNECTIONS[0],
    halfOpenBoundMs: SCALED_PINGS.pingEveryMs + SCALED_PINGS.pongDeadlineMs + CLOSED_BOUND_MS,
  });
  const people = bots.map((bot, n) => new Conversations(bot, qq.journal, { name: `P${n}`, everyMs: 60 }).start());

  signalProcess(victim, 'SIGKILL');
  const killed = [victim];
  const startedAt = performance.now();
  await waitUntil(
    'all connections on the sibling',
    async () => {
      const { connections } = await installation.status();
      return connections.every(({ state, owner }) => state === 'live' && owner?.endsWith(`/${sibling}`));
    },
    { timeoutMs: 10_000, explain: () => installation.tails() },
  );
  const settled = await owners();
  const loopedMs = () => performance.now() - startedAt;
  while (loopedMs() < LOOP_MS || (killed.length < FEWEST_KILLS && loopedMs() < LONGEST_LOOP_MS)) {
    const next = readyChildren(parent).find((pid) => pid !== sibling && !killed.includes(pid));
    if (next !== undefined) {
      signalProcess(next, 'SIGKILL');
      killed.push(next);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }

  const deaths = () => parent.lines.filter(({ event }) => event === 'child-died');
  await waitUntil('each death to be noticed', () => deaths().length === killed.length, { timeoutMs: 5_000 });
  expect(killed.length).toBeGreaterThanOrEqual(FEWEST_KILLS);
  expect(killed.length).toBeLessThanOrEqual((MOST_KILLS * loopedMs()) / LOOP_MS);
  // Each start waited as long as the death before it said.
  const starts = readyTimes(parent).filter(({ pid }) => killed.slice(1).includes(pid));
  const pauses = starts.map(({ time }, n) => time - Date.parse(String(deaths()[n]?.time)));
  const said = deaths().map(({ startsInMs }) => Number(startsInMs));
  expect(pauses).toHaveLength(killed.length - 1);
  for (const [n, pauseMs] of pauses.entries()) expect(pauseMs).toBeGreaterThanOrEqual(said[n] ?? Number.NaN);
  // Same holder and same lease from the first death on: the loop cost the sibling nothing.
  const tenures = (found: typeof settled) => found.map(({ owner, fencingToken }) => ({ owner, fencingToken }));
  expect(tenures(await owners())).toEqual(tenures(settled));
  expect(watch.violations).toEqual([]);
  for (const each of people) {
    const account = await each.account();
    expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
  }
  expect(qq.journal.of('identify')).toHaveLength(CONNECTIONS.length);
  expect(parent.exit).toBeNull();
  // And it gets its part again once it lives.
  await waitUntil(
    'the child to live again',
    () => readyChildren(parent).some((pid) => pid !== sibling && !killed.includes(pid)),
    {
      timeoutMs: 40_000,
    },
  );
});

/** Pids of children that said so, the dead ones too. */
function readyChildren(parent: ServedProcess): number[] {
  return readyTimes(parent).map(({ pid }) => pid);
}

function readyTimes(parent: ServedProcess) {
  return parent.lines.flatMap(({ event, pid, time }) =>
    event === 'child-ready' && pid !== undefined ? [{ pid, time: Date.parse(String(time)) }] : [],
  );
}

function holdings(connections: readonly { readonly owner: string | null }[], pid: number): number {
  return connections.filter(({ owner }) => owner?.endsWith(`/${pid}`)).length;
}
