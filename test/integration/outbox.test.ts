/** The outbox's scripts, one by one: order, fencing, repeats after a lost answer, and the step that puts it to sleep. */
import { describe, expect, it } from 'vitest';
import { connectionId } from '../../src/model.ts';
import { listDeadLetters, type NewDeadLetter } from '../../src/state/dead-letters.ts';
import { createKeys, laneId } from '../../src/state/keys.ts';
import { appendParts, type Head, type Next, Outbox, type UnsentPart } from '../../src/state/outbox.ts';
import { replyPart } from '../support/delivery-bench.ts';
import { useRedis } from '../support/redis.ts';

const redis = useRedis({ aof: false });

function place() {
  const keys = createKeys(redis.prefix());
  const client = redis.server.client();
  const id = connectionId('a');
  const lane = laneId(id, 'c2c:A');
  const k = keys.connection(id);
  const push = (...parts: UnsentPart[]) => appendParts(client, keys, id, parts);
  return { keys, client, id, lane, k, push };
}

function headOf(next: Next): Head {
  if (typeof next.head === 'string') throw new Error(`no head: ${next.head}`);
  return next.head;
}

const done = { kind: 'done', counter: 'sent' } as const;

/** Without buckets. */
const start = async (outbox: Outbox, head: Head, attempt: string) => (await outbox.start(head, attempt, [], 0)).kind;

describe('appending', () => {
  it('numbers parts per message they reply to, over several calls, and wakes a sleeping outbox once', async () => {
    const { client, keys, k, lane, push } = place();
    const one = await push(replyPart('c2c:A', 'one'), replyPart('c2c:A', 'two'));
    const two = await push(replyPart('c2c:A', 'three'));
    const three = await push(replyPart('c2c:A', 'other', { key: 'another message' }));
    expect([one, two, three].map((job) => job.activation)).toEqual([1, 1, 1]);
    expect((await client.lrange(k.outbox(lane), 0, -1)).map((entry) => entry.split('\n')[0])).toEqual([
      '1',
      '2',
      '3',
      '1',
    ]);
    expect(await client.zrange(k.activeOutboxes, '0', '-1')).toEqual([lane]);
    expect(keys.prefix).not.toBe('hf');
  });

  it('refuses parts of two conversations in one call', async () => {
    const { push } = place();
    await expect(push(replyPart('c2c:A', 'one'), replyPart('c2c:B', 'two'))).rejects.toThrow(RangeError);
  });
});

