/** Each fault order of the Telegram emulator does on the wire what its name says, and only that. */
import { describe, expect, it } from 'vitest';
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts';
import { call, ids, poll } from '../emulators/telegram/raw-calls.ts';

const send = (telegram: TelegramEmulator, text = 'x') => call(telegram, 'sendMessage', { chat_id: 5, text });

/** A call that gets no answer, though the platform is done with it and answers others; given up in the end. */
async function hangs(telegram: TelegramEmulator, method: string, args: Record<string, unknown>): Promise<void> {
  const since = telegram.journal.mark();
  const giveUp = new AbortController();
  let isSettled = false;
  const hanging = call(telegram, method, args, { signal: giveUp.signal }).finally(() => {
    isSettled = true;
  });
  await telegram.journal.waitForKind('answer', ({ status }) => status === null, { since });
  expect((await call(telegram, 'getMe')).status).toBe(200);
  expect(isSettled).toBe(false);
  giveUp.abort();
  await expect(hanging).rejects.toThrow();
}

describe('faults of answers', () => {
  it('pollHang never answers, whatever deadline was asked for, and leaves the queue alone', async () => {
    await using telegram = await startTelegram();
    const said = telegram.bot().say(5, 'x');
    const order = telegram.faults.pollHang({ times: 1 });
    await hangs(telegram, 'getUpdates', { timeout: 0 });
    expect(order.hits).toBe(1);
    expect(telegram.bot().isPolling).toBe(false);
    expect(telegram.journal.answers('getUpdates')).toMatchObject([{ status: null, isHeard: false }]);
    expect(ids(await poll(telegram))).toEqual([said.updateId]);
  });

  it('a poll that hangs when applied has confirmed, and its batch comes again', async () => {
    await using telegram = await startTelegram({ firstUpdateId: 100 });
    const bot = telegram.bot();
    bot.say(5, 'a');
    bot.say(5, 'b');
    telegram.faults.pollHang({ times: 1, isApplied: true });
    await hangs(telegram, 'getUpdates', { offset: 101 });
    expect(bot.confirmed()).toEqual([100]);
    expect(telegram.journal.of('handed-out')).toMatchObject([{ updateIds: [101] }]);
    expect(ids(await poll(telegram))).toEqual([101]);
  });

  it('cut breaks off in the middle of a body that was announced whole', async () => {
    await using telegram = await startTelegram();
    telegram.bot().say(5, 'x');
    telegram.faults.cut({ method: 'getUpdates', times: 1 });
    const response = await fetch(`${telegram.url}/bot${telegram.token}/getUpdates`);
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(100);
    await expect(response.text()).rejects.toThrow();
    expect(ids(await poll(telegram))).toHaveLength(1);
  });

  it('html, empty and brokenJson answer as sick front ends do', async () => {
    await using telegram = await startTelegram();
    telegram.faults.html({ times: 1 });
    telegram.faults.empty({ times: 1 });
    telegram.faults.brokenJson({ times: 1 });
    const html = await call(telegram, 'getMe');
    expect([html.status, html.body, html.headers.get('content-type')]).toEqual([502, undefined, 'text/html']);
    expect(html.text).toContain('<html>');
    const empty = await call(telegram, 'getMe');
    expect([empty.status, empty.text]).toEqual([504, '']);
    const broken = await call(telegram, 'getMe');
    expect([broken.status, broken.body]).toEqual([200, undefined]);
    expect(broken.text).toContain('"ok":true');
    expect((await call(telegram, 'getMe')).body.ok).toBe(true);
  });

  it('drip sends the true answer slowly', async () => {
    await using telegram = await startTelegram();
    telegram.faults.drip({ overMs: 400, times: 1 });
    const begun = performance.now();
    expect((await call(telegram, 'getMe')).body.result.is_bot).toBe(true);
    expect(performance.now() - begun).toBeGreaterThan(300);
  });

  it('sendLost shows people the message and the bot a reset; a send refused before it is seen by nobody', async () => {
    await using telegram = await startTelegram();
    telegram.bot().user(5);
    telegram.faults.sendLost({ times: 1 });
    await expect(send(telegram, 'lost answer')).rejects.toThrow();
    telegram.faults.reset({ method: 'sendMessage', times: 1 });
    await expect(send(telegram, 'lost question')).rejects.toThrow();
    telegram.faults.cut({ method: 'sendmessage', times: 1 });
    await expect(send(telegram, 'cut answer')).rejects.toThrow();
    telegram.faults.html({ method: 'sendMessage', times: 1, isApplied: true });
    expect((await send(telegram, 'said and 502')).status).toBe(502);
    telegram.faults.hang({ method: 'sendMessage', times: 1 });
    await hangs(telegram, 'sendMessage', { chat_id: 5, text: 'swallowed' });
    expect(
      telegram
        .bot()
        .delivered(5)
        .map(({ text }) => text),
    ).toEqual(['lost answer', 'cut answer', 'said and 502']);
  });

  it('tooMany and refuse answer in the API’s shape, for the chosen chat, bot and method only', async () => {
    await using telegram = await startTelegram({ bots: [{ token: '42:second' }] });
    telegram.bot().user(5);
    telegram.faults.tooMany({ method: ['sendMessage', 'editMessageText'], chatId: 5, retryAfterS: 7, times: 1 });
    const refused = await send(telegram);
    expect([refused.status, refused.body.parameters, refused.headers.get('retry-after')]).toEqual([
      429,
      { retry_after: 7 },
      '7',
    ]);
    const order = telegram.faults.refuse(
      { code: 421, description: 'Misdirected Request: unallowed token specified' },
      { botId: 42 },
    );
    expect((await send(telegram)).status).toBe(200);
    expect(await call(telegram, 'getMe', {}, { token: '42:second' })).toMatchObject({
      status: 421,
      body: { ok: false, error_code: 421 },
    });
    order.clear();
    expect((await call(telegram, 'getMe', {}, { token: '42:second' })).status).toBe(200);
    expect(telegram.bot().delivered(5)).toHaveLength(1);
  });

  it('orders wait for their turn, and clear() takes them all back', async () => {
    await using telegram = await startTelegram();
    telegram.faults.html({ after: 1 });
    expect((await call(telegram, 'getMe')).status).toBe(200);
    expect((await call(telegram, 'getMe')).status).toBe(502);
    await telegram.faults.clear();
    expect((await call(telegram, 'getMe')).status).toBe(200);
  });
});

