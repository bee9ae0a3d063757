/** Alerts from the evidence in Redis to a real receiver: once each, whatever dies or is away meanwhile. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Notification } from '../../src/alerts/alert.ts';
import { observe } from '../../src/alerts/observe.ts';
import { createChatSink } from '../../src/alerts/sinks/chat.ts';
import type { Sink } from '../../src/alerts/sinks/sink.ts';
import { createSlackSink } from '../../src/alerts/sinks/slack.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { connectionId, type WorkerId } from '../../src/model.ts';
import { createBudget } from '../../src/state/budget.ts';
import { laneId } from '../../src/state/keys.ts';
import type { LaneJobData } from '../../src/state/queues.ts';
import { reportWorker } from '../../src/state/workers.ts';
import type { HoldingDocument } from '../../src/status/document.ts';
import { registerSecret } from '../../src/text/known-secrets.ts';
import { AlertBench, BENCH_SETTINGS, BENCH_TIMINGS, webhookTo } from '../support/alert-bench.ts';
import { type AlertReceiver, startAlertReceiver } from '../support/alert-receiver.ts';
import { inChain } from '../support/in-chain.ts';
import { startRedis, useRedis } from '../support/redis.ts';
import { waitUntil } from '../support/wait-until.ts';

const CHILD = fileURLToPath(new URL('../support/alert-child.ts', import.meta.url));
const redis = useRedis();

const inShort = ({ kind, rule, subjects }: Notification) => `${kind} ${rule} ${subjects.map(({ name }) => name)}`;
const accepted = (receiver: AlertReceiver) => receiver.accepted.map(({ notification }) => inShort(notification));

async function arrived(receiver: AlertReceiver, count: number): Promise<void> {
  await waitUntil(`${count} notifications`, () => receiver.accepted.length >= count, {
    explain: () => JSON.stringify(accepted(receiver)),
  });
}

describe('an outage', () => {
  it('is one alert, and its end another one, with its length and what was stored, over a restart in between (F32)', async () => {
    await using receiver = await startAlertReceiver();
    await using bench = await AlertBench.start(redis.server, redis.prefix(), ['qq-main', 'qq-well']);
    const first = bench.alerting([webhookTo(receiver)]);
    await bench.watched();
    await bench.lose('qq-main');
    await arrived(receiver, 1);
    await bench.delivered();
    await first();

    bench.alerting([webhookTo(receiver)]);
    // Two that could judge: one does.
    bench.alerting([webhookTo(receiver)]);
    await bench.restore('qq-main', 12);
    await arrived(receiver, 2);
    await bench.delivered();
    expect(accepted(receiver)).toEqual(['firing down qq-main', 'recovered down qq-main']);
    const [down, back] = receiver.accepted;
    expect(down?.notification.subjects[0]?.reason).toContain('ECONNREFUSED');
    expect(back?.notification.subjects[0]?.stored).toEqual({ events: 12, gaps: 0 });
    const lengthMs = back?.notification.subjects[0]?.forMs ?? 0;
    expect(lengthMs).toBeGreaterThanOrEqual(BENCH_SETTINGS.downAfterMs);
    expect(lengthMs).toBeLessThan(30_000);
    expect(receiver.accepted.map(({ idempotencyKey }) => idempotencyKey)).toEqual(
      receiver.accepted.map(({ notification }) => notification.id),
    );
    expect(receiver.forged).toBe(0);
  });

  it('of several connections with one cause is one message, and another cause is another one', async () => {
    await using receiver = await startAlertReceiver();
    await using bench = await AlertBench.start(redis.server, redis.prefix(), ['a', 'b', 'c', 'd']);
    bench.alerting([webhookTo(receiver)]);
    await bench.watched();
    const proxy = 'proxy connection refused (ECONNREFUSED) [http proxy 10.0.0.1:3128 → api.example:443]';
    for (const id of ['a', 'b', 'c']) await bench.lose(id, proxy);
    await bench.lose('d', 'storage is full or away');
    await arrived(receiver, 2);
    await bench.delivered();
    expect(accepted(receiver).sort()).toEqual(['firing down a,b,c', 'firing down d']);
  });

  it('that lasts is told again after the repeat interval', async () => {
    await using receiver = await startAlertReceiver();
    await using bench = await AlertBench.start(redis.server, redis.prefix(), ['a']);
    bench.alerting([webhookTo(receiver)], { settings: { ...BENCH_SETTINGS, repeatEveryMs: 1_000 } });
    await bench.watched();
    await bench.lose('a');
    await arrived(receiver, 3);
    expect(accepted(receiver).slice(0, 3)).toEqual(['firing down a', 'repeat down a', 'repeat down a']);
    const [first, second] = receiver.accepted.map(({ notification }) => Date.parse(notification.at));
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(1_000);
  });
});

describe('delivery', () => {
  it('goes on in another process, under the same id, when the first is killed between record and answer (F32)', async () => {
    await using receiver = await startAlertReceiver();
    receiver.mode = 'hang';
    const prefix = redis.prefix();
    await using bench = await AlertBench.start(redis.server, prefix, ['qq-main']);
    const child = startChild(prefix, receiver);
    try {
      await bench.watched();
      await bench.lose('qq-main');
      await waitUntil('an attempt that hangs', () => receiver.calls.length === 1, { timeoutMs: 20_000 });
    } finally {
      await kill(child);
    }
    receiver.mode = 'accept';
    bench.alerting([webhookTo(receiver)]);
    await arrived(receiver, 1);
    await bench.delivered();
    expect(receiver.calls.map(({ idempotencyKey }) => idempotencyKey)).toEqual(
      Array(2).fill(receiver.calls[0]?.notification.id),
    );
    expect(accepted(receiver)).toEqual(['firing down qq-main']);
  });

  it('waits for a receiver that is away, in order, and a second sink does not wait with it', async () => {
    await using away = await startAlertReceiver();
    await using there = await startAlertReceiver();
    away.mode = 'fail';
    await using bench = await AlertBench.start(redis.server, redis.prefix(), ['a']);
    bench.alerting([webhookTo(away, 'webhook-away'), webhookTo(there, 'webhook-there')]);
    await bench.watched();
    await bench.lose('a');
    await arrived(there, 1);
    await bench.restore('a', 3);
    await arrived(there, 2);
    await waitUntil('several attempts', () => away.calls.length >= 3);
    expect(new Set(away.calls.map(({ notification }) => inShort(notification)))).toEqual(new Set(['firing down a']));
    away.mode = 'accept';
    await arrived(away, 2);
    await bench.delivered();
    expect(accepted(away)).toEqual(['firing down a', 'recovered down a']);
    expect(accepted(there)).toEqual(accepted(away));
  });

  it('to a Slack-compatible webhook is its text, with nothing in it that mentions people', async () => {
    await using receiver = await startAlertReceiver();
    await using bench = await AlertBench.start(redis.server, redis.prefix(), ['a']);
    bench.alerting([createSlackSink({ name: 'slack-1', url: `${receiver.url}/slack`, http: createHttpClient() })]);
    await bench.watched();
    await bench.lose('a', 'the platform says <!everyone> & more');
    await arrived(receiver, 1);
    expect(receiver.calls[0]?.text).toMatch(/^ALERT: a is down\n- a: the platform says &lt;!everyone&gt; &amp; more/);
  });
});

describe('a chat', () => {
  it('gets what concerns others once, through its outbox, while it is live, and never news of its own death (F32)', async () => {
    await using bench = await AlertBench.start(redis.server, redis.prefix(), ['carrier', 'qq-main']);
    const { client, keys } = bench;
    const jobs: LaneJobData[] = [];
    const deliveries = {
      async addBulk(added: { data: LaneJobData }[]) {
        jobs.push(...added.map(({ data }) => data));
      },
    };
    const connection = connectionId('carrier');
    const chat = createChatSink({ name: 'chat-1', connection, conversation: 'chat:7', client, keys, deliveries });
    const sent: string[] = [];
    await using receiver = await startAlertReceiver();
    bench.alerting([noting(chat, sent), webhookTo(receiver)]);
    await bench.watched();

    await bench.lose('carrier', 'storage is full or away');
    await bench.lose('qq-main');
    await arrived(receiver, 2);
    await waitUntil('its own to be skipped', () => sent.includes('skipped firing down carrier'));
    // Not while its carrier is dead.
    expect(jobs).toEqual([]);
    expect(await client.hlen(keys.alerts.deliveries)).toBeGreaterThan(0);

    await bench.restore('carrier');
    await bench.restore('qq-main');
    await arrived(receiver, 4);
    await bench.delivered();
    const lane = jobs[0]?.lane ?? '';
    const entries = await client.lrange(keys.connection(connection).outbox(lane), 0, -1);
    const texts = entries.map((entry) => (JSON.parse(entry.slice(entry.indexOf('\n') + 1)) as { text: string }).text);
    expect(texts.map((text) => text.split('\n')[0]?.replace(/ \(.*/, '')).sort()).toEqual([
      'ALERT: qq-main is down',
      'OK: carrier is no longer down',
      'OK: qq-main is no longer down',
    ]);
  });

  it('is appended to once, also when the end of the attempt was not stored', async () => {
    await using bench = await AlertBench.start(redis.server, redis.prefix(), ['carrier']);
    const { client, keys } = bench;
    const connection = connectionId('carrier');
    const deliveries = { addBulk: async () => undefined };
    const chat = createChatSink({ name: 'chat-1', connection, conversation: 'chat:7', client, keys, deliveries });
    const notification = {
      id: 'n1',
      rule: 'redis',
      kind: 'firing',
      subjects: [],
      text: 'hello',
    } as unknown as Notification;
    const status = inChain({ connections: [{ id: 'carrier', state: 'live' }] } as unknown as HoldingDocument);
    const { signal } = new AbortController();
    for (let n = 0; n < 2; n += 1) expect(await chat.send(notification, { status, signal })).toEqual({ kind: 'sent' });
    expect(await client.llen(keys.connection(connection).outbox(laneId(connection, 'chat:7')))).toBe(1);
  });
});

