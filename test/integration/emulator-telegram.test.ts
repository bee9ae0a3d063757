/** What the Telegram emulator must be exact about, item by item; the sources are named in its README. */
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startTelegram } from '../emulators/telegram/index.ts';
import { call, get, ids, poll } from '../emulators/telegram/raw-calls.ts';
import { makeTestCa } from '../support/test-ca.ts';

const hourMs = 3_600_000;
const otherPoll = 'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running';
const webhookActive =
  "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";

describe('long polls', () => {
  it('parks a call until an update comes, and clamps the time asked for to 50 s', async () => {
    await using telegram = await startTelegram();
    const waiting = poll(telegram, { timeout: 600 });
    expect(await telegram.journal.parked()).toMatchObject({ timeoutMs: 50_000 });
    const said = telegram.bot().say(5, 'hello');
    const answer = await waiting;
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ ok: true, result: [{ update_id: said.updateId, message: said.message }] });
  });

  it('answers [] at the deadline, and at once without a timeout', async () => {
    await using telegram = await startTelegram();
    expect((await poll(telegram)).body).toEqual({ ok: true, result: [] });
    const parked = poll(telegram, { timeout: 1, offset: 7 });
    await telegram.journal.parked();
    expect((await parked).body).toEqual({ ok: true, result: [] });
    expect(telegram.journal.answers('getUpdates').at(-1)?.tookMs).toBeGreaterThanOrEqual(950);
  });

  it('confirms what lies below the offset when a call starts, and nothing without an offset', async () => {
    await using telegram = await startTelegram({ firstUpdateId: 100 });
    const bot = telegram.bot();
    for (const text of ['a', 'b', 'c']) bot.say(5, text);
    expect(ids(await poll(telegram))).toEqual([100, 101, 102]);
    expect(bot.pending()).toEqual([100, 101, 102]);
    expect(ids(await poll(telegram, { offset: 101, limit: 1 }))).toEqual([101]);
    expect(ids(await poll(telegram, { offset: 102 }))).toEqual([102]);
    expect(bot.pending()).toEqual([102]);
    const parked = poll(telegram, { offset: 103, timeout: 50 });
    await telegram.journal.parked();
    // Confirmed by the start of the call, long before it has a result.
    expect(bot.confirmed()).toEqual([100, 101, 102]);
    bot.say(5, 'd');
    expect(ids(await parked)).toEqual([103]);
  });

  it('deletes all but the newest for a negative offset', async () => {
    await using telegram = await startTelegram({ firstUpdateId: 100 });
    for (let i = 0; i < 5; i++) telegram.bot().say(5, String(i));
    expect(ids(await poll(telegram, { offset: -2 }))).toEqual([103, 104]);
    expect(telegram.bot().pending()).toEqual([103, 104]);
  });

  it('takes an offset at its word only from head - 100000 to tail + 10', async () => {
    await using telegram = await startTelegram({ firstUpdateId: 5_000_000 });
    const bot = telegram.bot();
    for (let i = 0; i < 3; i++) bot.say(5, String(i));
    const all = [5_000_000, 5_000_001, 5_000_002];
    expect(ids(await poll(telegram, { offset: 5_000_000 - 100_001 }))).toEqual(all);
    expect(ids(await poll(telegram, { offset: 5_000_003 + 11 }))).toEqual(all);
    expect(bot.pending()).toEqual(all);
    // Ten above the tail is valid, and silently deletes what nobody read.
    expect(ids(await poll(telegram, { offset: 5_000_003 + 10 }))).toEqual([]);
    expect(bot.confirmed()).toEqual(all);
  });

  it('hands unconfirmed updates out again, to whoever asks', async () => {
    await using telegram = await startTelegram();
    const { updateId } = telegram.bot().say(5, 'again');
    expect(ids(await poll(telegram))).toEqual([updateId]);
    expect(ids(await poll(telegram, {}, { via: 'query' }))).toEqual([updateId]);
  });

  it('cuts an answer at 4 MiB', async () => {
    await using telegram = await startTelegram();
    telegram.bot().user(5).sayMuch(100);
    const answer = await poll(telegram);
    expect(ids(answer).length).toBeLessThan(60);
    expect(Buffer.byteLength(answer.text)).toBeLessThanOrEqual(4 * 1024 * 1024);
    expect(Buffer.byteLength(answer.text)).toBeGreaterThan(4 * 1024 * 1024 - 100_000);
    expect(telegram.bot().pending()).toHaveLength(100);
  });

  it('makes a call with the same offset wait 3 s, and gives it one update within half a second', async () => {
    await using telegram = await startTelegram();
    await poll(telegram, { offset: 1 });
    const begun = performance.now();
    const again = poll(telegram, { offset: 1 });
    expect(await telegram.journal.parked()).toMatchObject({ timeoutMs: 3000 });
    expect((await again).body.result).toEqual([]);
    expect(performance.now() - begun).toBeGreaterThan(2900);
    for (const text of ['a', 'b']) telegram.bot().say(5, text);
    const atOnce = await Promise.all([poll(telegram, { offset: -5 }), poll(telegram, { offset: -5 })]);
    expect(atOnce.map((answer) => ids(answer).length).sort()).toEqual([1, 2]);
  });
});

