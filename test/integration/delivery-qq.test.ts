/** Real sends: delivery worker, QQ adapter and the emulated platform, over real sockets and a real Redis. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createQqAdapter } from '../../src/adapters/qq/index.ts';
import type { DesiredConnection } from '../../src/state/desired.ts';
import { type QqEmulator, type QqOptions, startQq } from '../emulators/qq/index.ts';
import { type DeliveryBench, deliveryBench, replyPart } from '../support/delivery-bench.ts';
import { useRedis } from '../support/redis.ts';

const redis = useRedis({ aof: false });
const until = { timeout: 20_000, interval: 10 };
const quick = { backoff: { baseMs: 50, capMs: 200, factor: 2 } };

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A platform, a connection to it, and (unless told otherwise) a worker that delivers. */
async function place(options: { qq?: QqOptions; desired?: Partial<DesiredConnection>; worker?: boolean } = {}) {
  const qq = await startQq(options.qq);
  const { appId, apiBaseUrl, tokenUrl } = qq;
  const secrets = { clientSecret: qq.clientSecret };
  const bench = await deliveryBench(
    redis.server,
    { platform: 'qq', options: { appId, apiBaseUrl, tokenUrl, sendTimeoutMs: 1_000 }, ...options.desired },
    secrets,
  );
  const work = () => bench.worker(createQqAdapter(), { ...quick, lockMs: 1_500 });
  if (options.worker !== false) work();
  const ask = (openid: string) => qq.user(openid).say('hello').messageId;
  const answer = (openid: string, key: string, ...texts: string[]) =>
    bench.push(texts.map((text) => replyPart(`c2c:${openid}`, text, { key })));
  return {
    qq,
    bench,
    work,
    ask,
    answer,
    async [Symbol.asyncDispose]() {
      await bench[Symbol.asyncDispose]();
      await qq[Symbol.asyncDispose]();
    },
  };
}

const asleep = (bench: DeliveryBench) => vi.waitFor(async () => expect(await bench.active()).toBe(0), until);
const seen = (qq: QqEmulator, messageId: string) => qq.journal.repliesTo(messageId).map(({ text }) => text);

