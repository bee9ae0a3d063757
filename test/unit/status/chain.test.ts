/** Whether people are answered, judged from made-up evidence: each link, its thresholds, and what is healthy all the same. */
import { describe, expect, it } from 'vitest';
import { connectionId } from '../../../src/model.ts';
import type { LaneStanding, OutboxStanding } from '../../../src/state/backlog.ts';
import type { QueueSettings } from '../../../src/state/queue-settings.ts';
import type { AgentReport, WorkerRecord } from '../../../src/state/workers.ts';
import { LINKS, TROUBLES_TOLD, type Trouble } from '../../../src/status/chain.ts';
import type { ChainEvidence } from '../../../src/status/chain-evidence.ts';
import type { ConnectionEvidence } from '../../../src/status/derive.ts';
import { allWell } from '../../../src/status/document.ts';
import { statusOf } from '../../../src/status/read-status.ts';
import { beat, FREE, HELD, REDIS_NOW, TOKEN } from '../../support/observed.ts';

const NOW = REDIS_NOW;
const ID = connectionId('qq-main');
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

const AGENT: AgentReport = {
  name: 'main',
  kind: 'openai',
  running: 0,
  places: 100,
  longestMs: null,
  limitMs: 120 * SECOND,
  answeredMs: 5 * SECOND,
  failing: null,
};

const WORKER = {
  id: 'host-a/1',
  roles: ['connections', 'scheduler', 'agent', 'delivery', 'web'],
  connections: 1,
  capacity: 10,
  eventLoopLagMs: 0,
  incarnation: 'aaa',
  draining: false,
  at: NOW,
  wallAt: NOW,
  agent: AGENT,
  sending: [],
} as unknown as WorkerRecord;

const CONNECTION = {
  desired: { id: ID, platform: 'qq', enabled: true },
  wishes: { paused: false, pausedAt: null },
  parked: null,
  lease: HELD,
  heartbeat: { token: TOKEN, at: NOW, heartbeat: beat() },
  restart: null,
  unfit: [],
  counters: {},
} as unknown as ConnectionEvidence;

const QUEUE: QueueSettings = { name: 'turns', paused: false, limit: null, atOnce: null, unreadable: null };

function evidence(change: Partial<ChainEvidence> = {}): ChainEvidence {
  return {
    moment: { now: NOW, nextSweepAt: NOW + SECOND, staleAfterMs: 3_500 },
    sweep: { worker: 'host-a/1', at: NOW },
    workers: [WORKER],
    connections: [CONNECTION],
    redis: {
      uptimeMs: 1,
      usedBytes: 10,
      maxBytes: 100,
      evictedKeys: 0,
      clients: 1,
      durability: 'always',
      aof: { enabled: true, healthy: true },
      refusesWrites: null,
    },
    queues: [QUEUE],
    queueChanges: [],
    backlogs: new Map(),
    lanes: new Map(),
    outboxes: new Map(),
    workerLog: [],
    ...change,
  };
}

const worker = (change: Partial<WorkerRecord>) => ({ ...WORKER, ...change }) as WorkerRecord;
const failing = (change: Partial<NonNullable<AgentReport['failing']>>) =>
  worker({
    agent: {
      ...AGENT,
      answeredMs: null,
      failing: { kind: 'away', reason: 'ECONNREFUSED', status: null, count: 3, forMs: 20_000, agoMs: 1_000, ...change },
    },
  });

function lane(change: Partial<LaneStanding>): Partial<ChainEvidence> {
  const standing: LaneStanding = {
    lane: 'l',
    at: NOW - 20 * MINUTE,
    beganAt: null,
    takenAt: null,
    running: false,
    attempt: 0,
    nextAttemptAt: null,
    lastError: null,
    ...change,
  };
  return { lanes: new Map([[ID, [standing]]]) };
}

