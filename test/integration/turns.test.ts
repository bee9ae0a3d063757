/** Turns on real Redis and BullMQ: from messages in a lane to parts in an outbox, with everything that comes between. */
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { AgentTurn } from '../../src/agents/agent.ts';
import { EchoAgent } from '../../src/agents/echo.ts';
import { FatalError, FencedError, ProcessStopping, TransientError } from '../../src/errors.ts';
import { laneId } from '../../src/state/keys.ts';
import { beginTurn, commitTurn, listActiveLanes, retryTurnLetter } from '../../src/state/lanes.ts';
import { openRedis } from '../../src/state/redis.ts';
import { ALL_SAFEGUARDS } from '../../src/state/safeguards.ts';
import { message, QQ, wantConnection } from '../support/inbound.ts';
import { startRedis, useRedis } from '../support/redis.ts';
import { agent, answers, TurnBench } from '../support/turn-bench.ts';

const redis = useRedis({ aof: false });
const soon = { timeout: 15_000, interval: 10 };
const ANN = 'c2c:ann';
const LANE = laneId(QQ, ANN);
const REF = { connection: QQ, lane: LANE };
const many = (from: number, to: number, conversation = ANN) =>
  Array.from({ length: to - from + 1 }, (_, i) =>
    message(`${conversation}-${from + i}`, conversation, { text: String(from + i) }),
  );
const never = () => new Promise<never>(() => {});
const LIMITS = { historyEntries: 0, historyMs: 1_000, replyMemoryMs: 60_000 };
/** Takes the turn, also from whoever has it: as after a crash of that one. */
async function begin(bench: TurnBench, runner: string, maxMessages = 10) {
  const options = { activation: 1, runner, turnId: `turn-${runner}`, maxMessages, historyEntries: 0 };
  const begun = await beginTurn(bench.client, bench.keys, REF, options);
  if (begun.kind !== 'held') return begun;
  return await beginTurn(bench.client, bench.keys, REF, { ...options, from: begun.runner });
}

