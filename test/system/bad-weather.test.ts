/** Starting, and going on, when nothing answers as it should; and one connection's trouble beside another's health. */
import { describe, expect, it } from 'vitest';
import { startQq } from '../emulators/qq/index.ts';
import { Conversations, NOTHING_WRONG } from '../support/conversations.ts';
import { install, qqConnection, SCALED_PINGS, SCALED_TIMINGS } from '../support/installation.ts';
import { CLOSED_BOUND_MS, StatusWatch } from '../support/status-watch.ts';
import { waitUntil } from '../support/wait-until.ts';

const BOUND_MS = SCALED_PINGS.pingEveryMs + SCALED_PINGS.pongDeadlineMs + CLOSED_BOUND_MS;
/** Attempts in quick succession: what counts here is their number. */
const HASTY = { ...SCALED_TIMINGS, backoffBaseMs: 20, backoffCapMs: 20, dialTimeoutMs: 500 };

describe('bad weather', () => {
  it('does not end a start: token, discovery, dial and Hello may all fail (F01, F14, F15), and then 100 dials in a row (F02)', async () => {
    await using qq = await startQq({ heartbeatIntervalMs: 1_000 });
    const orders = [
      qq.faults.tokenReset({ times: 1 }),
      qq.faults.tokenHtml({ times: 1 }),
      qq.faults.expiresIn('soon', { times: 1 }),
      qq.faults.gatewayError('html', { times: 1, status: 500 }),
      qq.faults.gatewayError('empty', { times: 1 }),
      qq.faults.gatewayError('hang', { times: 1 }),
      qq.faults.refuseUpgrade(502, { times: 1 }),
      qq.faults.blackHoleDials({ times: 1 }),
      qq.faults.noHello({ times: 1 }),
    ];
    await using installation = await install({ connections: [qqConnection(qq)], timings: HASTY });
    const up = await installation.up();
    using watch = new StatusWatch({ status: () => installation.status(), bot: qq, halfOpenBoundMs: BOUND_MS });
    await installation.live('qq-main', 60_000);

    const people = new Conversations(qq, qq.journal, { users: 2 });
    people.say();
    people.say();
    expect(await people.account()).toEqual({ sent: 2, ...NOTHING_WRONG });
    expect(orders.map(({ hits }) => hits)).toEqual(orders.map(() => 1));
    // An odd "expires_in" must not make tokens be fetched without end.
    expect(qq.journal.of('token').length).toBeLessThan(15);

    await qq.faults.refuseDials();
    qq.faults.dropSockets({ how: 'rst' });
    const said = qq.user('PATIENT').say('still there?');
    const during = await installation.waitFor('to have failed 100 times', ({ attempt }) => attempt >= 100, {
      timeoutMs: 60_000,
    });
    expect(during.reason).toMatch(/refused/);
    await qq.faults.acceptDials();
    await installation.live();
    await qq.journal.waitUntil(() => qq.journal.repliesTo(said.messageId).length === 1);
    expect(qq.journal.of('identify')).toHaveLength(1);
    // Each of them left a line and was visible in status.
    expect(up.lines.filter(({ event, state }) => event === 'state' && state === 'waiting').length).toBeGreaterThan(99);
    expect(watch.violations).toEqual([]);

    // Leaving is not held up by an attempt that hangs.
    qq.faults.blackHoleDials();
    qq.faults.dropSockets({ how: 'rst' });
    await installation.waitFor('to be dialing', ({ state }) => state === 'connecting');
    expect(await up.stop()).toMatchObject({ code: 0, signal: null });
  });
});

describe('connections in trouble', () => {
  it('are parked with the reason while another stays live: a banned one is tried again slowly, a wrong secret waits for the right one (F35)', async () => {
    await using qq = await startQq({
      heartbeatIntervalMs: 1_000,
      bots: [
        { appId: '102000002', clientSecret: 'the-right-secret-of-the-second-bot' },
        { appId: '102000003', clientSecret: 'the-secret-of-the-banned-bot' },
      ],
    });
    const second = qq.bot('102000002');
    const third = qq.bot('102000003');
    const banned = qq.faults.closeOnAuth(4915, { appId: '102000003' });
    const timings = { ...SCALED_TIMINGS, probeEveryMs: 3_000 };
    const others = [qqConnection(qq), qqConnection(qq, 'qq-banned', third)];
    const bad = qqConnection(qq, 'qq-bad', second, { clientSecret: 'a-wrong-secret-for-the-second-bot' });
    await using installation = await install({ connections: [...others, bad], timings });
    const up = await installation.up();
    await installation.live();
    using watch = new StatusWatch({ status: () => installation.status(), bot: qq, halfOpenBoundMs: BOUND_MS });
    const people = new Conversations(qq, qq.journal, { everyMs: 50 }).start();

    const isParked = ({ state }: { state: string }) => state === 'parked';
    const parked = await installation.waitFor('to be parked', isParked, { id: 'qq-bad', timeoutMs: 30_000 });
    expect(parked.reason).toMatch(/appId|clientSecret/);
    expect(parked.nextAttemptAt).not.toBeNull();
    expect((await installation.waitFor('to be parked', isParked, { id: 'qq-banned' })).reason).toMatch(/4915/);
    expect((await installation.run(['status'])).code).toBe(1);
    expect(up.output).not.toContain('a-wrong-secret-for-the-second-bot');
    const ends = up.lines.filter(({ event, end }) => event === 'tenure-ended' && end === 'fatal');
    expect(new Set(ends.map(({ level }) => level))).toEqual(new Set(['error']));
    expect(new Set(ends.map(({ connection }) => connection))).toEqual(new Set(['qq-bad', 'qq-banned']));

    await waitUntil('a second try', () => banned.hits >= 2, { timeoutMs: 20_000 });
    banned.clear();
    await installation.live('qq-banned', 20_000);
    expect(third.view().live).toBe(true);
    expect(await people.account()).toMatchObject(NOTHING_WRONG);
    expect(watch.looks.filter(({ state }) => state !== 'live')).toEqual([]);
    expect(watch.violations).toEqual([]);
    watch[Symbol.dispose]();

    await installation.configure({ connections: [...others, qqConnection(qq, 'qq-bad', second)], timings });
    expect(await up.stop()).toMatchObject({ code: 0 });
    await installation.up();
    for (const id of ['qq-bad', 'qq-main', 'qq-banned']) await installation.live(id);
    const said = second.user('SECOND').say('now?');
    await qq.journal.waitUntil(() => qq.journal.repliesTo(said.messageId).length === 1);
    expect(qq.journal.of('identify', ({ appId }) => appId === qq.appId)).toHaveLength(1);
  });
});
