/**
 * Many connections on two workers of one machine: a start within the platform's limits, renewal in batches, and the death
 * of a worker that held half of them. At full length 1000, over plain sockets and over TLS; otherwise fewer.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listWorkers, type WorkerRecord } from '../../src/state/workers.ts';
import type { StatusDocument } from '../../src/status/document.ts';
import { type Installation, install, LONG } from '../support/installation.ts';
import { QqCrowd } from '../support/qq-crowd.ts';
import type { ServedProcess } from '../support/served-process.ts';
import { makeTestCa, type TestCa } from '../support/test-ca.ts';
import { waitUntil } from '../support/wait-until.ts';

const MANY = LONG ? 1_000 : 200;
/** Said to the bots during the takeover: 50 messages a second. */
const TALK_EVERY_MS = 20;
/** How long renewals are watched: several periods of 1.5 s. */
const WATCHED_MS = 6_000;
/** Scripts of an idle installation, however many connections: fetches, stalled checks, reports with metrics, alerts. */
const QUEUES_PER_SECOND = 40;
/** Nothing here is a matter of speed; these end a test that would hang. Two busy cores start 1000 connections in 15 s. */
const START_DEADLINE_MS = 120_000;
const TAKEOVER_DEADLINE_MS = 30_000;
/** A worker this late could not renew in time, and would be near to fencing itself (lease 6 s). */
const LAG_BOUND_MS = 1_500;
/** 50 by the pace of a process, and room for a machine so slow that places are given on (attempt-pace.ts). */
const LOGINS_AT_ONCE = 75;