describe('a turn', () => {
  it('is answered into the outbox, in order, each part with its ordinal, and the lane sleeps', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.worker(new EchoAgent()).ready;
    await bench.receive([message('1'), message('2')]);
    await vi.waitFor(async () => expect(await bench.outbox(ANN)).toHaveLength(2), soon);

    const parts = await bench.outbox(ANN);
    expect(parts.map(({ text, ordinal, mode, reply }) => ({ text, ordinal, mode, key: reply.key }))).toEqual([
      { text: 'echo: text 1', ordinal: 1, mode: 'passive', key: '1' },
      { text: 'echo: text 2', ordinal: 1, mode: 'passive', key: '2' },
    ]);
    expect(parts[0]?.id).toMatch(/^.+\/1$/);
    expect(await bench.activeLanes()).toBe(0);
    expect(await bench.client.exists(bench.at.lane(LANE))).toBe(0);
    expect(await bench.client.hget(bench.at.cursor, 'bytes')).toBe('0');
    await vi.waitFor(async () => expect(await bench.deliveryJobs()).toEqual([`out-${LANE}-1`]), soon);
    await vi.waitFor(async () => expect(await bench.turnJobs()).toEqual([]), soon);
  });

  it('wakes again, under a new activation, for a message that comes after the lane fell asleep', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.worker(new EchoAgent()).ready;
    for (let i = 1; i <= 30; i += 1) {
      await bench.receive(many(i, i));
      // The lane sleeps from commit on, while the job that emptied it may still be finishing.
      await vi.waitFor(async () => expect(await bench.activeLanes()).toBe(0), soon);
    }
    expect(await bench.said(ANN)).toEqual(many(1, 30).map(({ text }) => `echo: ${text}`));
    expect(await bench.client.hget(bench.at.laneState(LANE), 'activation')).toBe('30');
  });

  it('yields to other lanes after its share, and loses nothing by it', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.receive(many(1, 50));
    await bench.worker(agent(answers, { maxMessagesPerTurn: 1 })).ready;
    await vi.waitFor(async () => expect(await bench.activeLanes()).toBe(0), soon);
    expect(await bench.said(ANN)).toEqual(many(1, 50).map(({ text }) => `re: ${text}`));
    expect(await bench.client.hget(bench.at.laneState(LANE), 'activation')).toBe('3');
  });

  it('gives the agent what was said before, up to its wish', async () => {
    await using bench = await TurnBench.start(redis.server);
    const seen: AgentTurn[] = [];
    const remembering = agent(
      (turn) => {
        seen.push(turn);
        return answers(turn);
      },
      { historyMessages: 3 },
    );
    await bench.worker(remembering).ready;
    for (let i = 1; i <= 3; i += 1) {
      await bench.receive(many(i, i));
      await vi.waitFor(() => expect(seen).toHaveLength(i), soon);
      await vi.waitFor(async () => expect(await bench.activeLanes()).toBe(0), soon);
    }
    expect(seen[0]?.history).toEqual([]);
    expect(seen[2]?.history).toEqual([
      { role: 'assistant', name: null, text: 're: 1' },
      { role: 'user', name: 'Ann', text: '2' },
      { role: 'assistant', name: null, text: 're: 2' },
    ]);
    expect(new Set(seen.map(({ session }) => session)).size).toBe(1);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(3);
  });

  it('keeps blank messages out of what the agent is told of before: many an API refuses them (G02)', async () => {
    await using bench = await TurnBench.start(redis.server);
    const seen: AgentTurn[] = [];
    const remembering = agent(
      (turn) => {
        seen.push(turn);
        return answers(turn);
      },
      { historyMessages: 10 },
    );
    // As an earlier release stored it.
    await bench.client.rpush(bench.at.laneHistory(LANE), JSON.stringify({ role: 'user', name: 'Ann', text: '' }));
    await bench.worker(remembering).ready;
    for (const [index, text] of [' ', 'and what is this?'].entries()) {
      await bench.receive([message(String(index + 1), ANN, { text })]);
      await vi.waitFor(() => expect(seen).toHaveLength(index + 1), soon);
      await vi.waitFor(async () => expect(await bench.activeLanes()).toBe(0), soon);
    }
    expect(seen[0]?.history).toEqual([]);
    expect(seen[1]?.history).toEqual([{ role: 'assistant', name: null, text: 're:  ' }]);
  });

  it('may end without a reply', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.worker(agent(() => [])).ready;
    await bench.receive([message('1')]);
    await vi.waitFor(async () => expect(await bench.counter('turns')).toBe(1), soon);
    expect(await bench.outbox(ANN)).toEqual([]);
    expect(await bench.letters()).toEqual([]);
  });
});