describe('conflicts', () => {
  it('ends the older parked call with 409, at once the first time, held back 3 s after that', async () => {
    await using telegram = await startTelegram();
    const calls = [1, 2, 3].map(async (offset) => {
      await telegram.journal.waitUntil(() => telegram.journal.count('parked') >= offset - 1);
      return poll(telegram, { offset, timeout: 50 });
    });
    const first = await calls[0];
    expect(first).toMatchObject({ status: 409, body: { ok: false, error_code: 409, description: otherPoll } });
    await telegram.journal.waitUntil(() => telegram.journal.count('parked') === 3);
    const [thirdParkedAt] = telegram.journal.of('parked').slice(2);
    expect((await calls[1])?.body.description).toBe(otherPoll);
    const [, second] = telegram.journal.answers('getUpdates');
    expect((second?.at ?? 0) - (thirdParkedAt?.at ?? 0)).toBeGreaterThanOrEqual(2950);
    const said = telegram.bot().say(5, 'for the newest');
    expect(ids((await calls[2]) as never)).toEqual([said.updateId]);
  });

  it('leaves the parked call alone when the new one does not wait', async () => {
    await using telegram = await startTelegram();
    const bot = telegram.bot();
    const parked = poll(telegram, { timeout: 50 });
    await telegram.journal.parked();
    expect((await poll(telegram, { offset: 9 })).body.result).toEqual([]);
    bot.say(5, 'x');
    expect((await parked).status).toBe(200);
  });

  it('refuses getUpdates while a webhook is set, and setting one ends the parked call', async () => {
    await using telegram = await startTelegram({ conflictHoldMs: 50 });
    const parked = poll(telegram, { timeout: 50 });
    await telegram.journal.parked();
    const set = await call(telegram, 'setWebhook', { url: 'https://bot.example/hook', secret_token: 'a_B-1' });
    expect(set.body).toEqual({ ok: true, result: true, description: 'Webhook was set' });
    expect(await parked).toMatchObject({
      status: 409,
      body: { description: 'Conflict: terminated by setWebhook request' },
    });
    expect(await poll(telegram)).toMatchObject({ status: 409, body: { error_code: 409, description: webhookActive } });
    telegram.bot().say(5, 'waits');
    expect((await call(telegram, 'getWebhookInfo')).body.result).toEqual({
      url: 'https://bot.example/hook',
      has_custom_certificate: false,
      pending_update_count: 1,
      max_connections: 40,
      ip_address: '<unknown>',
    });
    const descriptions = [
      await call(telegram, 'deleteWebhook', { drop_pending_updates: false }),
      await call(telegram, 'deleteWebhook'),
    ].map(({ body }) => body.description);
    expect(descriptions).toEqual(['Webhook was deleted', 'Webhook is already deleted']);
    expect(ids(await poll(telegram))).toHaveLength(1);
    await call(telegram, 'deleteWebhook', { drop_pending_updates: true });
    expect((await poll(telegram, { offset: 3 })).body.result).toEqual([]);
  });

  it('wants a second between two setWebhook calls', async () => {
    await using telegram = await startTelegram();
    const set = (url: string) => call(telegram, 'setWebhook', { url });
    const answers = await Promise.all([set('https://one.example'), set('https://two.example')]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 429]);
    expect(answers.find(({ status }) => status === 429)?.body.parameters).toEqual({ retry_after: 1 });
  });
});

