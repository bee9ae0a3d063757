/** The sender against the emulated platform: what it says became of a send, and what people really saw. */
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { Sender } from '../../src/adapters/adapter.ts';
import { createTelegramAdapter } from '../../src/adapters/telegram/index.ts';
import { systemClock } from '../../src/async/clock.ts';
import { connectionId, type JsonValue, type OutboundPart } from '../../src/model.ts';
import { startTelegram, type TelegramEmulator, type TelegramOptions } from '../emulators/telegram/index.ts';
import { openDirect } from '../support/direct-transport.ts';
import { botOptions } from '../support/telegram-hold.ts';

const running: TelegramEmulator[] = [];
afterEach(async () => {
  for (const telegram of running.splice(0)) await telegram.close();
});

const signal = new AbortController().signal;

function senderOf(telegram: TelegramEmulator, options: Readonly<Record<string, JsonValue>> = {}): Sender {
  return createTelegramAdapter().createSender({
    connectionId: connectionId('tg-test'),
    options: { ...botOptions(telegram), sendTimeoutMs: 300, ...options },
    secrets: { token: telegram.token },
    transport: openDirect(),
    clock: systemClock,
    log: pino({ level: 'silent' }),
  });
}

async function platform(options: TelegramOptions = {}) {
  const telegram = await startTelegram(options);
  running.push(telegram);
  telegram.bot().user(5);
  return { telegram, bot: telegram.bot(), sender: senderOf(telegram) };
}

type Address = Readonly<Record<string, string | null>>;

function part(text: string, address: Address = { chatId: '5' }, ordinal = 1): OutboundPart {
  return {
    id: `turn/${ordinal}`,
    conversation: `chat:${address.chatId}`,
    text,
    reply: { key: 'k', deadlineAt: null, quota: null, address: { threadId: null, messageId: null, ...address } },
    ordinal,
    mode: 'passive',
  };
}

describe('a reply', () => {
  it('goes to its chat, plain in private, with what it answers in a group', async () => {
    const { bot, sender } = await platform();
    bot.supergroup(-1001);
    const said = bot.say(-1001, 'question');
    expect(await sender.send(part('in private'), { signal })).toMatchObject({ kind: 'sent', platformId: '1' });
    const address = { chatId: '-1001', messageId: String(said.messageId) };
    expect(await sender.send(part('first', address), { signal })).toMatchObject({ kind: 'sent' });
    expect(await sender.send(part('second', address, 2), { signal })).toMatchObject({ kind: 'sent' });
    expect(bot.delivered().map(({ text, replyTo }) => [text, replyTo])).toEqual([
      ['in private', null],
      ['first', said.messageId],
      ['second', null],
    ]);
  });

  it('is not lost because its question was deleted', async () => {
    const { bot, sender } = await platform();
    bot.supergroup(-1001);
    const gone = { chatId: '-1001', messageId: '4711' };
    expect(await sender.send(part('still here', gone), { signal })).toMatchObject({ kind: 'sent' });
    expect(bot.delivered(-1001)).toMatchObject([{ text: 'still here', replyTo: null }]);
  });

  it('goes to its topic, and finds its chat by the conversation alone', async () => {
    const { bot, sender } = await platform();
    const thread = bot.supergroup(-1002, { isForum: true }).topic('travel');
    const address = { chatId: '-1002', threadId: String(thread) };
    expect(await sender.send(part('about trains', address), { signal })).toMatchObject({ kind: 'sent' });
    const bare = { ...part('by name'), conversation: `chat:-1002/${thread}` };
    const nameless = { ...bare, reply: { ...bare.reply, address: null } };
    expect(await sender.send(nameless, { signal })).toMatchObject({ kind: 'sent' });
    expect(bot.delivered(-1002).map((message) => message.thread)).toEqual([thread, thread]);
    expect(await sender.send({ ...nameless, conversation: 'c2c:X' }, { signal })).toMatchObject({ kind: 'rejected' });
  });

  it('shows typing in its chat and topic', async () => {
    const { telegram, bot, sender } = await platform();
    const thread = bot.supergroup(-1002, { isForum: true }).topic('travel');
    await sender.typing?.(part('', { chatId: '-1002', threadId: String(thread) }).reply, { signal });
    expect(telegram.journal.of('chat-action')).toMatchObject([{ chatId: -1002, action: 'typing', thread }]);
    bot.chat(-1002).block();
    await expect(sender.typing?.(part('', { chatId: '-1002' }).reply, { signal })).rejects.toThrow('403');
  });

  it('follows a group that became a supergroup, once', async () => {
    const { bot, sender } = await platform();
    bot.group(-77).migrate(-1077);
    expect(await sender.send(part('moved', { chatId: '-77', messageId: '1' }), { signal })).toMatchObject({
      kind: 'sent',
    });
    expect(bot.delivered(-1077)).toMatchObject([{ text: 'moved', replyTo: null }]);
  });
});