describe('a reply to QQ', () => {
  it('arrives in order and once', async () => {
    await using at = await place();
    const message = at.ask('ALICE');
    await at.answer('ALICE', message, 'one', 'two', 'three');
    await asleep(at.bench);
    expect(seen(at.qq, message)).toEqual(['one', 'two', 'three']);
    expect(at.qq.journal.repliesTo(message).map(({ msgSeq }) => msgSeq)).toEqual([1, 2, 3]);
  });

  it('arrives once when the answer to the send was lost', async () => {
    await using at = await place();
    const message = at.ask('ALICE');
    at.qq.faults.sendLost({ times: 1 });
    await at.answer('ALICE', message, 'one', 'two');
    await asleep(at.bench);
    expect(seen(at.qq, message)).toEqual(['one', 'two']);
    expect(at.qq.journal.of('send').map(({ msgSeq, code }) => [msgSeq, code])).toEqual([
      [1, null],
      [1, 40054005],
      [2, null],
    ]);
    expect(await at.bench.counters()).toEqual({ sendRetries: '1', duplicatesSent: '1', sent: '1' });
  });

  it('arrives once when the platform failed without taking it', async () => {
    await using at = await place();
    const message = at.ask('ALICE');
    at.qq.faults.sendFail({ times: 2 });
    await at.answer('ALICE', message, 'one');
    await asleep(at.bench);
    expect(seen(at.qq, message)).toEqual(['one']);
    expect(await at.bench.counters()).toEqual({ sendRetries: '2', sent: '1' });
  });

  it('waits as long as a 429 says, and so do the other conversations of that bucket', async () => {
    await using at = await place();
    const [a, b] = [at.ask('ALICE'), at.ask('BOB')];
    at.qq.faults.send429({ times: 1, retryAfter: 1 });
    await at.answer('ALICE', a, 'to alice');
    const refused = await at.qq.journal.waitForKind('send', ({ status }) => status === 429);
    // Only what is asked for after the pause was stored can keep to it.
    await vi.waitFor(async () => expect((await at.bench.counters()).sendRetries).toBe('1'), until);
    await at.answer('BOB', b, 'to bob');
    await asleep(at.bench);
    const delivered = at.qq.journal.delivered();
    expect(delivered.map(({ text }) => text).sort()).toEqual(['to alice', 'to bob']);
    for (const { at: when } of delivered) expect(when - refused.at).toBeGreaterThan(900);
  });

  it('goes out as a message of its own when its window is over, where that is allowed', async () => {
    await using at = await place({
      qq: { passiveWindowMs: { c2c: 1 }, activeMessages: 'allowed' },
      desired: { lateReply: 'active' },
    });
    const message = at.ask('ALICE');
    await new Promise((resolve) => setTimeout(resolve, 5));
    await at.answer('ALICE', message, 'late');
    await asleep(at.bench);
    expect(seen(at.qq, message)).toEqual([]);
    expect(at.qq.journal.delivered().map(({ text, replyTo }) => [text, replyTo])).toEqual([['late', null]]);
  });

  it('becomes a dead letter when its window is over and late replies are dropped', async () => {
    await using at = await place({ qq: { passiveWindowMs: { c2c: 1 } }, desired: { lateReply: 'drop' } });
    const message = at.ask('ALICE');
    await new Promise((resolve) => setTimeout(resolve, 5));
    await at.answer('ALICE', message, 'late');
    await asleep(at.bench);
    expect(at.qq.journal.delivered()).toEqual([]);
    expect(await at.bench.deadLetters()).toMatchObject([{ outcome: 'too-late', code: '40034128', text: 'late' }]);
  });

  it('is not tried again when the platform refuses it for good', async () => {
    await using at = await place();
    const message = at.ask('ALICE');
    at.qq.faults.sendError(40034006, { times: 1 });
    await at.answer('ALICE', message, 'bad', 'good');
    await asleep(at.bench);
    expect(seen(at.qq, message)).toEqual(['good']);
    expect(at.qq.journal.count('send')).toBe(2);
    expect(await at.bench.deadLetters()).toMatchObject([{ outcome: 'rejected', code: '40034006', text: 'bad' }]);
  });

  it('goes out in pieces when it is too long after all', async () => {
    await using at = await place({ qq: { maxTextLength: 30 } });
    const message = at.ask('ALICE');
    await at.answer('ALICE', message, 'the first half of a reply\nand the other half of it', 'end');
    await asleep(at.bench);
    expect(seen(at.qq, message)).toEqual(['the first half of a reply', 'and the other half of it', 'end']);
  });

  it('in audit counts as delivered and is not sent again', async () => {
    await using at = await place();
    const message = at.ask('ALICE');
    at.qq.faults.sendAudit({ times: 1, outcome: 'never' });
    await at.answer('ALICE', message, 'one', 'two');
    await asleep(at.bench);
    expect(at.qq.journal.count('send')).toBe(2);
    expect(await at.bench.counters()).toEqual({ auditsPending: '1', sent: '1' });
  });

  it('arrives once when its sender is killed before the answer came', async () => {
    await using at = await place({ worker: false });
    const message = at.ask('ALICE');
    at.qq.faults.sendHang({ times: 1, delivered: true });
    await at.answer('ALICE', message, 'one', 'two');
    const file = new URL('../support/delivery-child.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, ['--import', 'tsx', file, redis.server.path, at.bench.keys.prefix], {
      stdio: 'inherit',
      env: { ...process.env, QQ_CLIENT_SECRET: at.qq.clientSecret },
    });
    children.push(child);
    await at.qq.journal.waitForKind('delivered', () => true, { timeoutMs: 15_000 });
    child.kill('SIGKILL');
    await once(child, 'exit');
    at.work();
    await asleep(at.bench);
    expect(seen(at.qq, message)).toEqual(['one', 'two']);
    expect(at.qq.journal.of('send').map(({ msgSeq }) => msgSeq)).toEqual([1, 1, 2]);
  });
});

describe('an active message to QQ', () => {
  it('whose answer was lost is unknown, and never sent a second time', async () => {
    await using at = await place({ qq: { activeMessages: 'allowed' } });
    at.ask('ALICE');
    at.qq.faults.sendLost({ times: 1 });
    await at.bench.push(['one', 'two'].map((text) => replyPart('c2c:ALICE', text, { key: 'push', mode: 'active' })));
    await asleep(at.bench);
    expect(at.qq.journal.delivered().map(({ text }) => text)).toEqual(['one', 'two']);
    expect(await at.bench.deadLetters()).toMatchObject([{ outcome: 'unknown', text: 'one' }]);
  });
});

describe('conversations of QQ', () => {
  it('flow while one of them is blocked, and that one keeps its order', async () => {
    await using at = await place();
    const blocked = at.ask('ALICE');
    const fault = at.qq.faults.sendFail({ chatId: 'ALICE' });
    await at.answer('ALICE', blocked, 'one', 'two', 'three');
    await at.qq.journal.waitUntil(() => at.qq.journal.count('send') > 2);
    const others = ['BOB', 'CAROL', 'DAVE'].map((name) => ({ name, message: at.ask(name) }));
    for (const { name, message } of others) await at.answer(name, message, 'one', 'two');
    await at.qq.journal.waitUntil(() => at.qq.journal.delivered().length === 6);
    for (const { message } of others) expect(seen(at.qq, message)).toEqual(['one', 'two']);
    expect(seen(at.qq, blocked)).toEqual([]);
    fault.clear();
    await asleep(at.bench);
    expect(seen(at.qq, blocked)).toEqual(['one', 'two', 'three']);
  });
});