describe('whoever was overtaken', () => {
  it('gets the same messages and id when a turn is taken again, also when more have come since', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.store(many(1, 2));
    const first = await begin(bench, 'a');
    await bench.store(many(3, 3));
    const second = await begin(bench, 'b');
    if (first.kind !== 'turn' || second.kind !== 'turn') throw new Error('no turn');
    expect(second.id).toBe(first.id);
    expect(second.entries).toEqual(first.entries);
    expect(second.crashes).toBe(1);
    expect(second.token).toBeGreaterThan(first.token);
  });

  it('cannot store its answer: refused, counted, and nothing is doubled (P3)', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.store([message('1')]);
    const first = await begin(bench, 'a');
    const second = await begin(bench, 'b');
    if (first.kind !== 'turn' || second.kind !== 'turn') throw new Error('no turn');
    const result = (text: string) => {
      const { reply } = message('1');
      if (reply === null) throw new Error('no reply');
      return {
        parts: [{ id: `${first.id}/1`, conversation: ANN, text, reply, mode: 'passive' as const }],
        letters: [],
        history: [],
        used: new Map([['1', 0]]),
      };
    };
    const commit = (turn: typeof first, text: string) =>
      commitTurn(bench.client, bench.keys, REF, turn, result(text), LIMITS, ALL_SAFEGUARDS);
    expect(await commit(first, 'from the one overtaken')).toEqual({ kind: 'stale' });
    expect(await bench.counter('staleWrites')).toBe(1);
    expect(await commit(second, 'answer')).toEqual({ kind: 'done', more: false, outboxActivation: 1 });
    expect(await commit(second, 'answer'), 'a repeat after a lost answer').toMatchObject({ kind: 'done', more: false });
    expect(await bench.said(ANN)).toEqual(['answer']);
  });

  it('stores nothing when a message was replied to more often than the plan took for given, and says how often', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.store([message('1')]);
    const turn = await begin(bench, 'a');
    const { reply } = message('1');
    if (turn.kind !== 'turn' || reply === null) throw new Error('no turn');
    await bench.client.set(bench.at.replies('1'), '2');
    const commit = (used: number) =>
      commitTurn(
        bench.client,
        bench.keys,
        REF,
        turn,
        {
          parts: [{ id: `${turn.id}/1`, conversation: ANN, text: 'answer', reply, mode: 'passive' }],
          letters: [],
          history: [],
          used: new Map([['1', used]]),
        },
        LIMITS,
        ALL_SAFEGUARDS,
      );
    expect(await commit(0)).toEqual({ kind: 'used', used: new Map([['1', 2]]) });
    expect(await bench.outbox(ANN)).toEqual([]);
    expect(await commit(2)).toMatchObject({ kind: 'done' });
    expect((await bench.outbox(ANN)).map(({ ordinal }) => ordinal)).toEqual([3]);
    expect(await commit(2), 'a repeat after a lost answer').toMatchObject({ kind: 'done' });
    expect(await bench.outbox(ANN)).toHaveLength(1);
  });

  it('would store its answer a second time without the fence', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.store([message('1')]);
    const first = await begin(bench, 'a');
    const second = await begin(bench, 'b');
    if (first.kind !== 'turn' || second.kind !== 'turn') throw new Error('no turn');
    const open = { ...ALL_SAFEGUARDS, fence: false };
    const empty = { parts: [], letters: [], history: [], used: new Map() };
    const commit = (turn: typeof first) => commitTurn(bench.client, bench.keys, REF, turn, empty, LIMITS, open);
    expect(await commit(second)).toMatchObject({ kind: 'done' });
    expect(await commit(first)).toMatchObject({ kind: 'done' });
    expect(await bench.counter('turns')).toBe(2);
  });

  it('repeats begin after a lost answer without counting a crash', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.store([message('1')]);
    await begin(bench, 'a');
    expect(await begin(bench, 'a')).toMatchObject({ kind: 'turn', crashes: 0 });
  });

  it('stops its agent when the job lock is lost and somebody has taken the turn', async () => {
    await using bench = await TurnBench.start(redis.server);
    const cut: unknown[] = [];
    let asked = 0;
    const stuck = agent(async (_, signal) => {
      asked += 1;
      await once(signal, 'abort');
      cut.push(signal.reason);
      throw signal.reason;
    });
    await bench.worker(stuck, { lockMs: 1_500, stalledCheckMs: 500 }).ready;
    await bench.receive([message('1')]);
    await vi.waitFor(() => expect(asked).toBe(1), soon);
    expect(await begin(bench, 'another')).toMatchObject({ kind: 'turn', crashes: 1 });
    await bench.client.del(`${bench.keys.bull}:turns:lane-${LANE}-1:lock`);
    await vi.waitFor(() => expect(cut[0]).toBeInstanceOf(FencedError), soon);
  });

  it('goes on when its job lock ran out and nobody has taken the turn: the agent is asked once, and it is no crash (H3)', async () => {
    await using bench = await TurnBench.start(redis.server);
    let asked = 0;
    const slow = agent(async (turn) => {
      asked += 1;
      await vi.waitFor(() => expect(bench.events('turn.at-work')).not.toEqual([]), soon);
      return answers(turn);
    });
    await bench.worker(slow, { lockMs: 1_500, stalledCheckMs: 500 }).ready;
    await bench.receive([message('1')]);
    await vi.waitFor(() => expect(asked).toBe(1), soon);
    await bench.client.del(`${bench.keys.bull}:turns:lane-${LANE}-1:lock`);
    await vi.waitFor(async () => expect(await bench.said(ANN)).toEqual(['re: text 1']), soon);
    await bench.receive([message('2')]);
    await vi.waitFor(async () => expect(await bench.said(ANN)).toEqual(['re: text 1', 're: text 2']), soon);
    expect(asked).toBe(2);
    expect(bench.events('lane.lock-lost')[0]).toMatchObject({ level: 40 });
    expect(await bench.letters()).toEqual([]);
  });

  it('is left alone by another worker while its process lives, and followed at once when it is gone (H3)', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.store([message('1')]);
    // As a process whose loop stands still: it has taken the turn, and Redis has a connection of it.
    const other = openRedis({ path: redis.server.path }, 'queue', 'holdfast:fenced:host/7#abc', () => {});
    await other.ping();
    const held = await begin(bench, 'host/7#abc|run');
    let asked = 0;
    const counting = agent((turn) => {
      asked += 1;
      return answers(turn);
    });
    await bench.worker(counting, { self: 'host/8#def' }).ready;
    await bench.wake(ANN, 1);
    await vi.waitFor(() => expect(bench.events('turn.at-work')).toHaveLength(1), soon);
    await wait(1_500);
    expect(asked).toBe(0);
    if (held.kind !== 'turn') throw new Error('no turn');
    other.disconnect();
    await vi.waitFor(async () => expect(await bench.said(ANN)).toEqual(['re: text 1']), soon);
    expect(asked).toBe(1);
    expect(bench.events('turn.at-work')).toHaveLength(1);
  });
});