describe('formatting', () => {
  const MARKDOWN =
    '# Head\n\nSome **bold**, _it_, ~~no~~, `a<b>` & [link](https://example.com/?a=1&b=2).\n\n```ts\nif (a < b) {}\n```';
  const SHOWN = 'Head\n\nSome bold, it, no, a<b> & link.\n\nif (a < b) {}';

  it.each(['HTML', 'MarkdownV2'] as const)('of Markdown is shown by the platform as %s', async (parseMode) => {
    const { telegram, bot } = await platform();
    expect(await senderOf(telegram, { parseMode }).send(part(MARKDOWN), { signal })).toMatchObject({ kind: 'sent' });
    const [shown] = bot.delivered(5);
    expect(shown?.text).toBe(SHOWN);
    const { entities = [] } = shown?.message ?? {};
    expect(entities.map(({ type, offset, length }) => [type, SHOWN.slice(offset, offset + length)])).toEqual([
      ['bold', 'Head'],
      ['bold', 'bold'],
      ['italic', 'it'],
      ['strikethrough', 'no'],
      ['code', 'a<b>'],
      ['text_link', 'link'],
      ['pre', 'if (a < b) {}'],
    ]);
    expect(entities).toContainEqual(
      expect.objectContaining({ type: 'text_link', url: 'https://example.com/?a=1&b=2' }),
    );
    expect(entities).toContainEqual(expect.objectContaining({ type: 'pre', language: 'ts' }));
    expect(telegram.journal.calls('sendMessage')).toHaveLength(1);
  });

  it('that the platform refuses is left out: the same text goes as plain text, once', async () => {
    const { telegram, bot, sender } = await platform();
    const description = 'Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 3';
    const order = telegram.faults.refuse({ code: 400, description }, { method: 'sendMessage', times: 1 });
    expect(await sender.send(part('some **bold** text'), { signal })).toMatchObject({ kind: 'sent' });
    expect(bot.delivered(5)).toMatchObject([{ text: 'some bold text' }]);
    expect(bot.delivered(5)[0]?.message.entities).toBeUndefined();
    order.clear();
    telegram.faults.refuse({ code: 400, description }, { method: 'sendMessage' });
    expect(await sender.send(part('**no**'), { signal })).toMatchObject({ kind: 'rejected', code: '400' });
    expect(telegram.journal.calls('sendMessage')).toHaveLength(4);
  });

  it('can be turned off', async () => {
    const { telegram, bot } = await platform();
    await senderOf(telegram, { format: 'plain' }).send(part('**as it is** <b>'), { signal });
    expect(bot.delivered(5)).toMatchObject([{ text: '**as it is** <b>' }]);
  });

  it('takes the longest parts that a split gives, whatever is in them', async () => {
    const { bot, sender } = await platform();
    const { parts, overflow } = sender.split('<&> _x_ 😀 '.repeat(1_200), null);
    expect(overflow).toEqual([]);
    expect(parts.length).toBeGreaterThan(2);
    for (const [index, text] of parts.entries()) {
      expect(text.length).toBeLessThanOrEqual(4_096);
      expect(await sender.send(part(text, { chatId: '5' }, index + 1), { signal })).toMatchObject({ kind: 'sent' });
    }
    expect(bot.delivered(5)).toHaveLength(parts.length);
  });
});