function box(change: Partial<OutboxStanding>): Partial<ChainEvidence> {
  const standing: OutboxStanding = {
    lane: 'l',
    at: NOW - 20 * MINUTE,
    headSince: NOW,
    attempts: 0,
    heldUntil: null,
    heldBy: null,
    code: null,
    reason: null,
    ...change,
  };
  return { outboxes: new Map([[ID, [standing]]]) };
}

/** @returns `kind state` of what is found, and the document */
function judged(change: Partial<ChainEvidence>) {
  const status = statusOf(evidence(change));
  return {
    status,
    found: status.chain.troubles.map(({ kind, state }) => `${kind} ${state}`),
    troubles: status.chain.troubles,
  };
}

describe('an installation in which people are answered', () => {
  it.each<[string, Partial<ChainEvidence>]>([
    ['says nothing', {}],
    ['has no connections and nobody who works', { connections: [], workers: [], sweep: null }],
    [
      'is paused on purpose and has nobody who works',
      {
        workers: [],
        connections: [{ ...CONNECTION, wishes: { paused: true, pausedAt: 1 } } as unknown as ConnectionEvidence],
      },
    ],
    [
      'has a turn that has just been taken',
      lane({ running: true, takenAt: NOW - 20 * SECOND, beganAt: NOW - 20 * SECOND }),
    ],
    ['has one that an older release runs', lane({ running: true })],
    ['has a lane that is busy for long and moves on', lane({ running: true, takenAt: NOW - 1, beganAt: NOW - 1 })],
    ['has many parts to send, and sends them', box({ headSince: NOW - 3 * SECOND })],
    ['has a part held for seconds', box({ heldUntil: NOW + 20 * SECOND, heldBy: 'pause', attempts: 1 })],
  ])('is well when it %s', (_, change) => {
    const { status, found } = judged(change);
    expect(found).toEqual([]);
    expect(allWell(status)).toBe(true);
    for (const name of LINKS) expect(status.chain.links[name].state).toBe('ok');
  });

  it.each<[string, Partial<ChainEvidence>, string]>([
    [
      'a turn runs for 20 minutes within the limit of the agent',
      {
        ...lane({ running: true, takenAt: NOW - 20 * MINUTE, beganAt: NOW - 20 * MINUTE }),
        workers: [worker({ agent: { ...AGENT, limitMs: 30 * MINUTE, running: 1, longestMs: 20 * MINUTE } })],
      },
      'turn-long watch',
    ],
    ['the agent failed a moment ago', { workers: [failing({ count: 1, forMs: 2_000 })] }, 'agent-away watch'],
    [
      'the agent refused one message',
      { workers: [failing({ kind: 'refuses', status: 400, count: 1 })] },
      'agent-refuses watch',
    ],
    [
      'one of two processes does not reach the agent',
      { workers: [failing({}), worker({ id: 'b/2' as WorkerRecord['id'] })] },
      'agent-away watch',
    ],
    [
      'it failed an hour ago, and nobody asked since',
      { workers: [failing({ forMs: 7_300_000, agoMs: 7_200_000 })] },
      'agent-away watch',
    ],
    [
      'the agent role left a moment ago: a deploy',
      {
        workers: [worker({ roles: ['connections', 'delivery'] })],
        workerLog: [{ at: NOW - 5_000, worker: 'a/1', what: 'drained' }],
      },
      'no-agent-worker watch',
    ],
    [
      'a connection is being taken over',
      { connections: [{ ...CONNECTION, lease: { ...FREE, endedAt: NOW - 2_000 }, heartbeat: null }] },
      'disconnected watch',
    ],
    [
      'Redis was away for a moment',
      {
        connections: [
          {
            ...CONNECTION,
            heartbeat: { token: TOKEN, at: NOW, heartbeat: beat({ inbound: { reason: 'x', forMs: 3_000 } }) },
          },
        ],
      },
      'inbound-stuck watch',
    ],
    ['a message waits for a turn for 20 s', lane({ at: NOW - 20 * SECOND }), 'untaken watch'],
    [
      'the platform asked for two minutes',
      box({ heldUntil: NOW + 2 * MINUTE, heldBy: 'pause', attempts: 1 }),
      'held watch',
    ],
    [
      'a queue was put right',
      { queueChanges: [{ at: NOW - 1, queue: 'turns', was: 'paused' }] },
      'queue-settled watch',
    ],
  ])('is told, without being called a failure, that %s', (_, change, expected) => {
    const { status, found } = judged(change);
    expect(found).toEqual([expected]);
    expect(status.chain.state).toBe('watch');
  });
});