describe('an agent that fails', () => {
  it('is asked again later with the same turn; the messages stay, and a person sees why', async () => {
    await using bench = await TurnBench.start(redis.server);
    const tries: AgentTurn[] = [];
    const flaky = agent((turn) => {
      tries.push(turn);
      if (tries.length < 4)
        throw new TransientError('AGENT_FAILED', 'overloaded', tries.length === 3 ? { retryAfterMs: 700 } : {});
      return answers(turn);
    });
    await bench.worker(flaky).ready;
    await bench.receive(many(1, 2));
    await vi.waitFor(() => expect(tries).toHaveLength(3), soon);
    const [lane] = await vi.waitFor(async () => {
      const lanes = await listActiveLanes(bench.client, bench.keys, QQ, 10);
      expect(lanes[0]?.attempt).toBe(3);
      return lanes;
    }, soon);
    expect(lane).toMatchObject({ lane: LANE, conversation: ANN, waiting: 2, lastError: 'overloaded' });
    expect(lane?.nextAttemptAt).toBeGreaterThan(Date.now() - 5_000);
    await bench.receive(many(3, 3));
    await vi.waitFor(async () => expect(await bench.said(ANN)).toHaveLength(3), soon);

    expect(await bench.said(ANN)).toEqual(['re: 1', 're: 2', 're: 3']);
    expect(new Set(tries.slice(0, 4).map(({ id }) => id)).size, 'one id over all tries').toBe(1);
    expect(await bench.counter('deadLetters')).toBe(0);
    expect(await bench.client.hgetall(bench.at.laneState(LANE))).not.toHaveProperty('lastError');
  });

  it('is not asked before its time by a job that comes early', async () => {
    await using bench = await TurnBench.start(redis.server);
    let tries = 0;
    const failing = agent(() => {
      tries += 1;
      throw new TransientError('AGENT_FAILED', 'busy', { retryAfterMs: 60_000 });
    });
    await bench.worker(failing).ready;
    await bench.receive([message('1')]);
    await vi.waitFor(() => expect(tries).toBe(1), soon);
    await vi.waitFor(
      async () => expect(await listActiveLanes(bench.client, bench.keys, QQ, 1)).toMatchObject([{ attempt: 1 }]),
      soon,
    );
    expect(await begin(bench, 'early')).toMatchObject({ kind: 'waiting' });
  });

  it('that refuses for good: dead letters with the text, an ERROR line, and the lane goes on', async () => {
    await using bench = await TurnBench.start(redis.server);
    const picky = agent(
      (turn) => {
        if (turn.messages[0]?.text === '1') throw new FatalError('AGENT_REFUSED', '400 context too long');
        return answers(turn);
      },
      { maxMessagesPerTurn: 1 },
    );
    await bench.worker(picky).ready;
    await bench.receive(many(1, 2));
    await vi.waitFor(async () => expect(await bench.said(ANN)).toEqual(['re: 2']), soon);
    expect(await bench.letters()).toMatchObject([
      {
        kind: 'turn',
        outcome: 'agent-refused',
        code: 'AGENT_REFUSED',
        reason: '400 context too long',
        text: '1',
        conversation: ANN,
      },
    ]);
    expect(bench.events('turn.agent-failed')[0]?.level).toBe(50);
    expect(await bench.client.hget(bench.at.cursor, 'bytes')).toBe('0');
  });

  it('with a defect is given up after three tries', async () => {
    await using bench = await TurnBench.start(redis.server);
    let tries = 0;
    const broken = agent(() => {
      tries += 1;
      throw new TypeError('undefined is not a function');
    });
    await bench.worker(broken).ready;
    await bench.receive([message('1')]);
    await vi.waitFor(async () => expect(await bench.letters()).toHaveLength(1), soon);
    expect(tries).toBe(3);
    expect(await bench.letters()).toMatchObject([{ outcome: 'crashed', reason: 'undefined is not a function' }]);
  });

  it('by never answering is cut at its deadline', async () => {
    await using bench = await TurnBench.start(redis.server);
    let tries = 0;
    const slow = agent(
      (turn) => {
        tries += 1;
        return tries === 1 ? never() : answers(turn);
      },
      { timeoutMs: 200 },
    );
    await bench.worker(slow).ready;
    await bench.receive([message('1')]);
    await vi.waitFor(async () => expect(await bench.said(ANN)).toEqual(['re: text 1']), soon);
    expect(bench.events('turn.agent-failed')[0]).toMatchObject({ level: 40, err: { code: 'DEADLINE' } });
  });

  it('by taking its worker down: two deaths leave a third start, then the turn is a dead letter and the lane goes on (H2)', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.store(many(1, 2));
    for (const runner of ['a', 'b', 'c']) await begin(bench, runner, 1);
    await bench.store(many(3, 3));
    await bench.worker(agent(answers)).ready;
    await bench.wake(ANN, 1);
    await vi.waitFor(async () => expect(await bench.said(ANN)).toEqual(['re: 2', 're: 3']), soon);
    expect(await bench.letters()).toMatchObject([{ outcome: 'crashed', code: 'TURN_CRASHED', text: '1' }]);
    expect(bench.events('turn.dead-letter')[0]?.level).toBe(50);
  });
});

