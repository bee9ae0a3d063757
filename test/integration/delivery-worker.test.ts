/** The delivery worker on real Redis and BullMQ; the platform's answers are scripted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SendOutcome } from '../../src/model.ts';
import { retrySendLetter } from '../../src/state/outbox.ts';
import { credentialsWith } from '../support/credentials.ts';
import {
  type DeliveryBench,
  deliveryBench,
  replyPart,
  type ScriptedSender,
  SENT,
  scriptedSender,
} from '../support/delivery-bench.ts';
import { startRedis, useRedis } from '../support/redis.ts';

const redis = useRedis({ aof: false });
const until = { timeout: 20_000, interval: 10 };
const WHY = { code: 'C1', reason: 'because' } as const;
const quick = { baseMs: 20, capMs: 100, factor: 2 };

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

const asleep = (bench: DeliveryBench) => vi.waitFor(async () => expect(await bench.active()).toBe(0), until);
const texts = (sender: ScriptedSender) => sender.calls.map((part) => part.text);

function later<T>(): { readonly promise: Promise<T>; resolve(value: T): void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

describe('order', () => {
  it('sends the parts of a conversation in order, each once, however they were pushed', async () => {
    await using bench = await deliveryBench(redis.server);
    const sender = scriptedSender(() => SENT);
    bench.worker(sender.adapter);
    const expected = Array.from({ length: 30 }, (_, n) => `part ${n}`);
    for (const text of expected) await bench.push([replyPart('c2c:A', text)]);
    await vi.waitFor(() => expect(sender.calls).toHaveLength(30), until);
    expect(texts(sender)).toEqual(expected);
    expect(sender.calls.map((part) => part.ordinal)).toEqual(expected.map((_, n) => n + 1));
    await asleep(bench);
    expect(await bench.counters()).toEqual({ sent: '30' });
  });

  it('lets other conversations flow while the head of one is blocked, and keeps its order', async () => {
    await using bench = await deliveryBench(redis.server);
    let blocked = true;
    const sender = scriptedSender((part) =>
      blocked && part.conversation === 'c2c:A' ? { kind: 'retry', afterMs: null, ...WHY } : SENT,
    );
    bench.worker(sender.adapter, { backoff: quick, concurrency: 2 });
    await bench.push([replyPart('c2c:A', 'a1'), replyPart('c2c:A', 'a2')]);
    await vi.waitFor(() => expect(sender.calls.length).toBeGreaterThan(2), until);
    for (let n = 0; n < 20; n += 1) await bench.push([replyPart(`c2c:${n}`, 'b1'), replyPart(`c2c:${n}`, 'b2')]);
    await vi.waitFor(async () => expect((await bench.counters()).sent).toBe('40'), until);
    expect(sender.calls.filter((part) => part.text === 'a2')).toEqual([]);
    blocked = false;
    await asleep(bench);
    expect(
      texts(sender)
        .filter((text) => text.startsWith('a'))
        .slice(-2),
    ).toEqual(['a1', 'a2']);
    expect(new Set(sender.calls.filter((part) => part.text === 'a1').map((part) => part.ordinal))).toEqual(
      new Set([1]),
    );
  });

  it('two workers share the conversations and send nothing twice', async () => {
    await using bench = await deliveryBench(redis.server);
    const sender = scriptedSender(() => new Promise((resolve) => setImmediate(() => resolve(SENT))));
    bench.worker(sender.adapter, { concurrency: 5 });
    bench.worker(sender.adapter, { concurrency: 5 });
    await Promise.all(
      Array.from({ length: 40 }, (_, n) => bench.push([1, 2, 3].map((part) => replyPart(`c2c:${n}`, `${n}.${part}`)))),
    );
    await asleep(bench);
    expect(sender.calls).toHaveLength(120);
    for (let n = 0; n < 40; n += 1) {
      expect(texts(sender).filter((text) => text.startsWith(`${n}.`))).toEqual([`${n}.1`, `${n}.2`, `${n}.3`]);
    }
  });
});

describe('what the platform says', () => {
  async function sendTwo(first: SendOutcome, desired: { lateReply?: 'active' | 'drop' } = {}) {
    const bench = await deliveryBench(redis.server, desired);
    const sender = scriptedSender((_, call) => (call === 1 ? first : SENT));
    bench.worker(sender.adapter, { backoff: quick });
    await bench.push([replyPart('c2c:A', 'first words of ours'), replyPart('c2c:A', 'second')]);
    await asleep(bench);
    return { bench, sender };
  }

  it.each([
    ['rejected', 'rejected'],
    ['unknown', 'unknown'],
    ['too-late', 'too-late'],
  ] as const)(
    '%s: one try, a dead letter, a warning without the text, and the next part goes out',
    async (kind, outcome) => {
      const { bench, sender } = await sendTwo({ kind, ...WHY });
      await using _ = bench;
      expect(texts(sender)).toEqual(['first words of ours', 'second']);
      expect(await bench.deadLetters()).toMatchObject([
        { kind: 'send', outcome, ...WHY, text: 'first words of ours', conversation: 'c2c:A', body: { ordinal: 1 } },
      ]);
      expect(await bench.counters()).toEqual({ sent: '1', deadLetters: '1' });
      const warning = bench.lines.find((line) => line.event === 'send-refused');
      expect(warning).toMatchObject({ level: 40, connection: 'bench', outcome: kind, ...WHY });
      expect(warning?.lane).toMatch(/^[0-9a-f]{24}$/);
      const logged = bench.lines.map(({ part: _part, ...line }) => line);
      expect(JSON.stringify(logged)).not.toContain('words of ours');
    },
  );

  it.each([
    [{ kind: 'duplicate' }, 'duplicatesSent'],
    [{ kind: 'pending-audit', auditId: 'x' }, 'auditsPending'],
  ] as const)('%o counts as delivered', async (outcome, counter) => {
    const { bench, sender } = await sendTwo(outcome);
    await using _ = bench;
    expect(texts(sender)).toEqual(['first words of ours', 'second']);
    expect(await bench.counters()).toEqual({ sent: '1', [counter]: '1' });
    expect(await bench.deadLetters()).toEqual([]);
  });

  it('retry: again under the same ordinal, before anything that follows', async () => {
    const { bench, sender } = await sendTwo({ kind: 'retry', afterMs: 30, ...WHY });
    await using _ = bench;
    expect(sender.calls.map((part) => [part.text, part.ordinal])).toEqual([
      ['first words of ours', 1],
      ['first words of ours', 1],
      ['second', 2],
    ]);
    expect(await bench.counters()).toEqual({ sent: '2', sendRetries: '1' });
  });

  it('too-late, with active replies allowed: goes out as a message of its own', async () => {
    const { bench, sender } = await sendTwo({ kind: 'too-late', ...WHY }, { lateReply: 'active' });
    await using _ = bench;
    expect(sender.calls.map((part) => [part.text, part.mode])).toEqual([
      ['first words of ours', 'passive'],
      ['first words of ours', 'active'],
      ['second', 'passive'],
    ]);
  });

  it('too-long: goes out in pieces under new ordinals, before anything that follows', async () => {
    const { bench, sender } = await sendTwo({ kind: 'too-long', ...WHY });
    await using _ = bench;
    expect(sender.calls.map((part) => [part.text, part.ordinal])).toEqual([
      ['first words of ours', 1],
      ['first words', 3],
      ['of ours', 4],
      ['second', 2],
    ]);
  });

  it('a reply whose window closes while it is retried follows the policy, without a further try', async () => {
    await using bench = await deliveryBench(redis.server, { lateReply: 'active' });
    const sender = scriptedSender((part) => (part.mode === 'active' ? SENT : { kind: 'retry', afterMs: null, ...WHY }));
    bench.worker(sender.adapter, { backoff: quick });
    await bench.push([replyPart('c2c:A', 'late', { deadlineAt: Date.now() + 400 })]);
    await asleep(bench);
    expect(sender.calls.at(-1)).toMatchObject({ mode: 'active', text: 'late' });
    expect(await bench.deadLetters()).toEqual([]);
  });

  it('a reply that may have arrived never goes out as a message of its own', async () => {
    await using bench = await deliveryBench(redis.server, { lateReply: 'active' });
    const sender = scriptedSender(() => ({ kind: 'retry', afterMs: null, maybeDelivered: true, ...WHY }));
    bench.worker(sender.adapter, { backoff: quick });
    await bench.push([replyPart('c2c:A', 'late', { deadlineAt: Date.now() + 300 })]);
    await asleep(bench);
    expect(sender.calls.every((part) => part.mode === 'passive')).toBe(true);
    expect(await bench.deadLetters()).toMatchObject([{ outcome: 'unknown', text: 'late' }]);
  });

  it('a message without a window is given up after its time', async () => {
    await using bench = await deliveryBench(redis.server);
    const sender = scriptedSender(() => ({ kind: 'retry', afterMs: null, ...WHY }));
    bench.worker(sender.adapter, { backoff: quick, giveUpAfterMs: 300 });
    await bench.push([replyPart('c2c:A', 'push', { mode: 'active' })]);
    await asleep(bench);
    expect(await bench.deadLetters()).toMatchObject([{ outcome: 'too-late', code: 'GAVE_UP' }]);
  });

  it('a sender that throws costs that part, not the conversation', async () => {
    await using bench = await deliveryBench(redis.server);
    const sender = scriptedSender((part) => {
      if (part.text === 'bad') throw new TypeError('a defect');
      return SENT;
    });
    bench.worker(sender.adapter);
    await bench.push([replyPart('c2c:A', 'bad'), replyPart('c2c:A', 'good')]);
    await asleep(bench);
    expect(texts(sender)).toEqual(['bad', 'good']);
    expect(await bench.deadLetters()).toMatchObject([{ outcome: 'unknown', code: 'BUG', reason: 'a defect' }]);
    expect(bench.lines.find((line) => line.event === 'sender-threw')?.level).toBe(50);
  });

  it('so does one that can not even name its buckets', async () => {
    await using bench = await deliveryBench(redis.server);
    const sender = scriptedSender(() => SENT, {
      buckets: (part) => {
        if (part.text === 'bad') throw new TypeError('a defect');
        return [];
      },
    });
    bench.worker(sender.adapter);
    await bench.push([replyPart('c2c:A', 'bad'), replyPart('c2c:A', 'good')]);
    await asleep(bench);
    expect(texts(sender)).toEqual(['good']);
    expect(await bench.deadLetters()).toMatchObject([{ outcome: 'crashed', code: 'BUG', body: { text: 'bad' } }]);
  });

  it('an entry that can not be read is kept as a dead letter and does not block its conversation', async () => {
    await using bench = await deliveryBench(redis.server);
    const sender = scriptedSender(() => SENT);
    const job = await bench.store([replyPart('c2c:A', 'good')]);
    await bench.client.lpush(bench.keys.connection(bench.id).outbox(job.lane), '1\nrubbish');
    bench.worker(sender.adapter);
    await bench.wake(job);
    await asleep(bench);
    expect(texts(sender)).toEqual(['good']);
    expect(await bench.deadLetters()).toMatchObject([{ outcome: 'crashed', body: '1\nrubbish' }]);
  });

  it('a sender that never answers is cut off and tried again under its key', async () => {
    await using bench = await deliveryBench(redis.server);
    const sender = scriptedSender((_, call) =>
      call === 1 ? new Promise<SendOutcome>(() => {}) : { kind: 'duplicate' },
    );
    bench.worker(sender.adapter, { sendTimeoutMs: 200, backoff: quick });
    await bench.push([replyPart('c2c:A', 'one')]);
    await asleep(bench);
    expect(sender.calls.map((part) => part.ordinal)).toEqual([1, 1]);
    expect(await bench.counters()).toEqual({ sendRetries: '1', duplicatesSent: '1' });
  });
});

describe('dead letters of sends', () => {
  it('can be tried again once, under the same ordinal', async () => {
    await using bench = await deliveryBench(redis.server);
    const sender = scriptedSender((_, call) => (call === 1 ? { kind: 'rejected', ...WHY } : SENT));
    bench.worker(sender.adapter);
    await bench.push([replyPart('c2c:A', 'one'), replyPart('c2c:A', 'two')]);
    await asleep(bench);
    const [letter] = await bench.deadLetters();
    if (letter === undefined) throw new Error('no dead letter');
    const job = await retrySendLetter(bench.client, bench.keys, bench.id, letter, Date.now());
    if (job === null) throw new Error('the letter was gone');
    expect(await retrySendLetter(bench.client, bench.keys, bench.id, letter, Date.now())).toBeNull();
    await bench.wake(job);
    await asleep(bench);
    expect(sender.calls.map((part) => [part.text, part.ordinal, part.mode])).toEqual([
      ['one', 1, 'passive'],
      ['two', 2, 'passive'],
      ['one', 1, 'passive'],
    ]);
    expect(await bench.deadLetters()).toEqual([]);
  });

  it('go out as messages of their own when their window is over', async () => {
    await using bench = await deliveryBench(redis.server);
    const sender = scriptedSender((part) => (part.mode === 'passive' ? { kind: 'too-late', ...WHY } : SENT));
    bench.worker(sender.adapter);
    await bench.push([replyPart('c2c:A', 'late', { deadlineAt: Date.now() - 1 })]);
    await asleep(bench);
    const [letter] = await bench.deadLetters();
    if (letter === undefined) throw new Error('no dead letter');
    const job = await retrySendLetter(bench.client, bench.keys, bench.id, letter, Date.now());
    if (job === null) throw new Error('the letter was gone');
    await bench.wake(job);
    await asleep(bench);
    expect(sender.calls.map((part) => [part.text, part.mode])).toEqual([
      ['late', 'passive'],
      ['late', 'active'],
    ]);
  });
});

describe('rate limits', () => {
  it('a 429 stops its bucket for everyone, and the job gives its slot back meanwhile', async () => {
    await using bench = await deliveryBench(redis.server);
    const at: { bucket: string; time: number }[] = [];
    let refusedAt = 0;
    const bucketOf = (conversation: string) => (conversation.startsWith('group:') ? 'groups' : 'chats');
    const sender = scriptedSender(
      (part) => {
        if (refusedAt === 0 && part.conversation === 'group:A') {
          refusedAt = performance.now();
          return { kind: 'rate-limited', afterMs: 700, bucket: 'groups', ...WHY };
        }
        at.push({ bucket: bucketOf(part.conversation), time: performance.now() - refusedAt });
        return SENT;
      },
      { buckets: (part) => [{ key: bucketOf(part.conversation), count: 100, windowMs: 1_000 }] },
    );
    bench.worker(sender.adapter, { concurrency: 1 });
    await bench.push([replyPart('group:A', 'a')]);
    await vi.waitFor(() => expect(refusedAt).toBeGreaterThan(0), until);
    await bench.push([replyPart('group:B', 'b')]);
    await bench.push([replyPart('c2c:C', 'c')]);
    await asleep(bench);
    expect(at.map(({ bucket }) => bucket).sort()).toEqual(['chats', 'groups', 'groups']);
    for (const { bucket, time } of at) {
      if (bucket === 'groups') expect(time).toBeGreaterThan(650);
    }
    expect(at[0]?.bucket).toBe('chats');
  });

  it('keeps to a bucket over many conversations and sends all in the end, nearest deadline first', async () => {
    await using bench = await deliveryBench(redis.server);
    const times: number[] = [];
    const sender = scriptedSender(
      () => {
        times.push(performance.now());
        return SENT;
      },
      { buckets: () => [{ key: 'global', count: 4, windowMs: 400 }] },
    );
    const now = Date.now();
    // Stored beforehand, the most patient first, so that order is decided by the buckets and not by arrival.
    const jobs = [];
    for (let n = 11; n >= 0; n -= 1) {
      jobs.push(await bench.store([replyPart(`c2c:${n}`, `${n}`, { deadlineAt: now + 30_000 + n * 1_000 })]));
    }
    for (const job of jobs) await bench.wake(job);
    bench.worker(sender.adapter);
    await asleep(bench);
    expect(sender.calls).toHaveLength(12);
    for (let n = 4; n < times.length; n += 1) {
      expect((times[n] ?? 0) - (times[n - 4] ?? 0)).toBeGreaterThan(380);
    }
    const later = texts(sender).slice(4).map(Number);
    expect(Math.max(...later.slice(0, 4))).toBeLessThan(Math.min(...later.slice(4)));
  });
});

describe('crashes and stops', () => {
  async function killedInMidSend(bench: DeliveryBench, part: ReturnType<typeof replyPart>): Promise<void> {
    const file = new URL('../support/delivery-child.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, ['--import', 'tsx', file, redis.server.path, bench.keys.prefix], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    await bench.push([part, replyPart('c2c:A', 'next')]);
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
    expect(chunk.toString()).toBe('sending 1\n');
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  it('a reply whose sender was killed goes out again under the same key', async () => {
    await using bench = await deliveryBench(redis.server);
    await killedInMidSend(bench, replyPart('c2c:A', 'one'));
    const sender = scriptedSender((part) => (part.text === 'one' ? { kind: 'duplicate' } : SENT));
    bench.worker(sender.adapter, { lockMs: 1_500 });
    await asleep(bench);
    expect(sender.calls.map((part) => [part.text, part.ordinal])).toEqual([
      ['one', 1],
      ['next', 2],
    ]);
    expect(await bench.counters()).toEqual({ duplicatesSent: '1', sent: '1' });
  });

  it('a message without a key whose sender was killed is unknown, and not sent again', async () => {
    await using bench = await deliveryBench(redis.server);
    await killedInMidSend(bench, replyPart('c2c:A', 'one', { mode: 'active' }));
    const sender = scriptedSender(() => SENT);
    bench.worker(sender.adapter, { lockMs: 1_500 });
    await asleep(bench);
    expect(texts(sender)).toEqual(['next']);
    expect(await bench.deadLetters()).toMatchObject([{ outcome: 'unknown', code: 'INTERRUPTED', text: 'one' }]);
  });

  it('a lost job lock aborts the send, and the part is sent again under its key', async () => {
    await using bench = await deliveryBench(redis.server);
    const aborted: string[] = [];
    const sender = scriptedSender((_, call, signal) => {
      if (call > 1) return SENT;
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted.push((signal.reason as Error).name);
          reject(signal.reason);
        });
      });
    });
    bench.worker(sender.adapter, { lockMs: 1_000, stalledCheckMs: 200 });
    await bench.push([replyPart('c2c:A', 'one')]);
    await vi.waitFor(() => expect(sender.calls).toHaveLength(1), until);
    const [lock = ''] = await bench.client.keys(`${bench.keys.bull}:deliveries:out-*:lock`);
    await bench.client.set(lock, 'somebody else', 'PX', 1_500);
    await asleep(bench);
    expect(aborted).toEqual(['FencedError']);
    expect(sender.calls.map((part) => part.ordinal)).toEqual([1, 1]);
  });

  it('a send that was answered while Redis was away is not sent again', async () => {
    await using server = await startRedis();
    await using bench = await deliveryBench(server);
    const answer = later<SendOutcome>();
    const sender = scriptedSender(() => answer.promise);
    bench.worker(sender.adapter);
    await bench.push([replyPart('c2c:A', 'one', { mode: 'active' })]);
    await vi.waitFor(() => expect(sender.calls).toHaveLength(1), until);
    await server.kill();
    answer.resolve(SENT);
    await vi.waitFor(() => expect(bench.lines.some((line) => line.msg === 'waiting for Redis')).toBe(true), until);
    await server.restart();
    await asleep(bench);
    expect(sender.calls).toHaveLength(1);
    expect(await bench.counters()).toEqual({ sent: '1' });
  });

  it('a draining worker finishes the part in hand and leaves the rest to the next', async () => {
    await using bench = await deliveryBench(redis.server);
    const answer = later<SendOutcome>();
    const first = scriptedSender(() => answer.promise);
    const leaving = bench.worker(first.adapter);
    await bench.push([replyPart('c2c:A', 'one', { mode: 'active' }), replyPart('c2c:A', 'two', { mode: 'active' })]);
    await vi.waitFor(() => expect(first.calls).toHaveLength(1), until);
    const closed = leaving.close({ deadlineMs: 10_000 });
    answer.resolve(SENT);
    await closed;
    const second = scriptedSender(() => SENT);
    bench.worker(second.adapter);
    await asleep(bench);
    expect([texts(first), texts(second)]).toEqual([['one'], ['two']]);
  });

  it('a worker told to stop now cuts the send, and the next one finds it interrupted', async () => {
    await using bench = await deliveryBench(redis.server);
    const hanging = scriptedSender(() => new Promise<SendOutcome>(() => {}));
    const leaving = bench.worker(hanging.adapter);
    await bench.push([replyPart('c2c:A', 'one')]);
    await vi.waitFor(() => expect(hanging.calls).toHaveLength(1), until);
    await leaving.close({ deadlineMs: 50 });
    const second = scriptedSender(() => ({ kind: 'duplicate' }));
    bench.worker(second.adapter);
    await asleep(bench);
    expect(second.calls.map((part) => part.ordinal)).toEqual([1]);
  });

  it('waits with what it has no credentials for, says so, and gives it up with its window', async () => {
    await using bench = await deliveryBench(redis.server);
    const sender = scriptedSender(() => SENT);
    let known = false;
    bench.worker(sender.adapter, { credentialsOf: (connection) => credentialsWith(known ? {} : null)(connection) });
    await bench.push([replyPart('c2c:A', 'one', { deadlineAt: Date.now() + 500 })]);
    await asleep(bench);
    expect(sender.calls).toEqual([]);
    expect(await bench.deadLetters()).toMatchObject([{ outcome: 'too-late', code: 'NO_SENDER' }]);
    expect(bench.lines.some((line) => line.event === 'unsendable' && line.level === 40)).toBe(true);
    known = true;
    await bench.push([replyPart('c2c:A', 'two')]);
    await asleep(bench);
    expect(texts(sender)).toEqual(['two']);
  });
});