describe('delivering', () => {
  it('gives the parts in order and sleeps with the last, in one step', async () => {
    const { client, keys, k, lane, push } = place();
    const job = await push(replyPart('c2c:A', 'one'), replyPart('c2c:A', 'two'));
    const outbox = new Outbox(client, keys, job, true);
    let next: Next = await outbox.begin();
    const seen: unknown[] = [];
    for (let n = 0; typeof next.head !== 'string'; n += 1) {
      seen.push([next.head.part?.text, next.head.part?.ordinal]);
      expect(await start(outbox, next.head, `a${n}`)).toBe('started');
      next = await outbox.settle(next.head, `s${n}`, done);
    }
    expect(seen).toEqual([
      ['one', 1],
      ['two', 2],
    ]);
    expect(next.head).toBe('idle');
    expect(await client.hget(k.outboxState(lane), 'active')).toBe('0');
    expect(await client.pttl(k.outboxState(lane))).toBeGreaterThan(0);
    expect(await client.zcard(k.activeOutboxes)).toBe(0);
    expect(await client.hget(k.counters, 'sent')).toBe('2');
  });

  it('wakes with a new activation, and the old one is over', async () => {
    const { client, keys, k, lane, push } = place();
    const first = await push(replyPart('c2c:A', 'one'));
    const outbox = new Outbox(client, keys, first, true);
    await outbox.settle(headOf(await outbox.begin()), 's', done);
    const second = await push(replyPart('c2c:A', 'two'));
    expect(second.activation).toBe(2);
    expect(await client.pttl(k.outboxState(lane))).toBe(-1);
    expect((await outbox.begin()).head).toBe('gone');
    expect(headOf(await new Outbox(client, keys, second, true).begin()).part?.text).toBe('two');
  });

  it('an overtaken deliverer can start nothing and settle nothing', async () => {
    const { client, keys, push } = place();
    const job = await push(replyPart('c2c:A', 'one'));
    const old = new Outbox(client, keys, job, true);
    const oldHead = headOf(await old.begin());
    const newer = new Outbox(client, keys, job, true);
    const newHead = headOf(await newer.begin());
    expect(Number(newHead.deliveryToken)).toBeGreaterThan(Number(oldHead.deliveryToken));
    expect(await start(old, oldHead, 'a1')).toBe('fenced');
    expect((await old.settle(oldHead, 's1', done)).head).toBe('fenced');
    expect(headOf(await newer.begin()).part?.text).toBe('one');
  });

  it('without the fence an overtaken deliverer takes the head away: what the fence is for', async () => {
    const { client, keys, push } = place();
    const job = await push(replyPart('c2c:A', 'one'));
    const old = new Outbox(client, keys, job, false);
    const oldHead = headOf(await old.begin());
    await new Outbox(client, keys, job, false).begin();
    expect(await start(old, oldHead, 'a1')).toBe('started');
    expect((await old.settle(oldHead, 's1', done)).head).toBe('idle');
  });

  it('tells the successor that an attempt was started and its result never stored', async () => {
    const { client, keys, push } = place();
    const job = await push(replyPart('c2c:A', 'one'));
    const dying = new Outbox(client, keys, job, true);
    await start(dying, headOf(await dying.begin()), 'a1');
    const successor = new Outbox(client, keys, job, true);
    const head = headOf(await successor.begin());
    expect(head).toMatchObject({ attempts: 1, interrupted: true, doubt: true });
    // The doubt stays with the part after the interruption was dealt with.
    await start(successor, head, 'a2');
    await successor.settle(head, 's2', { kind: 'keep', doubt: false, code: 'C', reason: 'R', toldMs: null });
    expect(headOf(await successor.begin())).toMatchObject({ attempts: 2, interrupted: false, doubt: true });
  });

  it('names the connection as it is wanted now, or that it is no longer wanted', async () => {
    const { client, keys, push, k } = place();
    const job = await push(replyPart('c2c:A', 'one'));
    expect((await new Outbox(client, keys, job, true).begin()).desired).toBeNull();
    const wanted = { id: 'a', platform: 'qq', enabled: true, fingerprint: 'f', source: 'config', lateReply: 'drop' };
    await client.set(k.desired, JSON.stringify(wanted));
    expect((await new Outbox(client, keys, job, true).begin()).desired).toEqual(wanted);
  });

  it('repeats after a lost answer change nothing', async () => {
    const { client, keys, push, k } = place();
    const job = await push(replyPart('c2c:A', 'one'), replyPart('c2c:A', 'two'));
    const outbox = new Outbox(client, keys, job, true);
    const head = headOf(await outbox.begin());
    expect(await start(outbox, head, 'a1')).toBe('started');
    expect(await start(outbox, head, 'a1')).toBe('started');
    const once = headOf(await outbox.settle(head, 's1', done));
    const twice = headOf(await outbox.settle(head, 's1', done));
    expect([once.part?.text, twice.part?.text]).toEqual(['two', 'two']);
    expect(await client.hgetall(k.counters)).toEqual({ sent: '1' });
    expect(headOf(await outbox.begin())).toMatchObject({ attempts: 0, interrupted: false });
  });

  it('a copy of a settlement that arrives after later ones takes no other part away', async () => {
    const { client, keys, k, lane, push } = place();
    const job = await push(replyPart('c2c:A', 'one'), replyPart('c2c:A', 'two'), replyPart('c2c:A', 'three'));
    const outbox = new Outbox(client, keys, job, true);
    const first = headOf(await outbox.begin());
    const second = headOf(await outbox.settle(first, 's1', done));
    const third = headOf(await outbox.settle(second, 's2', done));
    const late = headOf(await outbox.settle(first, 's1', done));
    expect([third.part?.text, late.part?.text]).toEqual(['three', 'three']);
    expect(await client.llen(k.outbox(lane))).toBe(1);
    expect(await client.hget(k.counters, 'sent')).toBe('2');
  });

  it('puts the pieces of a part in its place, in order, under new ordinals', async () => {
    const { client, keys, k, lane, push } = place();
    const job = await push(replyPart('c2c:A', 'long'), replyPart('c2c:A', 'next'));
    const outbox = new Outbox(client, keys, job, true);
    const head = headOf(await outbox.begin());
    const piece = (text: string) => ({ ...replyPart('c2c:A', text), cutFrom: 'long' });
    const next = await outbox.settle(head, 's1', { kind: 'replace', allot: true, parts: [piece('lo'), piece('ng')] });
    expect(headOf(next)).toMatchObject({ isCut: true, part: { text: 'lo', ordinal: 3 } });
    const entries = await client.lrange(k.outbox(lane), 0, -1);
    expect(entries.map((entry) => [entry.split('\n')[0], JSON.parse(entry.split('\n')[1] ?? '').text])).toEqual([
      ['3', 'lo'],
      ['4', 'ng'],
      ['2', 'next'],
    ]);
  });

  it('moves a part to the dead letters in the step that takes it off the outbox', async () => {
    const { client, keys, id, push } = place();
    const job = await push(replyPart('c2c:A', 'secret plans'), replyPart('c2c:A', 'two'));
    const outbox = new Outbox(client, keys, job, true);
    const head = headOf(await outbox.begin());
    const letter: NewDeadLetter = {
      kind: 'send',
      outcome: 'rejected',
      code: '40034006',
      reason: 'violation',
      text: 'secret plans',
      conversation: 'c2c:A',
      body: { id: head.part?.id ?? '' },
    };
    const next = await outbox.settle(head, 's1', { kind: 'dead', letter, notice: null });
    expect(headOf(next).part?.text).toBe('two');
    const [stored] = await listDeadLetters(client, keys, id);
    expect(stored).toMatchObject(letter);
    expect(Date.now() - (stored?.at ?? 0)).toBeLessThan(60_000);
  });

  it('shows an entry that can not be read as such', async () => {
    const { client, keys, k, lane, push } = place();
    const job = await push(replyPart('c2c:A', 'one'));
    await client.lpush(k.outbox(lane), 'rubbish');
    expect(headOf(await new Outbox(client, keys, job, true).begin())).toMatchObject({ part: null, entry: 'rubbish' });
  });
});
