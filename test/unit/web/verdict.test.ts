/** The top line of the status page: is it alive, and if not, why, and what to do. */
import { describe, expect, it } from 'vitest';
import type { Trouble } from '../../../src/status/chain.ts';
import type { ConnectionStateName, ConnectionStatus } from '../../../src/status/document.ts';
import type { OverviewDocument } from '../../../src/status/overview.ts';
import { adviseOn } from '../../../src/web/page/advice.ts';
import { judge } from '../../../src/web/page/verdict.ts';
import { inChain, trouble } from '../../support/in-chain.ts';

const NONE = {
  events: 0,
  duplicates: 0,
  resumed: 0,
  identified: 0,
  gaps: 0,
  takeovers: 0,
  malformed: 0,
  staleWrites: 0,
};

function connection(id: string, state: ConnectionStateName, reason: string | null = null): ConnectionStatus {
  return {
    id,
    platform: 'qq',
    state,
    since: null,
    reason,
    owner: state === 'live' ? 'a/1' : null,
    fencingToken: null,
    lastRoundTripAgeMs: null,
    lastEventAgeMs: null,
    nextAttemptAt: null,
    attempt: 0,
    route: null,
    remark: null,
    platformAheadMs: null,
    counters: NONE,
  };
}

const WORKER = {
  id: 'a/1',
  roles: ['connections'],
  connections: 1,
  capacity: 9,
  eventLoopLagMs: 2,
  configRefused: null,
  restartNeeded: [],
  notSharing: null,
};

function overview(
  connections: readonly ConnectionStatus[],
  change: Partial<OverviewDocument> = {},
  troubles: readonly Trouble[] = [],
): OverviewDocument {
  return {
    status: inChain(
      {
        at: '2026-11-29T00:00:00.000Z',
        scheduler: { lastSweepAgeMs: 100, worker: 'a/1' },
        workers: [WORKER],
        connections,
      },
      troubles,
    ),
    queues: [],
    deadLetters: { total: 0, byConnection: {} },
    backlog: { lanes: 0, outboxes: 0, oldestLaneAgeMs: null },
    redis: { up: true, durability: 'fsync always', usedMemoryShare: null },
    version: '0',
    ...change,
  };
}

describe('the headline', () => {
  it.each([
    [[], 'well', 'No connections are configured'],
    [['live'], 'well', 'c0 is live'],
    [['live', 'live'], 'well', 'All 2 connections are live'],
    [['live', 'paused'], 'well', 'c0 is live, 1 paused'],
    [['paused'], 'well', 'c0 is paused'],
    [['paused', 'paused'], 'well', 'All 2 connections are paused'],
    [['live', 'connecting'], 'recovering', 'c1 is connecting'],
    [['live', 'parked'], 'trouble', 'c1 needs a person'],
    [['waiting', 'live'], 'trouble', 'c0 is down and waits for its next attempt'],
    [['unowned'], 'trouble', 'c0 is down and nobody holds it'],
    [['waiting', 'parked', 'live'], 'trouble', '2 of 3 connections are not live'],
    [['waiting', 'parked'], 'trouble', 'None of 2 connections is live'],
  ] as const)('of %j is %s: %s', (states, tone, headline) => {
    const connections = states.map((state, n) => connection(`c${n}`, state));
    expect(judge(overview(connections))).toMatchObject({ tone, headline });
  });

  it('is followed by what is not well, whoever needs a person first', () => {
    const found = judge(
      overview([connection('a', 'connecting'), connection('b', 'waiting'), connection('c', 'parked')]),
    );
    expect(found.troubled.map(({ connection: { id } }) => id)).toEqual(['c', 'b', 'a']);
  });
});