describe('nobody is answered', () => {
  it.each<[string, Partial<ChainEvidence>, string, RegExp]>([
    [
      'the queue of turns is paused (H5)',
      { queues: [{ ...QUEUE, paused: true }] },
      'queue-settings turn',
      /"turns": paused/,
    ],
    [
      'the queue of turns is limited (H5)',
      { queues: [{ ...QUEUE, limit: { jobs: '1', perMs: '100000' } }] },
      'queue-settings turn',
      /1 jobs in 100000 ms/,
    ],
    [
      'sends are limited to one at once (H5)',
      { queues: [{ ...QUEUE, name: 'deliveries', atOnce: '1' }] },
      'queue-settings sent',
      /1 jobs at once/,
    ],
    [
      'the agent cannot be reached (G04)',
      { workers: [failing({})] },
      'agent-away answer',
      /out of reach.*ECONNREFUSED/,
    ],
    [
      'the agent answers 401 (G23)',
      { workers: [failing({ kind: 'refuses', status: 401, count: 1, forMs: 1 })] },
      'agent-refuses answer',
      /refuses/,
    ],
    [
      'the agent answers 422 again and again',
      { workers: [failing({ kind: 'refuses', status: 422, count: 2 })] },
      'agent-refuses answer',
      /asked 2 times/,
    ],
    ['the agent answers 500', { workers: [failing({ kind: 'fails', status: 500 })] }, 'agent-fails answer', /fails/],
    [
      'a turn was tried again and again, by whom nobody knows (G04)',
      lane({
        beganAt: NOW - 3 * MINUTE,
        attempt: 13,
        nextAttemptAt: NOW + 5_000,
        lastError: 'no answer within 2000 ms',
      }),
      'unanswered answer',
      /asked 13 times: no answer within 2000 ms/,
    ],
    [
      'a turn runs beyond the limit of the agent',
      lane({ running: true, takenAt: NOW - 20 * MINUTE, beganAt: NOW - 20 * MINUTE }),
      'turn-long answer',
      /running for 20 min/,
    ],
    ['messages wait and no turn takes them', lane({ at: NOW - 2 * MINUTE }), 'untaken turn', /no process takes it/],
    [
      'all places are taken',
      { ...lane({ at: NOW - 2 * MINUTE }), workers: [worker({ agent: { ...AGENT, running: 100 } })] },
      'untaken turn',
      /all places are taken/,
    ],
    [
      'no process can reply for the connection',
      lane({ beganAt: NOW - 2 * MINUTE, nextAttemptAt: NOW + 1, lastError: 'no secret here' }),
      'untaken turn',
      /no secret here/,
    ],
    [
      'nobody asks the agent',
      { workers: [worker({ roles: ['connections', 'delivery'] })] },
      'no-agent-worker turn',
      /role "agent"/,
    ],
    [
      'nobody sends',
      { workers: [worker({ roles: ['connections', 'agent'] })] },
      'no-delivery-worker sent',
      /role "delivery"/,
    ],
    ['no scheduler looks', { sweep: { worker: 'a/1', at: NOW - 5 * MINUTE } }, 'no-sweep received', /for 5 min/],
    [
      'Redis is full (M1, M2)',
      { redis: { ...(evidence().redis as NonNullable<ChainEvidence['redis']>), usedBytes: 85 } },
      'storage stored',
      /85 %/,
    ],
    [
      'Redis takes no writes',
      { redis: { ...(evidence().redis as NonNullable<ChainEvidence['redis']>), refusesWrites: 'it is a replica' } },
      'storage stored',
      /replica/,
    ],
    [
      'a pump is stuck (M1)',
      {
        connections: [
          {
            ...CONNECTION,
            heartbeat: {
              token: TOKEN,
              at: NOW,
              heartbeat: beat({ inbound: { reason: 'messages are refused', forMs: 30_000 } }),
            },
          },
        ],
      },
      'inbound-stuck stored',
      /messages are refused/,
    ],
    [
      'an hour of flood wait holds the answer (G28)',
      box({
        headSince: NOW - SECOND,
        attempts: 1,
        heldUntil: NOW + 60 * MINUTE,
        heldBy: 'retry',
        code: '429',
        reason: 'retry after 3600',
      }),
      'held sent',
      /held for 60 min more.*429 retry after 3600/,
    ],
    [
      'an answer does not go out',
      box({ headSince: NOW - 2 * MINUTE, attempts: 7, reason: 'HTTP 500' }),
      'unsent sent',
      /tried 7 times.*HTTP 500/,
    ],
    ['nobody takes up an answer', box({ headSince: null }), 'unsent sent', /nobody sends/],
    [
      'the last sends were all refused',
      {
        workers: [
          worker({ sending: [{ connection: ID, count: 4, code: '403', reason: 'kicked', forMs: 1, agoMs: 1 }] }),
        ],
      },
      'sends-failing sent',
      /403 kicked/,
    ],
    [
      'a connection needs a person',
      {
        connections: [
          {
            ...CONNECTION,
            lease: FREE,
            parked: { reason: 'banned', since: NOW, probeAt: NOW },
          } as unknown as ConnectionEvidence,
        ],
      },
      'disconnected received',
      /banned/,
    ],
  ])('when %s: status says so, why and what to do', (_, change, expected, words) => {
    const { status } = judged(change);
    const [first] = status.chain.troubles as [Trouble];
    expect(`${first.kind} ${first.link}`).toBe(expected);
    expect(first.reason).toMatch(words);
    expect(first.advice).not.toBe('');
    expect(status.chain.state).toBe('failing');
    expect(status.chain.links[first.link].state).toBe('failing');
    expect(status.connections[0]?.chain).toMatchObject({ state: 'failing', link: first.link, reason: first.reason });
    expect(allWell(status)).toBe(false);
  });

  it('says when it goes on, where that is known (G28)', () => {
    const { troubles } = judged(box({ attempts: 1, heldUntil: NOW + 60 * MINUTE, heldBy: 'retry' }));
    expect(troubles[0]?.until).toBe(new Date(NOW + 60 * MINUTE).toISOString());
  });

  it('tells a bounded number, the worst first, and a reason that no terminal obeys', () => {
    const connections = Array.from({ length: 150 }, (_, n) => ({
      ...CONNECTION,
      desired: { ...CONNECTION.desired, id: connectionId(`c-${n}`) },
      heartbeat: {
        token: TOKEN,
        at: NOW,
        heartbeat: beat({ inbound: { reason: '\u001b[2J', forMs: n % 2 === 0 ? 1 : 60_000 } }),
      },
    }));
    const { status } = judged({ connections });
    expect([status.chain.troubles.length, status.chain.more]).toEqual([TROUBLES_TOLD, 50]);
    expect(status.chain.troubles[0]?.state).toBe('failing');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be in it
    expect(JSON.stringify(status).replaceAll('\\u001b', '\u001b')).not.toMatch(/\u001b/);
  });

  it('says of the agent how it does', () => {
    const running = worker({ agent: { ...AGENT, running: 3, longestMs: 9_000 }, at: NOW - 500 });
    const { status } = judged({ workers: [running, failing({})] });
    expect(status.agents).toMatchObject([
      {
        name: 'main',
        kind: 'openai',
        workers: 2,
        running: 3,
        places: 200,
        oldestSignAgeMs: 9_500,
        lastAnswerAgeMs: 5_500,
      },
    ]);
    expect(status.agents[0]?.failing).toMatchObject({
      kind: 'away',
      count: 3,
      since: new Date(NOW - 20_000).toISOString(),
    });
  });
});