describe('what is kept, and under which id', () => {
  it('forgets messages 24 h after their own date, and button presses after 150 s', async () => {
    await using telegram = await startTelegram();
    const bot = telegram.bot();
    const alice = bot.user(5);
    alice.say('late arrival', { dateSkewMs: -23 * hourMs });
    const message = alice.say('fresh');
    const pressed = alice.press(message.messageId, 'go');
    telegram.clock.advance(151_000);
    expect(bot.pending()).not.toContain(pressed.updateId);
    expect(bot.pending()).toHaveLength(2);
    telegram.clock.advance(hourMs);
    expect(ids(await poll(telegram))).toEqual([message.updateId]);
    telegram.clock.advance(23 * hourMs);
    expect((await poll(telegram, { offset: 1 })).body.result).toEqual([]);
  });

  it('goes on at a lower id after a week without updates', async () => {
    await using telegram = await startTelegram();
    const bot = telegram.bot();
    const before = bot.say(5, 'a').updateId ?? 0;
    expect(bot.say(5, 'b').updateId).toBe(before + 1);
    telegram.clock.advance(7 * 24 * hourMs);
    const after = bot.say(5, 'c').updateId ?? 0;
    expect(after).toBeLessThan(before);
    // An offset from before the jump lies outside the valid range or deletes nothing that is newer.
    expect(ids(await poll(telegram, { offset: after }))).toEqual([after]);
  });

  it('drops new updates without notice when the queue is full', async () => {
    await using telegram = await startTelegram({ queueLimit: 2 });
    const bot = telegram.bot();
    expect([1, 2, 3].map((n) => bot.say(5, String(n)).updateId !== null)).toEqual([true, true, false]);
    expect((await call(telegram, 'getWebhookInfo')).body.result.pending_update_count).toBe(2);
  });

  it('remembers allowed_updates over calls, forgets what is not allowed, and knows the default', async () => {
    await using telegram = await startTelegram();
    const bot = telegram.bot();
    const alice = bot.user(5);
    const react = () => bot.event('message_reaction', { chat: alice.room.chat, message_id: 1 });
    expect(react()).toBeNull();
    expect(alice.say('x').updateId).not.toBeNull();
    await poll(telegram, { allowed_updates: ['Message_Reaction', 'nonsense'] });
    expect(react()).not.toBeNull();
    await poll(telegram, { offset: 2 });
    expect(alice.say('not asked for').updateId).toBeNull();
    expect((await call(telegram, 'getWebhookInfo')).body.result.allowed_updates).toEqual(['message_reaction']);
    await poll(telegram, { offset: 3, allowed_updates: ['nonsense'] });
    expect([react(), alice.say('again').updateId !== null]).toEqual([null, true]);
    expect((await call(telegram, 'getWebhookInfo')).body.result).not.toHaveProperty('allowed_updates');
  });
});