describe('what else is said', () => {
  const said = (change: Partial<OverviewDocument>) => judge(overview([connection('a', 'live')], change)).notices;

  it('is nothing while all is well', () => {
    expect(said({})).toEqual([]);
  });

  it('is that nobody sweeps, that no worker is alive, and what waits for a person', () => {
    const { status } = overview([]);
    const never = said({ status: { ...status, scheduler: { lastSweepAgeMs: null, worker: null }, workers: [] } });
    expect(never.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^No scheduler has ever swept/),
      expect.stringMatching(/^No worker with the role "connections"/),
    ]);
    const late = said({ status: { ...status, scheduler: { lastSweepAgeMs: 65_000, worker: 'a/1' } } });
    expect(late[0]?.text).toMatch(/^The last sweep was 1 min 5 s before this: nothing is restarted/);
    const refused = { ...WORKER, configRefused: 'agent.kind: wrong', restartNeeded: ['http'], notSharing: null };
    expect(said({ status: { ...status, workers: [refused] } }).map(({ text }) => text)).toEqual([
      'a/1 refuses its configuration, and goes on with the one before: agent.kind: wrong',
      'a/1 must be restarted for what changed in http.',
    ]);
    expect(said({ deadLetters: { total: 2, byConnection: { a: 2 } } }).map(({ text }) => text)).toEqual([
      '2 messages could not be answered or sent.',
    ]);
  });
});

describe('a bot that is live and answers nobody', () => {
  const limited = trouble({ kind: 'queue-settings', link: 'turn', subject: 'turns', reason: 'limited to 1 job' });
  const held = trouble({ kind: 'held', link: 'sent', subject: 'c0', connection: 'c0', reason: 'held for 60 min' });

  it.each([
    [['live'], [limited], 'c0 is live, but people are not answered'],
    [['live', 'live'], [limited], 'All 2 connections are live, but people are not answered'],
    [['live', 'live'], [held], 'All 2 connections are live, but people are not answered on c0'],
    [['waiting'], [limited], 'c0 is down and waits for its next attempt, and people are not answered'],
  ] as const)('of %j is trouble, in the first line, with why and what to do (H5)', (states, troubles, headline) => {
    const connections = states.map((state, n) => connection(`c${n}`, state));
    const verdict = judge(overview(connections, {}, troubles));
    expect(verdict).toMatchObject({ tone: 'trouble', headline, broken: troubles });
  });

  it('is not made of what is only worth a look: that is a notice', () => {
    const long = trouble({
      kind: 'turn-long',
      link: 'answer',
      subject: 'c0',
      state: 'watch',
      reason: 'runs for 20 min',
    });
    const verdict = judge(overview([connection('c0', 'live')], {}, [long]));
    expect(verdict).toMatchObject({ tone: 'well', headline: 'c0 is live', broken: [] });
    expect(verdict.notices.map(({ text }) => text)).toEqual(['runs for 20 min.']);
  });
});

describe('advice', () => {
  it.each([
    ['waiting', 'access token: proxy connection refused (ECONNREFUSED) [http proxy 127.0.0.1:7890 → …]', /proxy/],
    ['waiting', 'conflict: another program polls with this token (rival, 409)', /Another program/],
    ['waiting', 'gateway dial: connection refused: connect ECONNREFUSED 10.0.0.1:443', /network/],
    ['connecting', 'gateway dial: connection refused (ECONNREFUSED 10.0.0.1:443)', /network/],
    ['waiting', 'something nobody has seen before', /Nothing if it is young/],
    ['unowned', 'no scheduler has looked at it yet', /holdfast scheduler/],
    ['unowned', 'the lease of a/1 ran out', /start a worker/],
    ['parked', 'the platform refuses appId or clientSecret (100016)', /correct what the reason names/],
  ] as const)('for %s because of "%s"', (state, reason, todo) => {
    const advice = adviseOn({ state, reason });
    expect(advice?.todo).toMatch(todo);
  });

  it('is not given where nothing is to be done', () => {
    expect(adviseOn({ state: 'live', reason: null })).toBeNull();
    expect(adviseOn({ state: 'paused', reason: 'paused by the operator' })).toBeNull();
  });
});
