/** Messages that nobody asked for: taken once per key, divided as the platform needs it, in order with everything else. */
import { describe, expect, it, vi } from 'vitest';
import { namesChat } from '../../src/run/adapters.ts';
import { pushMessage } from '../../src/state/push-message.ts';
import { deliveryBench, replyPart, SENT, scriptedSender } from '../support/delivery-bench.ts';
import { useRedis } from '../support/redis.ts';
import { startWebBench } from '../support/web-bench.ts';

const redis = useRedis({ aof: false });
const until = { timeout: 20_000, interval: 10 };

describe('a pushed message', () => {
  it('goes out once, whoever pushes it how often under its key, divided where it is too long, after what was there', async () => {
    await using bench = await deliveryBench(redis.server);
    const { client, keys, id } = bench;
    const sender = scriptedSender(() => SENT, { maxTextLength: 16 });
    const waking = {
      addBulk: async ([job]: { data: Parameters<typeof bench.wake>[0] }[]) => job && bench.wake(job.data),
    };
    const push = (key: string, text: string) =>
      pushMessage(client, keys, () => true, waking, { connection: id, conversation: 'c2c:A', text, key });
    await bench.store([replyPart('c2c:A', 'earlier')]);
    const answers = await Promise.all(Array.from({ length: 5 }, () => push('k1', 'the first line\nthe second line')));
    expect(answers.map(({ kind }) => kind).sort()).toEqual(['queued', ...Array(4).fill('repeated')]);
    expect(await push('k2', 'the end')).toEqual({ kind: 'queued', id: 'push/k2' });
    bench.worker(sender.adapter);
    await vi.waitFor(async () => expect(await bench.active()).toBe(0), until);
    expect(sender.calls.map(({ text, mode }) => [text, mode])).toEqual([
      ['earlier', 'passive'],
      ['the first line', 'active'],
      ['the second line', 'active'],
      ['the end', 'active'],
    ]);
    // Also long after it went out.
    expect(await push('k1', 'the first line\nthe second line')).toEqual({ kind: 'repeated', id: 'push/k1' });
    expect(
      await pushMessage(client, keys, () => true, null, {
        connection: 'no-such',
        conversation: 'c',
        text: 't',
        key: 'k',
      }),
    ).toEqual({
      kind: 'unknown-connection',
    });
  });
});

describe('a message to nowhere', () => {
  it.each([
    ['qq', 'c2c:OPENID', 'c2c:..'],
    ['qq', 'group:G-1_2', 'group:a/b'],
    ['telegram', 'chat:-1001234567890/7', 'chat:../x'],
    ['telegram', 'chat:5', 'c2c:5'],
    ['telegram', 'chat:9007199254740991', 'chat:99999999999999999999'],
  ])('on %s: %s is one, %s is none (L3)', (platform, chat, none) => {
    expect([namesChat(platform, chat), namesChat(platform, none)]).toEqual([true, false]);
    expect(namesChat('a platform of tomorrow', none)).toBe(true);
  });

  it('is refused at once, by name (L3)', async () => {
    await using bench = await deliveryBench(redis.server);
    const { client, keys, id } = bench;
    const asked: unknown[] = [];
    const isChat = (...of: unknown[]) => asked.push(of) < 0;
    const message = { connection: id, conversation: 'c2c:..', text: 't', key: 'k' };
    expect(await pushMessage(client, keys, isChat, null, message)).toMatchObject({ kind: 'no-chat' });
    expect(asked).toEqual([[expect.any(String), 'c2c:..']]);
    expect(await bench.active()).toBe(0);
  });
});

describe('POST /v1/messages', () => {
  it('takes a message once per Idempotency-Key, and says what is wrong with others', async () => {
    const prefix = redis.prefix();
    await using web = await startWebBench({ path: redis.server.path, prefix, adminToken: 'admin-token-of-the-test' });
    await using bench = await deliveryBench(redis.server, {}, {}, prefix);
    const authorization = 'Bearer admin-token-of-the-test';
    const post = (body: object, headers: Record<string, string> = {}) =>
      web.call('/v1/messages', {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
    const message = { connection: bench.id, conversation: 'c2c:A', text: 'The backup is done.' };
    const once = { 'idempotency-key': 'backup-42' };
    const first = await post(message, once);
    expect([first.status, first.json()]).toEqual([202, { id: 'push/backup-42', repeated: false }]);
    expect((await post(message, once)).json()).toEqual({ id: 'push/backup-42', repeated: true });
    expect((await post(message)).json()).toMatchObject({ repeated: false });
    const sender = scriptedSender(() => SENT);
    bench.worker(sender.adapter);
    await vi.waitFor(async () => expect(await bench.active()).toBe(0), until);
    expect(sender.calls.map(({ text }) => text)).toEqual([message.text, message.text]);

    expect((await post({ ...message, connection: 'no-such' })).status).toBe(404);
    const blank = await post({ ...message, text: ' \n' });
    expect([blank.status, blank.json().errors]).toEqual([400, [{ path: '/text', message: 'is blank' }]]);
    const hidden = await post({ ...message, text: '\u200b\u3164' });
    expect([hidden.status, hidden.json().errors]).toEqual([400, [{ path: '/text', message: 'is blank' }]]);
    expect((await post(message, { authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await post(message, { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
  });
});