describe('a reply that comes too late, or is too long (F18)', () => {
  const past = { reply: { key: '1', deadlineAt: Date.now() - 1_000, quota: null, address: null } };

  it('lateReply drop: the agent is not asked, the message is a dead letter', async () => {
    await using bench = await TurnBench.start(redis.server, { lateReply: 'drop' });
    const asked: string[] = [];
    const asking = agent((turn) => {
      asked.push(...turn.messages.map(({ text }) => text));
      return answers(turn);
    });
    await bench.worker(asking).ready;
    await bench.receive([message('1', ANN, past), message('2')]);
    await vi.waitFor(async () => expect(await bench.said(ANN)).toEqual(['re: text 2']), soon);
    expect(asked).toEqual(['text 2']);
    expect(await bench.letters()).toMatchObject([{ kind: 'turn', outcome: 'too-late', text: 'text 1' }]);
  });

  it('lateReply active: it is tried as a reply first, as the platform alone knows its own window (M6)', async () => {
    await using bench = await TurnBench.start(redis.server, { lateReply: 'active' });
    await bench.worker(agent(answers)).ready;
    await bench.receive([message('1', ANN, past)]);
    await vi.waitFor(
      async () => expect(await bench.outbox(ANN)).toMatchObject([{ text: 're: text 1', mode: 'passive' }]),
      soon,
    );
  });

  it("a window that closes while the agent thinks is the platform's to judge as well", async () => {
    await using bench = await TurnBench.start(redis.server, { lateReply: 'drop' });
    const [s] = await bench.client.time();
    const deadlineAt = (Number(s) + 1) * 1_000;
    const thinking = agent(async (turn) => {
      while (Number((await bench.client.time())[0]) * 1_000 < deadlineAt) await wait(10);
      await wait(20);
      return answers(turn);
    });
    await bench.worker(thinking).ready;
    await bench.receive([message('1', ANN, { reply: { key: '1', deadlineAt, quota: null, address: null } })]);
    await vi.waitFor(
      async () => expect(await bench.outbox(ANN)).toMatchObject([{ text: 're: text 1', mode: 'passive' }]),
      soon,
    );
    expect(await bench.letters()).toEqual([]);
  });

  it('parts beyond the quota go out as messages of their own, and count over all replies to a message', async () => {
    await using bench = await TurnBench.start(redis.server, { lateReply: 'active' });
    await bench.client.set(bench.at.replies('1'), '1');
    await bench.worker(agent((turn) => turn.messages.map((to) => ({ to, text: 'x'.repeat(2_500) })))).ready;
    await bench.receive([message('1', ANN, { reply: { key: '1', deadlineAt: null, quota: 3, address: null } })]);
    await vi.waitFor(async () => expect(await bench.outbox(ANN)).toHaveLength(3), soon);
    const parts = await bench.outbox(ANN);
    expect(parts.map(({ mode }) => mode)).toEqual(['passive', 'passive', 'active']);
    expect(parts.map(({ ordinal }) => ordinal)).toEqual([2, 3, 4]);
    expect(new Set(parts.map(({ id }) => id)).size).toBe(3);
    expect(await bench.client.pttl(bench.at.replies('1'))).toBeGreaterThan(3_600_000);
  });

  it('can be taken back by a person: it is answered, late or not', async () => {
    await using bench = await TurnBench.start(redis.server, { lateReply: 'drop' });
    await bench.worker(agent(answers)).ready;
    await bench.receive([message('1', ANN, past)]);
    await vi.waitFor(async () => expect(await bench.letters()).toHaveLength(1), soon);
    const [letter] = await bench.letters();
    if (letter === undefined) throw new Error('no letter');
    const woken = await retryTurnLetter(bench.client, bench.keys, QQ, letter);
    expect(woken).not.toBeNull();
    expect(await retryTurnLetter(bench.client, bench.keys, QQ, letter), 'only once').toBeNull();
    await bench.wake(ANN, woken?.activation ?? 0);
    await vi.waitFor(
      async () => expect(await bench.outbox(ANN)).toMatchObject([{ text: 're: text 1', mode: 'active' }]),
      soon,
    );
    expect(await bench.letters()).toEqual([]);
    expect(await bench.client.hget(bench.at.cursor, 'bytes')).toBe('0');
  });
});

