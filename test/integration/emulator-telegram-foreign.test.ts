/**
 * Judges of the Telegram emulator that we did not write: grammY, a published client, has to run against it unchanged; and
 * another author's emulator has to agree on the shape of what is said and sent. The third judge is the compiler: results
 * are typed by `@grammyjs/types`, the Bot API reference (test/emulators/telegram/methods.ts).
 */
import { Bot, type Context, GrammyError, HttpError, InputFile } from 'grammy';
import type { Message, Update } from 'grammy/types';
import { describe, expect, it } from 'vitest';
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts';
import { startTelegramPeer } from '../support/telegram-peer.ts';

const patience = { timeoutMs: 15_000 };

interface EchoBot extends AsyncDisposable {
  readonly bot: Bot;
  /** Rejects with what ends its polling for good. */
  readonly done: Promise<void>;
}

/** A grammY bot that answers `echo: …`, polling; disposing stops it as its users do. */
function echoBot(url: string, token: string, prepare: (bot: Bot) => void = () => undefined): EchoBot {
  const bot = new Bot(token, { client: { apiRoot: url } });
  prepare(bot);
  bot.on('message:text', async (ctx: Context) => {
    await ctx.reply(`echo: ${ctx.message?.text}`);
  });
  const done = bot.start();
  // Tests that do not look at it must not fail by it.
  done.catch(() => undefined);
  return {
    bot,
    done,
    [Symbol.asyncDispose]: async () => {
      if (bot.isRunning()) await bot.stop();
      await done.catch(() => undefined);
    },
  };
}

async function echoed(telegram: TelegramEmulator, count: number): Promise<string[]> {
  await telegram.journal.waitUntil(() => telegram.bot().delivered(5).length >= count, patience);
  return telegram
    .bot()
    .delivered(5)
    .map(({ text }) => text);
}

describe('grammY against the emulator', () => {
  it('starts, hears what waited and what comes, answers, and confirms when it stops', async () => {
    await using telegram = await startTelegram();
    const waited = telegram.bot().say(5, 'one');
    const { bot, done } = echoBot(telegram.url, telegram.token);
    await telegram.journal.parked(patience);
    const came = telegram.bot().say(5, 'two');
    expect(await echoed(telegram, 2)).toEqual(['echo: one', 'echo: two']);
    expect(bot.botInfo).toMatchObject({ id: telegram.bot().id, username: telegram.bot().username });
    await bot.stop();
    await done;
    expect(telegram.bot().confirmed()).toEqual([waited.updateId, came.updateId]);
    expect(telegram.bot().pending()).toEqual([]);
    expect(telegram.journal.calls('deleteWebhook')).toHaveLength(1);
  });

  it('ends with 409 when a second bot polls the same token; the newer one goes on', async () => {
    await using telegram = await startTelegram();
    await using older = echoBot(telegram.url, telegram.token);
    await telegram.journal.parked(patience);
    await using _newer = echoBot(telegram.url, telegram.token);
    const end = await older.done.then(
      () => null,
      (error: unknown) => error,
    );
    expect(end).toBeInstanceOf(GrammyError);
    expect(end).toMatchObject({
      error_code: 409,
      description: 'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
    });
    telegram.bot().say(5, 'still there');
    expect(await echoed(telegram, 1)).toEqual(['echo: still there']);
  });

  it('ends with 401 when the token is revoked', async () => {
    await using telegram = await startTelegram();
    await using running = echoBot(telegram.url, telegram.token);
    await telegram.journal.parked(patience);
    telegram.faults.revokeToken();
    await expect(running.done).rejects.toMatchObject({ error_code: 401, description: 'Unauthorized' });
  });

  it('waits as long as a 429 says, and hears the rest then', async () => {
    await using telegram = await startTelegram();
    await using running = echoBot(telegram.url, telegram.token);
    await telegram.journal.parked(patience);
    telegram.faults.tooMany({ method: 'getUpdates', retryAfterS: 1, times: 1 });
    telegram.bot().say(5, 'one');
    await echoed(telegram, 1);
    telegram.bot().say(5, 'two');
    expect(await echoed(telegram, 2)).toEqual(['echo: one', 'echo: two']);
    const [refused] = telegram.journal.of('answer', ({ status }) => status === 429);
    const next = telegram.journal.calls('getUpdates', refused?.n)[0];
    expect((next?.at ?? 0) - (refused?.at ?? 0)).toBeGreaterThanOrEqual(950);
    telegram.faults.tooMany({ method: 'sendMessage', retryAfterS: 7, times: 1 });
    await expect(running.bot.api.sendMessage(5, 'x')).rejects.toMatchObject({
      error_code: 429,
      parameters: { retry_after: 7 },
    });
  });

  it('tells a refusal from a lost answer', async () => {
    await using telegram = await startTelegram();
    telegram.bot().user(5);
    const { api } = new Bot(telegram.token, { client: { apiRoot: telegram.url } });
    await expect(api.sendMessage(5, 'a.b', { parse_mode: 'MarkdownV2' })).rejects.toMatchObject({
      error_code: 400,
      description: expect.stringContaining("can't parse entities"),
    });
    telegram.faults.sendLost({ times: 1 });
    await expect(api.sendMessage(5, 'lost')).rejects.toBeInstanceOf(HttpError);
    expect(
      telegram
        .bot()
        .delivered(5)
        .map(({ text }) => text),
    ).toEqual(['lost']);
  });

  it('routes commands, mentions, captions, edits and buttons by the shapes it gets', async () => {
    await using telegram = await startTelegram();
    const heard: string[] = [];
    const note = (what: string, text: string | undefined) => {
      heard.push(`${what} ${text}`);
    };
    await using running = echoBot(telegram.url, telegram.token, (bot) => {
      bot.command('go', (ctx) => note('command', ctx.match));
      bot.on('message:entities:mention', (ctx) => note('mention', ctx.message.text));
      bot.on('message:photo', (ctx) => note('photo', ctx.message.caption));
      bot.on('edited_message:text', (ctx) => note('edit', ctx.editedMessage.text));
      bot.on('my_chat_member', (ctx) => note('member', ctx.myChatMember.new_chat_member.status));
      bot.on('callback_query:data', async (ctx) => {
        await ctx.answerCallbackQuery({ text: 'done' });
        note('button', ctx.callbackQuery.data);
      });
    });
    const group = telegram.bot().supergroup(-1001, { isForum: true });
    const said = group.say(`/go@${telegram.bot().username} now`);
    group.say(`@${telegram.bot().username} hello`);
    group.show('photo', { caption: 'look' });
    group.edit(said.messageId, 'never mind');
    group.press(said.messageId, 'a:1');
    group.leave();
    const expected = [
      'command now',
      `mention @${telegram.bot().username} hello`,
      'photo look',
      'edit never mind',
      'button a:1',
      'member left',
    ];
    await expect.poll(() => heard, { timeout: patience.timeoutMs }).toEqual(expected);
    expect(telegram.journal.of('callback-answered')).toMatchObject([{ text: 'done' }]);
    expect(running.bot.isRunning()).toBe(true);
  });

  it('uploads and downloads files', async () => {
    await using telegram = await startTelegram();
    telegram.bot().user(5);
    const { api } = new Bot(telegram.token, { client: { apiRoot: telegram.url } });
    const sent = await api.sendDocument(5, new InputFile(Buffer.from('bytes'), 'a.txt'), {
      caption: '<b>c</b>',
      parse_mode: 'HTML',
    });
    expect(sent).toMatchObject({
      caption: 'c',
      caption_entities: [{ type: 'bold' }],
      document: { file_name: 'a.txt' },
    });
    const file = await api.getFile(sent.document.file_id);
    const download = await fetch(`${telegram.url}/file/bot${telegram.token}/${file.file_path}`);
    expect(await download.text()).toBe('bytes');
  });
});