describe('what became of a send', () => {
  it.each([
    ['was blocked', (bot: ReturnType<TelegramEmulator['bot']>) => bot.chat(5).block(), '403', /blocked by the user/],
    ['is of a deleted user', (bot: ReturnType<TelegramEmulator['bot']>) => bot.chat(5).vanish(), '403', /deactivated/],
  ])('is a refusal for good where the chat %s', async (_name, strike, code, reason) => {
    const { bot, sender } = await platform();
    strike(bot);
    expect(await sender.send(part('hello'), { signal })).toEqual({
      kind: 'rejected',
      code,
      reason: expect.stringMatching(reason),
    });
  });

  it('is a refusal for a chat that nobody knows', async () => {
    const { sender } = await platform();
    const outcome = await sender.send(part('hello', { chatId: '999' }), { signal });
    expect(outcome).toMatchObject({ kind: 'rejected', code: '400', reason: expect.stringContaining('chat not found') });
  });

  it('is a wait for that chat, and half a second more than the platform says, after a 429', async () => {
    const { telegram, sender } = await platform();
    telegram.faults.tooMany({ method: 'sendMessage', retryAfterS: 3, times: 1 });
    expect(await sender.send(part('fast'), { signal })).toMatchObject({
      kind: 'rate-limited',
      afterMs: 3_500,
      bucket: 'chat:5',
      code: '429',
    });
    const buckets = (chatId: string) => sender.buckets(part('x', { chatId }));
    const bot = { key: 'bot', count: 30, windowMs: 1_000 };
    expect(buckets('5')).toEqual([bot, { key: 'chat:5', count: 3, windowMs: 3_000 }]);
    expect(buckets('-1001')).toEqual([bot, { key: 'chat:-1001', count: 20, windowMs: 60_000 }]);
  });

  it('is a retry where the platform says that nothing was done, or nothing can have arrived', async () => {
    const { telegram, bot, sender } = await platform();
    const error = { code: 500, description: 'Internal Server Error: restart' };
    telegram.faults.refuse(error, { method: 'sendMessage', times: 1 });
    expect(await sender.send(part('a'), { signal })).toMatchObject({ kind: 'retry', code: '500' });
    telegram.faults.revokeToken();
    expect(await sender.send(part('b'), { signal })).toMatchObject({ kind: 'retry', code: '401', afterMs: 30_000 });
    await telegram.stop();
    const refused = await sender.send(part('c'), { signal });
    expect(refused).toMatchObject({ kind: 'retry', code: 'TRANSPORT' });
    expect(refused).not.toHaveProperty('maybeDelivered');
    expect(bot.delivered()).toEqual([]);
  });

  const lost: [string, (telegram: TelegramEmulator) => unknown][] = [
    ['the answer is reset', (telegram) => telegram.faults.sendLost({ times: 1 })],
    ['no answer comes', (telegram) => telegram.faults.hang({ method: 'sendMessage', isApplied: true, times: 1 })],
    [
      'a front end answers 502',
      (telegram) => telegram.faults.html({ method: 'sendMessage', isApplied: true, times: 1 }),
    ],
    ['the answer is cut', (telegram) => telegram.faults.cut({ method: 'sendMessage', times: 1 })],
    [
      'the answer is no JSON',
      (telegram) => telegram.faults.brokenJson({ method: 'sendMessage', isApplied: true, times: 1 }),
    ],
  ];

  it.each(lost)('is unknown, and says so, when %s', async (_name, strike) => {
    const { telegram, bot, sender } = await platform();
    strike(telegram);
    expect(await sender.send(part('who knows'), { signal })).toMatchObject({ kind: 'unknown' });
    expect(sender.repeatable?.(part('who knows'))).toBe(false);
    expect(bot.delivered(5)).toHaveLength(1);
  });

  it.each(lost)(
    'is a retry that may show twice, where the configuration prefers that, when %s',
    async (_name, strike) => {
      const { telegram } = await platform();
      const sender = senderOf(telegram, { onUnknownSend: 'at-least-once' });
      strike(telegram);
      expect(await sender.send(part('again'), { signal })).toMatchObject({ kind: 'retry', maybeDelivered: true });
      expect(sender.repeatable?.(part('again'))).toBe(true);
    },
  );

  it('is unknown when a stop cuts it off', async () => {
    const { telegram, sender } = await platform();
    const order = telegram.faults.hang({ method: 'sendMessage' });
    const stop = new AbortController();
    const sending = senderOf(telegram, { sendTimeoutMs: 60_000 }).send(part('cut'), { signal: stop.signal });
    await telegram.journal.waitUntil(() => order.hits === 1);
    stop.abort(new Error('stopping'));
    expect(await sending).toMatchObject({ kind: 'unknown', code: 'ABORTED_CALL' });
    expect(sender.repeatable?.(part('cut'))).toBe(false);
  });

  it('never tells the token', async () => {
    const { telegram, sender } = await platform();
    telegram.faults.html({ method: 'sendMessage', times: 1 });
    const outcomes = [await sender.send(part('a'), { signal })];
    await telegram.stop();
    outcomes.push(await sender.send(part('b'), { signal }));
    expect(JSON.stringify(outcomes)).not.toContain(telegram.token.slice(telegram.token.indexOf(':') + 1));
  });
});