describe('calls', () => {
  it('tells unknown tokens, malformed paths and unknown methods apart', async () => {
    await using telegram = await startTelegram();
    const answers = [
      await call(telegram, 'getMe', {}, { token: '700000001:AAwrong' }),
      await call(telegram, 'getMe', {}, { token: 'nonsense' }),
      await call(telegram, 'fireMissiles'),
      await get(`${telegram.url}/elsewhere`),
    ];
    expect(answers.map(({ status, body }) => [status, body])).toEqual([
      [401, { ok: false, error_code: 401, description: 'Unauthorized' }],
      [404, { ok: false, error_code: 404, description: 'Not Found' }],
      [404, { ok: false, error_code: 404, description: 'Not Found: method not found' }],
      [404, { ok: false, error_code: 404, description: 'Not Found' }],
    ]);
    expect(answers[0]?.headers.get('content-type')).toBe('application/json');
  });

  it('takes arguments as JSON, form, multipart and query string, and methods in any case', async () => {
    await using telegram = await startTelegram();
    const chat = telegram.bot().user(5);
    const { messageId } = chat.say('question');
    const reply = { message_id: messageId };
    for (const via of ['json', 'form', 'multipart', 'query'] as const) {
      const sent = await call(telegram, 'SENDmessage', { chat_id: 5, text: via, reply_parameters: reply }, { via });
      expect(sent.body.result).toMatchObject({ text: via, reply_to_message: { message_id: messageId } });
    }
    expect(telegram.journal.calls('sendMessage').map(({ via }) => via)).toEqual(['json', 'form', 'multipart', 'query']);
    expect(telegram.bot().delivered(5)).toHaveLength(4);
    const boundless = await fetch(`${telegram.url}/bot${telegram.token}/sendMessage`, {
      method: 'POST',
      body: 'x',
      headers: { 'Content-Type': 'multipart/form-data' },
    });
    expect(boundless.status).toBe(400);
    const bad = await fetch(`${telegram.url}/bot${telegram.token}/sendMessage`, {
      method: 'POST',
      body: '{"chat_id":',
      headers: { 'Content-Type': 'application/json' },
    });
    expect([bad.status, await bad.json()]).toMatchObject([400, { description: expect.stringContaining('JSON') }]);
  });

  it('speaks TLS when given a certificate', async () => {
    await using ca = await makeTestCa();
    await using telegram = await startTelegram({ tls: ca.server });
    expect(telegram.url).toMatch(/^https:/);
    const agent = new Agent({ connect: { ca: await readFile(ca.caFile, 'utf8') } });
    onTestFinished(() => agent.destroy());
    const answer = await request(`${telegram.url}/bot${telegram.token}/getMe`, { dispatcher: agent });
    expect([answer.statusCode, await answer.body.json()]).toMatchObject([200, { result: { is_bot: true } }]);
    telegram.faults.cut({ times: 1 });
    const cut = await request(`${telegram.url}/bot${telegram.token}/getMe`, { dispatcher: agent });
    await expect(cut.body.json()).rejects.toThrow();
    telegram.faults.reset({ times: 1 });
    await expect(request(`${telegram.url}/bot${telegram.token}/getMe`, { dispatcher: agent })).rejects.toThrow();
    await expect(call(telegram, 'getMe')).rejects.toThrow();
  });

  it('checks the URL and the secret of a webhook', async () => {
    await using telegram = await startTelegram({ bots: [{ token: '42:second' }] });
    const flaws = [
      await call(telegram, 'setWebhook', { url: 'nonsense' }),
      await call(telegram, 'setWebhook', { url: 'https://x.example', secret_token: 'a b' }, { token: '42:second' }),
    ].map(({ body }) => body.description);
    expect(flaws).toEqual([
      'Bad Request: invalid webhook URL specified',
      'Bad Request: secret token contains unallowed characters',
    ]);
  });

  it('serves many bots at once, each with its own queue', async () => {
    await using telegram = await startTelegram({ bots: [{ token: '42:second', username: 'second_bot' }] });
    const third = telegram.addBot({ token: '43:third' });
    telegram.bot('42:second').say(5, 'for the second');
    third.say(5, 'for the third');
    expect((await call(telegram, 'getMe', {}, { token: '42:second' })).body.result).toMatchObject({
      id: 42,
      is_bot: true,
      username: 'second_bot',
      can_read_all_group_messages: false,
    });
    for (const [token, text] of [
      ['42:second', 'for the second'],
      ['43:third', 'for the third'],
    ]) {
      expect((await poll(telegram, {}, { token: token as string })).body.result).toMatchObject([{ message: { text } }]);
    }
    expect((await poll(telegram)).body.result).toEqual([]);
    expect(telegram.bots.map(({ id }) => id)).toEqual([telegram.bot().id, 42, 43]);
  });

  it('writes every call down with its arrival, and never a token', async () => {
    await using telegram = await startTelegram();
    const before = Date.now();
    await poll(telegram, { offset: 5, timeout: 0 });
    const [entry] = telegram.journal.calls('getupdates');
    expect(entry).toMatchObject({ botId: telegram.bot().id, args: { offset: '5', timeout: '0' }, via: 'json' });
    expect(entry?.at).toBeGreaterThanOrEqual(before);
    expect(JSON.stringify(telegram.journal.entries)).not.toContain(telegram.token.split(':')[1]);
  });

  it('answers 429 with body, parameters and header when a flood limit is switched on', async () => {
    await using telegram = await startTelegram({ flood: { chat: { max: 2, windowMs: 60_000 } } });
    const bot = telegram.bot();
    bot.say(5, 'x');
    bot.say(6, 'x');
    const send = (chat: number) => call(telegram, 'sendMessage', { chat_id: chat, text: 'y' });
    expect([await send(5), await send(5)].map(({ status }) => status)).toEqual([200, 200]);
    const refused = await send(5);
    const seconds = refused.body.parameters.retry_after;
    expect(seconds).toBeGreaterThan(50);
    expect(refused.status).toBe(429);
    expect(refused.body).toEqual({
      ok: false,
      error_code: 429,
      description: `Too Many Requests: retry after ${seconds}`,
      parameters: { retry_after: seconds },
    });
    expect(refused.headers.get('retry-after')).toBe(String(seconds));
    expect((await send(6)).status).toBe(200);
    telegram.clock.advance(60_000);
    expect((await send(5)).status).toBe(200);
    expect(bot.delivered(5)).toHaveLength(3);
  });

  it('limits a whole bot and groups, too', async () => {
    await using telegram = await startTelegram({
      flood: { bot: { max: 3, windowMs: 60_000 }, group: { max: 2, windowMs: 60_000 } },
    });
    telegram.bot().group(-7);
    for (const id of [5, 6]) telegram.bot().user(id);
    const send = async (chat: number) => (await call(telegram, 'sendMessage', { chat_id: chat, text: 'y' })).body;
    expect([(await send(-7)).ok, (await send(-7)).ok]).toEqual([true, true]);
    expect((await send(-7)).parameters.retry_after).toBeGreaterThan(50);
    expect([(await send(5)).ok, (await send(6)).ok]).toEqual([true, false]);
  });

  it('limits how many cold bots one address may bring up a minute', async () => {
    await using telegram = await startTelegram({ coldStart: { perMinute: 2 } });
    const tokens = [telegram.token, '42:second', '43:third'];
    for (const token of tokens.slice(1)) telegram.addBot({ token });
    const statuses: number[] = [];
    for (const token of tokens) statuses.push((await call(telegram, 'getMe', {}, { token })).status);
    expect(statuses).toEqual([200, 200, 429]);
    expect((await call(telegram, 'getMe')).status).toBe(200);
    telegram.clock.advance(60_000);
    expect((await call(telegram, 'getMe', {}, { token: '43:third' })).status).toBe(200);
  });
});