describe('faults of batches', () => {
  it('duplicates and reverses what one batch holds, and hands confirmed updates out again', async () => {
    await using telegram = await startTelegram({ firstUpdateId: 100 });
    const bot = telegram.bot();
    for (const text of ['a', 'b']) bot.say(5, text);
    telegram.faults.duplicateInBatch({ times: 1 });
    expect(ids(await poll(telegram, { offset: 99 }))).toEqual([100, 100, 101, 101]);
    telegram.faults.reverseBatch({ times: 1 });
    expect(ids(await poll(telegram, { offset: 100 }))).toEqual([101, 100]);
    const parked = poll(telegram, { offset: 102, timeout: 50 });
    await telegram.journal.parked();
    bot.redeliver([100, 101]);
    // Below the offset of the parked call: deleted once more, and the call has nothing to show.
    expect(ids(await parked)).toEqual([]);
    bot.redeliver([101]);
    expect(ids(await poll(telegram))).toEqual([101]);
  });
});

describe('faults of connections', () => {
  it('halfOpen silences open connections for ever, parked polls too, while new ones work', async () => {
    await using telegram = await startTelegram();
    const giveUp = new AbortController();
    const parked = poll(telegram, { timeout: 50 }, { signal: giveUp.signal });
    await telegram.journal.parked();
    expect(telegram.faults.halfOpen()).toBe(1);
    telegram.bot().say(5, 'into the void');
    await telegram.journal.waitForKind('answer', ({ isHeard }) => !isHeard);
    expect(ids(await poll(telegram))).toHaveLength(1);
    giveUp.abort();
    await expect(parked).rejects.toMatchObject({ name: 'AbortError' });
    expect(telegram.journal.answers('getUpdates').map(({ isHeard }) => isHeard)).toEqual([false, true]);
  });

  it('unreachable closes the port, keeps what arrives meanwhile, and comes back under the same one', async () => {
    await using telegram = await startTelegram();
    const parked = poll(telegram, { timeout: 50 });
    await telegram.journal.parked();
    await telegram.faults.unreachable();
    await expect(parked).rejects.toThrow();
    const refused = await poll(telegram).catch((error: Error) => error.cause);
    expect(refused).toMatchObject({ code: 'ECONNREFUSED' });
    const said = telegram.bot().say(5, 'meanwhile');
    await telegram.faults.reachable();
    expect(ids(await poll(telegram))).toEqual([said.updateId]);
  });

  it('dropSockets resets what is open, and the port stays', async () => {
    await using telegram = await startTelegram();
    const parked = poll(telegram, { timeout: 50 });
    await telegram.journal.parked();
    expect(telegram.faults.dropSockets()).toBe(1);
    await expect(parked).rejects.toThrow();
    expect((await call(telegram, 'getMe')).status).toBe(200);
  });
});

describe('faults of instances and tokens', () => {
  it('restart answers parked polls with [], then 500 for a while', async () => {
    await using telegram = await startTelegram();
    const parked = poll(telegram, { timeout: 50 });
    await telegram.journal.parked();
    telegram.faults.restart({ forMs: 2000 });
    expect((await parked).body).toEqual({ ok: true, result: [] });
    expect(await poll(telegram)).toMatchObject({
      status: 500,
      body: { ok: false, error_code: 500, description: 'Internal Server Error: restart' },
    });
    await expect.poll(async () => (await call(telegram, 'getMe')).status, { timeout: 10_000 }).toBe(200);
  });

  it('revokeToken answers 401 from now on, a renewed token works, and restoreToken heals', async () => {
    await using telegram = await startTelegram();
    const bot = telegram.bot();
    const parked = poll(telegram, { timeout: 50 });
    await telegram.journal.parked();
    telegram.faults.revokeToken();
    expect((await parked).body.result).toEqual([]);
    expect((await poll(telegram)).body).toEqual({ ok: false, error_code: 401, description: 'Unauthorized' });
    telegram.faults.restoreToken();
    expect((await call(telegram, 'getMe')).status).toBe(200);
    const { updateId } = bot.say(5, 'kept');
    const token = bot.renewToken();
    expect(token.split(':')[0]).toBe(String(bot.id));
    expect((await call(telegram, 'getMe')).status).toBe(401);
    expect(ids(await poll(telegram, {}, { token }))).toEqual([updateId]);
  });
});