describe('what a crash leaves', () => {
  it('stored messages whose job was never added are found by the sweep', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.worker(agent(answers)).ready;
    await bench.store([...many(1, 3), ...many(1, 3, 'c2c:bob')]);
    await bench.sweep();
    await vi.waitFor(async () => expect(await bench.activeLanes()).toBe(0), soon);
    expect(await bench.said(ANN)).toEqual(['re: 1', 're: 2', 're: 3']);
    expect(await bench.said('c2c:bob')).toEqual(['re: 1', 're: 2', 're: 3']);
  });

  it('the sweep leaves young lanes to whoever woke them', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.store([message('1')]);
    await bench.sweep(60_000);
    expect(await bench.turnJobs()).toEqual([]);
    await bench.sweep();
    expect(await bench.turnJobs()).toEqual([`lane-${LANE}-1`]);
  });

  it('the sweep looks at a bounded number of lanes, page by page, and at all of them in the end', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.store(Array.from({ length: 90 }, (_, n) => message(String(n), `c2c:${n}`)));
    await bench.sweep(0, 25);
    expect(await bench.turnJobs()).toHaveLength(25);
    const all = { timeout: 15_000, interval: 0 };
    await vi.waitFor(async () => {
      await bench.sweep(0, 25);
      expect(await bench.turnJobs()).toHaveLength(90);
    }, all);
  });

  it('an outbox whose job was never added is found as well', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.client.hset(bench.at.outboxState(LANE), { active: '1', activation: '7' });
    await bench.client.zadd(bench.at.activeOutboxes, '1', LANE);
    await bench.sweep();
    expect(await bench.deliveryJobs()).toEqual([`out-${LANE}-7`]);
  });

  it('an unreadable entry becomes a dead letter and does not hold up the others', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.store([message('1')]);
    await bench.client.rpush(bench.at.lane(LANE), '{half a he');
    await bench.store([message('2')]);
    await bench.worker(agent(answers)).ready;
    await bench.wake(ANN, 1);
    await vi.waitFor(async () => expect(await bench.said(ANN)).toEqual(['re: text 1', 're: text 2']), soon);
    expect(await bench.letters()).toMatchObject([{ outcome: 'crashed', code: 'UNREADABLE' }]);
  });

  it('a lane whose connection no process here can reply for waits, with its job', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.worker(agent(answers), { adapters: new Map() }).ready;
    await bench.receive([message('1')]);
    await vi.waitFor(() => expect(bench.events('turn.no-sender')).toHaveLength(1), soon);
    expect(bench.events('turn.no-sender')[0]).toMatchObject({ level: 40, reason: expect.stringContaining('"test"') });
    expect(await bench.turnJobs()).toEqual([`lane-${LANE}-1`]);
    expect(await bench.client.llen(bench.at.lane(LANE))).toBe(1);
  });

  it('messages of a removed connection wait until it is back', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.worker(agent(answers)).ready;
    await bench.client.del(bench.at.desired);
    await bench.receive([message('1')]);
    await vi.waitFor(() => expect(bench.events('turn.no-connection')).toHaveLength(1), soon);
    await vi.waitFor(async () => expect(await bench.turnJobs()).toEqual([]), soon);
    await wantConnection(bench.client, bench.keys);
    await bench.sweep();
    await vi.waitFor(async () => expect(await bench.said(ANN)).toEqual(['re: text 1']), soon);
  });
});