describe.each(LONG ? ['plain', 'TLS'] : ['plain'])(`${MANY} connections on two workers, %s`, (transport) => {
  let ca: TestCa | undefined;
  let crowd: QqCrowd;
  let installation: Installation;
  let workers: readonly ServedProcess[];

  beforeAll(async () => {
    ca = transport === 'TLS' ? await makeTestCa() : undefined;
    crowd = await QqCrowd.start({ bots: MANY, ...(ca === undefined ? {} : { tls: ca.server }) });
    const { apiBaseUrl, tokenUrl, accounts } = crowd.platform;
    installation = await install({
      connections: accounts.map((account, n) => ({ id: `bot-${n}`, platform: 'qq', ...account, apiBaseUrl, tokenUrl })),
      // The defaults: with a scaled lease a busy machine would be what is tested.
      timings: {},
      env: ca === undefined ? {} : { NODE_EXTRA_CA_CERTS: ca.caFile },
    });
    const holder = () => installation.start('worker', '--roles', 'connections', '--capacity', String(MANY)).ready();
    const messages = installation.start('worker', '--roles', 'agent,delivery').ready();
    workers = await Promise.all([holder(), holder()]);
    await messages;
    // Only now is there anything to hold: a worker that does not know of the other one yet would take more than its share,
    // and give it back lot by lot.
    const acquaintedAt = await acquainted();
    await waitUntil('both to count the other', async () => (await holders()).every(({ at }) => at > acquaintedAt));
    await installation.scheduler();
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await crowd?.[Symbol.asyncDispose]();
    await ca?.[Symbol.asyncDispose]();
  });

  /** @returns when both workers were listed, Redis ms */
  async function acquainted(): Promise<number> {
    await waitUntil('both workers to be listed', async () => (await holders()).length === 2);
    return Math.max(...(await holders()).map(({ at }) => at));
  }

  async function holders(): Promise<WorkerRecord[]> {
    const { client, keys } = await installation.reader();
    return (await listWorkers(client, keys)).filter(({ roles }) => roles.includes('connections'));
  }

  it('starts each with one Identify, within the limits of its bot, evenly on both workers', async () => {
    const look = await crowd.waitFor('all bots to be live', ({ live }) => live === MANY, START_DEADLINE_MS);
    const { dialedAt, mostLoginsAtOnce } = look;
    const { tookMs } = spread(dialedAt);
    measured('start', { tookMs, dialsPerSecond: busiestSecond(dialedAt), mostLoginsAtOnce });

    expect(look).toMatchObject({ identified: MANY, identifiesRefused: 0, callsRefused: 0, mostSocketsOfOneBot: 1 });
    await waitUntil('both workers to report', async () => sum(await holders()) === MANY);
    for (const { connections } of await holders()) expect(connections).toBeGreaterThan(0.4 * MANY);
  });

  it('renews leases in batches', async () => {
    // What a start has to show in Bull Board gathers for a second.
    await delay(2_000);
    const before = await redisCalls();
    await delay(WATCHED_MS);
    const after = await redisCalls();
    // Each renewal of a lease writes two hashes, the lease and its heartbeat; nothing else writes any while all is quiet.
    const renewed = (after.hset - before.hset) / 2;
    const scripts = after.evalsha - before.evalsha;
    const { renewEveryMs } = installation.config.timings;
    const perSecond = (count: number) => (count * 1_000) / WATCHED_MS;
    measured('renewal', { leasesPerSecond: perSecond(renewed), scriptsPerSecond: perSecond(scripts) });

    // All of them, at the pace they need; one period may fall outside of what was watched.
    expect(renewed).toBeGreaterThanOrEqual(MANY * (Math.floor(WATCHED_MS / renewEveryMs) - 1));
    // One SET EX per connection would be as many calls as leases. What the queues of five processes do all the time is
    // counted, too.
    expect(perSecond(scripts)).toBeLessThanOrEqual(perSecond(renewed) / 20 + QUEUES_PER_SECOND);
  });

  it('tells the status of all within its own deadline', async () => {
    const { code, stdout, tookMs } = await installation.run(['status', '--json']);
    measured('status', { tookMs: Math.round(tookMs) });

    expect((JSON.parse(stdout) as StatusDocument).connections).toHaveLength(MANY);
    // 2 if Redis had not told all within 2 s.
    expect(code).toBe(0);
  });

  it('resumes all of a killed worker on the other one, paced, and answers what was said meanwhile once', async () => {
    const [victim, survivor] = workers as [ServedProcess, ServedProcess];
    const { connections } = await installation.status();
    const orphans = connections.filter(({ owner }) => owner?.endsWith(`/${victim.pid}`)).length;
    const { mark } = await crowd.look();
    const lags: number[] = [];
    const watching = new AbortController();
    const watched = watchLag(lags, watching.signal);
    await crowd.talk(TALK_EVERY_MS);
    await delay(500);

    const killedAt = Date.now();
    victim.kill('SIGKILL');
    const look = await crowd
      .waitFor('the orphans to be resumed', ({ resumedAt }) => resumedAt.length >= orphans, TAKEOVER_DEADLINE_MS, mark)
      .finally(() => crowd.hush());
    const answered = await crowd.waitFor('all answers', ({ unanswered }) => unanswered.length === 0, 30_000, mark);
    watching.abort();
    await watched;
    const { firstAt, tookMs } = spread(look.resumedAt);
    measured('takeover', {
      orphans,
      firstAfterMs: firstAt - killedAt,
      allAfterMs: firstAt + tookMs - killedAt,
      dialsPerSecond: busiestSecond(look.dialedAt),
      mostLoginsAtOnce: look.mostLoginsAtOnce,
      worstLagMs: Math.max(...lags),
    });

    expect(orphans).toBeGreaterThan(MANY / 3);
    expect(answered).toMatchObject({ identified: 0, resumesRefused: 0, callsRefused: 0, live: MANY });
    expect(answered.resumedAt).toHaveLength(orphans);
    // A dial may fail on a machine that is busy with other things; a storm would be many times as many.
    expect(answered.dialedAt.length).toBeLessThanOrEqual(1.2 * orphans);
    expect(answered.mostLoginsAtOnce).toBeLessThanOrEqual(LOGINS_AT_ONCE);
    expect(answered).toMatchObject({ unanswered: [], answeredTwice: [], saidToNobody: 0, mostSocketsOfOneBot: 1 });
    expect(answered.said).toBeGreaterThan(25);
    expect(Math.max(...lags)).toBeLessThan(LAG_BOUND_MS);
    expect(survivor.lines.filter(({ event }) => event === 'tenure-ended')).toEqual([]);
  });

  async function redisCalls(): Promise<{ evalsha: number; hset: number }> {
    const stats = await (await installation.reader()).client.info('commandstats');
    const of = (command: string) => Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0);
    return { evalsha: of('evalsha'), hset: of('hset') };
  }

  async function watchLag(lags: number[], signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      lags.push(...(await holders()).map(({ eventLoopLagMs }) => eventLoopLagMs));
      await delay(250);
    }
  }
});

function sum(workers: readonly WorkerRecord[]): number {
  return workers.reduce((total, { connections }) => total + connections, 0);
}

function spread(instants: readonly number[]): { firstAt: number; tookMs: number } {
  const firstAt = Math.min(...instants);
  return { firstAt, tookMs: Math.max(...instants) - firstAt };
}

/** The most instants within any second. */
function busiestSecond(instants: readonly number[]): number {
  const sorted = [...instants].sort((a, b) => a - b);
  let from = 0;
  return sorted.reduce((most, at, to) => {
    while (at - (sorted[from] ?? at) >= 1_000) from += 1;
    return Math.max(most, to - from + 1);
  }, 0);
}

/** For the numbers in docs/runbook.md. */
function measured(what: string, numbers: Readonly<Record<string, number>>): void {
  if (LONG) console.info(what, JSON.stringify(numbers));
}