describe('people who are not answered, while all is live', () => {
  const failing = { kind: 'away', reason: 'ECONNREFUSED', status: null, count: 3, forMs: 20_000, agoMs: 10 } as const;
  const agent = {
    name: 'main',
    kind: 'openai',
    running: 0,
    places: 9,
    longestMs: null,
    limitMs: 1_000,
    answeredMs: null,
  };

  it('are told once, and once more when they are: the agent is away, and comes back (G04)', async () => {
    await using bench = await AlertBench.start(redis.server, redis.prefix(), ['a']);
    await using receiver = await startAlertReceiver();
    bench.alerting([webhookTo(receiver)]);
    await bench.watched();
    await bench.staff(['agent', 'delivery'], { agent: { ...agent, failing } });
    await arrived(receiver, 1);
    expect(receiver.calls[0]?.notification.text).toMatch(/out of reach.*ECONNREFUSED/s);
    await bench.staff(['agent', 'delivery'], { agent: { ...agent, failing: null } });
    await arrived(receiver, 2);
    expect(accepted(receiver)).toEqual(['firing agent main', 'recovered agent main']);
  });

  it('are told by another sink, and by the chat only when something can be sent again', async () => {
    await using bench = await AlertBench.start(redis.server, redis.prefix(), ['carrier']);
    const { client, keys } = bench;
    const jobs: unknown[] = [];
    const deliveries = { addBulk: async (added: unknown[]) => void jobs.push(...added) };
    const connection = connectionId('carrier');
    const chat = createChatSink({ name: 'chat-1', connection, conversation: 'chat:7', client, keys, deliveries });
    await using receiver = await startAlertReceiver();
    bench.alerting([chat, webhookTo(receiver)]);
    await bench.watched();
    await bench.staff(['agent']);
    await arrived(receiver, 1);
    expect(accepted(receiver)).toEqual(['firing sending delivery']);
    expect(jobs).toEqual([]);
    await bench.staff(['agent', 'delivery']);
    await arrived(receiver, 2);
    await bench.delivered();
    expect(jobs).toHaveLength(2);
  });
});