describe('stopping a worker', () => {
  it('finishes the turn in hand and leaves the rest to the next worker (F34)', async () => {
    await using bench = await TurnBench.start(redis.server);
    let release = () => {};
    const taken: number[] = [];
    const first = agent(
      async (turn) => {
        taken.push(turn.messages.length);
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        return answers(turn);
      },
      { maxMessagesPerTurn: 1 },
    );
    const worker = bench.worker(first);
    await worker.ready;
    await bench.receive(many(1, 3));
    await vi.waitFor(() => expect(taken).toHaveLength(1), soon);
    const closed = worker.close({ deadlineMs: 10_000 });
    release();
    await closed;
    expect(taken, 'took no further turn').toHaveLength(1);
    expect(await bench.said(ANN)).toEqual(['re: 1']);
    await bench.worker(agent(answers)).ready;
    await vi.waitFor(async () => expect(await bench.said(ANN)).toEqual(['re: 1', 're: 2', 're: 3']), soon);
  });

  it('cuts the agent at the deadline; the turn is whole, is no crash, and is taken over with the same id', async () => {
    await using bench = await TurnBench.start(redis.server);
    const turns: AgentTurn[] = [];
    const reasons: unknown[] = [];
    const stuck = agent(async (turn, signal) => {
      turns.push(turn);
      await once(signal, 'abort');
      reasons.push(signal.reason);
      return never();
    });
    const worker = bench.worker(stuck);
    await worker.ready;
    await bench.receive([message('1')]);
    await vi.waitFor(() => expect(turns).toHaveLength(1), soon);
    await worker.close({ deadlineMs: 100 });
    expect(reasons[0]).toBeInstanceOf(ProcessStopping);
    expect(await begin(bench, 'look')).toMatchObject({ kind: 'turn', crashes: 0, attempt: 0, id: turns[0]?.id });
  });

  it('keeps an answer over a Redis that dies before it is stored, and stores it once', async () => {
    await using server = await startRedis();
    await using bench = await TurnBench.start(server);
    const ids: string[] = [];
    const killing = agent(async (turn) => {
      ids.push(turn.id);
      if (ids.length === 1) await server.kill();
      return answers(turn);
    });
    await bench.worker(killing).ready;
    await bench.receive([message('1')]);
    await vi.waitFor(() => expect(ids).toHaveLength(1), soon);
    await server.restart();
    await vi.waitFor(async () => expect(await bench.said(ANN)).toEqual(['re: text 1']), soon);
    expect(new Set(ids).size).toBe(1);
    expect(await bench.activeLanes()).toBe(0);
  });
});
