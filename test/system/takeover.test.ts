/** Two workers and a scheduler as processes of their own: what the death, the drain and the freeze of an owner cost. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { askConnection } from '../../src/state/ask.ts';
import { type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { Conversations, NOTHING_WRONG } from '../support/conversations.ts';
import { type Installation, install, qqConnection, SCALED_PINGS, SCALED_TIMINGS } from '../support/installation.ts';
import type { ServedProcess } from '../support/served-process.ts';
import { CLOSED_BOUND_MS, StatusWatch } from '../support/status-watch.ts';
import { waitUntil } from '../support/wait-until.ts';

describe('two workers and a scheduler', () => {
  let qq: QqEmulator;
  let installation: Installation;
  let watch: StatusWatch;
  let workers: ServedProcess[];
  let scheduler: ServedProcess;
  let resumedBefore: number;

  beforeAll(async () => {
    qq = await startQq({ heartbeatIntervalMs: 1_000 });
    installation = await install({ connections: [qqConnection(qq)], timings: SCALED_TIMINGS });
    [scheduler, ...workers] = await Promise.all([
      installation.scheduler(),
      installation.worker('connections,agent,delivery'),
      installation.worker('connections,agent,delivery'),
    ]);
    await installation.live();
    watch = new StatusWatch({
      status: () => installation.status(),
      bot: qq,
      halfOpenBoundMs: SCALED_PINGS.pingEveryMs + SCALED_PINGS.pongDeadlineMs + CLOSED_BOUND_MS,
    });
  });

  beforeEach(() => {
    resumedBefore = qq.journal.count('resumed');
  });

  afterAll(async () => {
    watch?.[Symbol.dispose]();
    await installation?.[Symbol.asyncDispose]();
    await qq?.close();
  });

  async function ownerProcess(): Promise<ServedProcess> {
    const { owner } = await installation.live();
    const found = workers.find(({ pid }) => owner?.endsWith(`/${pid}`));
    if (found === undefined) throw new Error(`none of our workers is ${owner}`);
    return found;
  }

  /** A new worker in place of the ended one, so that the next test has two again. */
  async function replace(ended: ServedProcess): Promise<void> {
    workers = [...workers.filter((one) => one !== ended), await installation.worker('connections,agent,delivery')];
  }

  async function expectTakenOver(before: { owner: string | null; fencingToken: number | null }): Promise<void> {
    const after = await installation.waitFor(
      'to be live elsewhere',
      ({ state, owner }) => state === 'live' && owner !== before.owner,
    );
    expect(after.fencingToken).toBeGreaterThan(Number(before.fencingToken));
    expect(qq.journal.of('identify')).toHaveLength(1);
    expect(qq.journal.count('resumed') - resumedBefore).toBe(1);
  }

  it('resumes on the other worker after SIGKILL of the owner; nothing lost or doubled (F10, F16, F28)', async () => {
    const owner = await ownerProcess();
    const before = await installation.connection();
    const people = new Conversations(qq, qq.journal, { name: 'KILL', everyMs: 20 }).start();
    await delay(1_000);
    owner.kill('SIGKILL');
    await expectTakenOver(before);

    expect((await installation.connection()).counters.takeovers).toBe(before.counters.takeovers + 1);
    await delay(500);
    const account = await people.account();
    expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
    expect(qq.overlap().peak).toBe(1);
    expect(watch.violations).toEqual([]);
    await replace(owner);
  });

  it('hands over by Resume on SIGTERM and leaves with 0 within 10 s (F34)', async () => {
    const owner = await ownerProcess();
    const before = await installation.connection();
    const people = new Conversations(qq, qq.journal, { name: 'TERM', everyMs: 20 }).start();
    await delay(500);
    const exit = await owner.stop();
    expect(exit).toMatchObject({ code: 0, signal: null });
    expect(exit.afterMs).toBeLessThan(10_000);
    await expectTakenOver(before);

    const account = await people.account();
    expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
    expect(qq.overlap().peak).toBe(1);
    expect(watch.violations).toEqual([]);
    await replace(owner);
  });

  it('replaces a frozen owner, whose late writes then change nothing (F22, F28)', async () => {
    const owner = await ownerProcess();
    const before = await installation.connection();
    const people = new Conversations(qq, qq.journal, { name: 'FREEZE', everyMs: 50 }).start();
    await delay(500);
    owner.kill('SIGSTOP');
    try {
      await expectTakenOver(before);
    } finally {
      owner.kill('SIGCONT');
    }
    const token = (await installation.connection()).fencingToken;
    await delay(SCALED_TIMINGS.leaseMs);

    expect(await installation.live()).toMatchObject({ fencingToken: token });
    const account = await people.account();
    expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
    expect(watch.violations).toEqual([]);
    // A watchdog may have ended it: then another takes its place.
    if (owner.exit !== null) await replace(owner);
  });

  it('replaces an owner whose event loop is blocked: its watchdog ends it in time, and says so (F22, F28)', async () => {
    const inspected = ['env', 'NODE_OPTIONS=--inspect=127.0.0.1:0'];
    const roles = ['--roles', 'connections,agent,delivery'];
    const blocked = await installation.startVia(inspected, 'worker', ...roles).ready();
    await handOverTo(blocked);
    resumedBefore = qq.journal.count('resumed');
    const before = await installation.connection();
    const people = new Conversations(qq, qq.journal, { name: 'BLOCK', everyMs: 50 }).start();
    await delay(500);
    await evaluate(blocked, 'for (;;);');
    const blockedAt = performance.now();
    expect(await blocked.exited).toMatchObject({ signal: 'SIGKILL' });
    // Not before it had to, and before anybody else could be live beside it.
    expect(performance.now() - blockedAt).toBeGreaterThan(SCALED_TIMINGS.leaseMs / 2);
    // Its child, which asks the agent, says after it that it leaves.
    const last = blocked.lines.findLast(({ pid }) => pid === blocked.pid);
    expect(last).toMatchObject({ event: 'loop-blocked', level: 'fatal' });
    await expectTakenOver(before);
    const account = await people.account(30_000);
    expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
    expect(qq.overlap().peak).toBe(1);
    expect(watch.violations).toEqual([]);
  });

  async function handOverTo({ pid }: ServedProcess): Promise<void> {
    const { workers: known } = await installation.status();
    const target = known.find(({ id }) => id.endsWith(`/${pid}`))?.id ?? null;
    const { client, keys } = await installation.reader();
    await askConnection(client, keys, 'qq-main', 'handoff', target);
    await installation.waitFor('to be handed over', ({ state, owner }) => state === 'live' && owner === target);
  }

  it('without a scheduler the death of an owner still shows, and the next scheduler repairs it (F05, F06)', async () => {
    const owner = await ownerProcess();
    const before = await installation.connection();
    const people = new Conversations(qq, qq.journal, { name: 'UNJUDGED', everyMs: 50 }).start();
    scheduler.kill('SIGKILL');
    await scheduler.exited;
    owner.kill('SIGKILL');
    const killedAt = performance.now();
    const orphaned = await installation.waitFor('to be unowned', ({ state }) => state === 'unowned');
    expect(performance.now() - killedAt).toBeLessThan(CLOSED_BOUND_MS + 1_000);
    expect(orphaned.reason).not.toBeNull();
    const { scheduler: judge } = await installation.status();
    expect(judge.lastSweepAgeMs).toBeGreaterThan(SCALED_TIMINGS.sweepEveryMs);

    scheduler = await installation.scheduler();
    await expectTakenOver(before);
    const account = await people.account();
    expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
    expect(watch.violations).toEqual([]);
  });
});