describe('what is judged', () => {
  it('is what Redis has: dead letters, permits that are left, and clocks', async () => {
    await using bench = await AlertBench.start(redis.server, redis.prefix(), ['a', 'b']);
    const { client, keys } = bench;
    await client.hset(keys.connection(connectionId('b')).counters, 'deadLetters', '3');
    const { signal } = new AbortController();
    const limits = [{ count: 10, windowMs: 86_400_000 }];
    await createBudget(client, keys, 'qq', '4711').take('identify', limits, { signal });
    const report = { roles: [], connections: 0, capacity: 0, eventLoopLagMs: 0, incarnation: 'i', draining: false };
    await reportWorker(client, keys, 'host-a/1' as WorkerId, report, 60_000);
    const off = { ...report, wallAt: Date.now() - 60_000 };
    await client.hset(keys.worker('host-a/1' as WorkerId), 'body', JSON.stringify(off));

    const seen = await observe(client, keys, BENCH_TIMINGS);
    expect([...seen.deadLetters]).toEqual([
      ['a', 0],
      ['b', 3],
    ]);
    expect(seen.budgets).toMatchObject([{ platform: 'qq', account: '4711', name: 'identify', count: 10, used: 1 }]);
    const aheadMs = (name: string) => seen.clocks.find(({ host }) => host === name)?.aheadMs;
    expect(seen.clocks.map(({ host }) => host)).toEqual(['bench', 'host-a']);
    expect(aheadMs('host-a')).toBeLessThan(-50_000);
    expect(seen.redis).toMatchObject({ maxBytes: null, aof: { enabled: true, healthy: true } });
  });

  it('is told without the secrets that a platform quotes', async () => {
    const forget = registerSecret('the-secret-in-a-reason');
    await using receiver = await startAlertReceiver();
    receiver.mode = 'fail';
    await using bench = await AlertBench.start(redis.server, redis.prefix(), ['a']);
    bench.alerting([webhookTo(receiver)]);
    await bench.watched();
    await bench.lose('a', 'refused: the-secret-in-a-reason is no token');
    await waitUntil('an attempt', () => receiver.calls.length > 0);
    const { client, keys } = bench;
    const stored = JSON.stringify([await client.hgetall(keys.alerts.deliveries), await client.get(keys.alerts.memory)]);
    expect(stored).toContain('is no token');
    expect(stored + JSON.stringify(receiver.calls)).not.toMatch(
      /the-secret-in-a-reason|the-secret-of-the-alert-receiver/,
    );
    forget();
  });
});

describe('Redis', () => {
  it('that is away is told without it, and once more when it is back', async () => {
    await using server = await startRedis();
    await using receiver = await startAlertReceiver();
    await using bench = await AlertBench.start(server, redis.prefix(), ['a']);
    bench.alerting([webhookTo(receiver)]);
    await bench.watched();
    await server.kill();
    await arrived(receiver, 1);
    expect(accepted(receiver)).toEqual(['firing redis Redis']);
    await server.restart();
    await arrived(receiver, 2);
    expect(accepted(receiver)).toEqual(['firing redis Redis', 'recovered redis Redis']);
  });
});

/** Passes on, and notes what became of it. */
function noting(sink: Sink, notes: string[]): Sink {
  return {
    ...sink,
    async send(notification, options) {
      const outcome = await sink.send(notification, options);
      notes.push(`${outcome.kind} ${inShort(notification)}`);
      return outcome;
    },
  };
}

function startChild(prefix: string, { url, secret }: AlertReceiver): ChildProcess {
  const args = ['--import', 'tsx', CHILD, redis.server.path, prefix, url, secret];
  return spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