describe('another author’s emulator beside this one', () => {
  /** What it adds or leaves out against the Bot API reference; see `Message` and `Chat` in `@grammyjs/types`. */
  const itsOwnWays = ['update.message.botToken', 'update.message.chat.title', 'sent.chat_id'];

  interface Conversation {
    readonly update: Update;
    readonly sent: Message;
  }

  /** The same small talk with either: a user says hello, grammY answers. */
  async function converse(url: string, token: string, say: () => unknown): Promise<Conversation> {
    let resolve: (conversation: Conversation) => void;
    const conversation = new Promise<Conversation>((settle) => {
      resolve = settle;
    });
    await using _running = echoBot(url, token, (bot) =>
      bot.on('message:text', async (ctx) => resolve({ update: ctx.update, sent: await ctx.reply('hello to you') })),
    );
    await say();
    return await conversation;
  }

  it('agrees on the shape of what is said and of what a send returns', async () => {
    await using telegram = await startTelegram();
    await using peer = await startTelegramPeer();
    const alice = telegram.bot().user(5, { firstName: 'Alice', username: 'alice' });
    const ours = shapeOf(await converse(telegram.url, telegram.token, () => alice.say('hello')));
    const theirs = shapeOf(await converse(peer.url, telegram.token, () => peer.say(telegram.token, 'hello')));
    for (const path of itsOwnWays) {
      expect(theirs).toHaveProperty([path]);
      delete theirs[path];
    }
    expect(Object.keys(theirs)).toContain('update.message.from.first_name');
    expect(ours).toMatchObject(theirs);
  });
});

/** Paths of all values inside, and their types. */
function shapeOf(value: unknown, path = ''): Record<string, string> {
  if (typeof value !== 'object' || value === null) return { [path]: typeof value };
  const shape: Record<string, string> = {};
  for (const [key, inner] of Object.entries(value))
    Object.assign(shape, shapeOf(inner, path === '' ? key : `${path}.${key}`));
  return shape;
}