/** In a process that was started with `--inspect`, by its debugger. @returns once it was told, not once it is done */
async function evaluate(inspected: ServedProcess, expression: string): Promise<void> {
  const [url = ''] = /ws:\/\/127\.0\.0\.1:\S+/.exec(inspected.output) ?? [];
  const socket = new WebSocket(url);
  await once(socket, 'open');
  socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }));
  // It ends with the process.
  socket.on('error', () => undefined);
}

describe('Ctrl-C in the terminal of `up`', () => {
  it('drains before the embedded Redis goes, and a restart resumes (F34)', async () => {
    await using qq = await startQq({ heartbeatIntervalMs: 1_000 });
    await using installation = await install({
      connections: [qqConnection(qq)],
      timings: SCALED_TIMINGS,
      agent: { kind: 'echo', delayMs: [200, 400] },
    });
    const up = await installation.up();
    await installation.live();
    const people = new Conversations(qq, qq.journal, { everyMs: 30 }).start();
    await delay(1_000);
    up.kill('SIGINT', 'group');
    const exit = await up.exited;

    expect(exit).toMatchObject({ code: 0, signal: null });
    expect(exit.afterMs).toBeLessThan(10_000);
    const events = up.lines.map(({ event }) => event);
    expect(events.filter((event) => event === 'draining')).toHaveLength(3);
    // Drained by parent and children, and only then the store: nobody saw it go.
    expect(events.lastIndexOf('drained')).toBeLessThan(events.indexOf('redis.stopped'));
    expect(events).not.toContain('redis.lost');
    expect(up.lines.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
    await waitUntil('the socket to be gone', () => !qq.view().live);

    await installation.up();
    await installation.live();
    expect(qq.journal.of('identify')).toHaveLength(1);
    const account = await people.account();
    expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
  });
});
