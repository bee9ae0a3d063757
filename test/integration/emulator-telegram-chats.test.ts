/** People, chats and messages at the Telegram emulator: what a bot hears, and how strictly its sends are judged. */
import { describe, expect, it } from 'vitest';
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts';
import { call, get, poll } from '../emulators/telegram/raw-calls.ts';

async function updates(telegram: TelegramEmulator) {
  return (await poll(telegram)).body.result;
}

describe('what people do', () => {
  it('counts message ids per chat, and dates in seconds', async () => {
    await using telegram = await startTelegram();
    const bot = telegram.bot();
    const said = [bot.say(5, 'a'), bot.say(5, 'b'), bot.say(6, 'c')];
    expect(said.map(({ messageId }) => messageId)).toEqual([1, 2, 1]);
    expect(Math.abs((said[0]?.message.date ?? 0) - Date.now() / 1000)).toBeLessThan(30);
    const sent = await call(telegram, 'sendMessage', { chat_id: 5, text: 'd' });
    expect(sent.body.result).toMatchObject({ message_id: 3, chat: { id: 5, type: 'private' }, from: { is_bot: true } });
  });

  it('finds mentions, commands and links with UTF-16 offsets', async () => {
    await using telegram = await startTelegram();
    const said = telegram.bot().supergroup(-1001).say('😀 @alice_b /go@my_bot https://a.example/x?y #tag');
    expect(said.message.entities).toEqual([
      { type: 'mention', offset: 3, length: 8 },
      { type: 'bot_command', offset: 12, length: 10 },
      { type: 'url', offset: 23, length: 21 },
      { type: 'hashtag', offset: 45, length: 4 },
    ]);
    expect(said.message.chat).toMatchObject({ id: -1001, type: 'supergroup' });
  });

  it('shows topics, replies, edits, channel posts and button presses', async () => {
    await using telegram = await startTelegram();
    const bot = telegram.bot();
    const forum = bot.supergroup(-1001, { isForum: true });
    const thread = forum.topic('Ideas');
    const said = forum.say('in the topic', { thread });
    forum.say('an answer', { thread, replyTo: said.messageId });
    forum.edit(said.messageId, 'edited');
    bot.channel(-1002).say('news');
    const pressed = forum.press(said.messageId, 'a:1');
    expect(await updates(telegram)).toMatchObject([
      { message: { forum_topic_created: { name: 'Ideas' }, message_thread_id: thread, is_topic_message: true } },
      { message: { text: 'in the topic', message_thread_id: thread, is_topic_message: true } },
      { message: { reply_to_message: { message_id: said.messageId, text: 'in the topic' } } },
      { edited_message: { message_id: said.messageId, text: 'edited', edit_date: expect.any(Number) } },
      { channel_post: { text: 'news', sender_chat: { type: 'channel' } } },
      { callback_query: { id: pressed.queryId, data: 'a:1', message: { text: 'edited' } } },
    ]);
  });

  it('shows media with captions and files to download, and albums as separate messages', async () => {
    await using telegram = await startTelegram();
    const chat = telegram.bot().user(5);
    const photo = chat.show('photo', { caption: 'see @someone', bytes: Buffer.from('jpeg!') });
    const kinds = ['document', 'video', 'animation', 'audio', 'voice', 'video_note', 'sticker', 'location'] as const;
    for (const kind of kinds) expect(chat.show(kind).message).toHaveProperty(kind);
    const album = chat.album(['first', null]);
    expect(photo.message).toMatchObject({ caption: 'see @someone', caption_entities: [{ type: 'mention' }] });
    expect(new Set(album.map(({ message }) => message.media_group_id)).size).toBe(1);
    const fileId = photo.message.photo?.at(-1)?.file_id;
    const file = (await call(telegram, 'getFile', { file_id: fileId })).body.result;
    expect(file).toMatchObject({ file_id: fileId, file_size: 5 });
    expect((await get(`${telegram.url}/file/bot${telegram.token}/${file.file_path}`)).text).toBe('jpeg!');
    expect((await get(`${telegram.url}/file/bot${telegram.token}/photos/none.jpg`)).status).toBe(404);
    const big = chat.show('document', { size: 21 * 1024 * 1024 }).message.document?.file_id;
    const flaws = [
      await call(telegram, 'getFile', { file_id: big }),
      await call(telegram, 'getFile', { file_id: 'odd' }),
    ].map(({ body }) => body.description);
    expect(flaws).toEqual([
      'Bad Request: file is too big',
      'Bad Request: wrong file_id or the file is temporarily unavailable',
    ]);
  });

  it('says in each way that the bot may not write', async () => {
    await using telegram = await startTelegram();
    const bot = telegram.bot();
    const [user, gone, group, supergroup, channel, dead] = [
      bot.user(5),
      bot.user(6),
      bot.group(-7),
      bot.supergroup(-1008),
      bot.channel(-1009),
      bot.group(-10),
    ];
    user.block();
    group.leave();
    supergroup.block();
    channel.block();
    gone.vanish();
    dead.vanish();
    const refusals: unknown[] = [];
    for (const chat of [user, gone, group, supergroup, channel, dead]) {
      const { status, body } = await call(telegram, 'sendMessage', { chat_id: chat.id, text: 'x' });
      refusals.push([status, body.description]);
    }
    expect(refusals).toEqual([
      [403, 'Forbidden: bot was blocked by the user'],
      [403, 'Forbidden: user is deactivated'],
      [403, 'Forbidden: bot is not a member of the group chat'],
      [403, 'Forbidden: bot was kicked from the supergroup chat'],
      [403, 'Forbidden: bot was kicked from the channel chat'],
      [403, 'Forbidden: the group chat was deleted'],
    ]);
    user.letBack();
    expect((await call(telegram, 'sendMessage', { chat_id: 5, text: 'x' })).status).toBe(200);
    const changes = (await updates(telegram)).map((update: { my_chat_member: object }) => update.my_chat_member);
    expect(changes[0]).toMatchObject({ old_chat_member: { status: 'member' }, new_chat_member: { status: 'kicked' } });
    expect(changes.at(-1)).toMatchObject({ new_chat_member: { status: 'member' } });
  });

  it('moves a group to a supergroup, and names the new id to who writes to the old one', async () => {
    await using telegram = await startTelegram();
    const old = telegram.bot().group(-7);
    old.say('before');
    const next = old.migrate(-100_777);
    expect(await call(telegram, 'sendMessage', { chat_id: -7, text: 'x' })).toMatchObject({
      status: 400,
      body: {
        description: 'Bad Request: group chat was upgraded to a supergroup chat',
        parameters: { migrate_to_chat_id: -100_777 },
      },
    });
    expect((await call(telegram, 'sendMessage', { chat_id: next.id, text: 'x' })).body.result.message_id).toBe(2);
    expect((await updates(telegram)).slice(1)).toMatchObject([
      { message: { chat: { id: -7 }, migrate_to_chat_id: -100_777 } },
      { message: { chat: { id: -100_777 }, message_id: 1, migrate_from_chat_id: -7 } },
    ]);
  });
});

describe('what a bot sends', () => {
  async function refusal(telegram: TelegramEmulator, args: Record<string, unknown>, method = 'sendMessage') {
    const { status, body } = await call(telegram, method, { chat_id: 5, ...args });
    return status === 200 ? 'sent' : `${status} ${body.description}`;
  }

  it('counts 4096 code points after parsing, and 32,768 bytes before it', async () => {
    await using telegram = await startTelegram();
    telegram.bot().user(5);
    expect(await refusal(telegram, { text: '😀'.repeat(4096) })).toBe('sent');
    expect(await refusal(telegram, { text: 'x'.repeat(4097) })).toBe('400 Bad Request: message is too long');
    expect(await refusal(telegram, { text: '*x*'.repeat(2000), parse_mode: 'MarkdownV2' })).toBe('sent');
    expect(await refusal(telegram, { text: 'x'.repeat(32_769) })).toBe('400 Bad Request: text is too long');
    expect(await refusal(telegram, { text: '' })).toBe('400 Bad Request: message text is empty');
    expect(await refusal(telegram, { text: '**', parse_mode: 'Markdown' })).toBe(
      '400 Bad Request: text must be non-empty',
    );
    expect(telegram.bot().delivered(5)).toHaveLength(2);
  });

  it.each([
    ['MarkdownV2', 'a.b', "Character '.' is reserved and must be escaped with the preceding '\\'"],
    ['MarkdownV2', 'ü *b', "Can't find end of Bold entity at byte offset 3"],
    ['MarkdownV2', '__a_', "Can't find end of Italic entity at byte offset 3"],
    ['MarkdownV2', '[a](http://x.example', "Can't find end of a URL at byte offset 4"],
    ['MarkdownV2', '```ts\nlet x', "Can't find end of PreCode entity at byte offset 0"],
    ['MarkdownV2', '>*a\nb*', "Can't find end of Bold entity at byte offset 1"],
    ['MarkdownV2', 'a > b', "Character '>' is reserved and must be escaped with the preceding '\\'"],
    ['MarkdownV2', '>a||b', "Can't find end of Spoiler entity at byte offset 2"],
    ['Markdown', 'a _b', "Can't find end of the entity starting at byte offset 2"],
    ['HTML', '<table>', 'Unsupported start tag "table" at byte offset 0'],
    ['HTML', 'ü<b>x</i>', 'Unmatched end tag at byte offset 6, expected "</b>", found "</i>"'],
    ['HTML', 'a < b', 'Unsupported start tag "" at byte offset 2'],
    ['HTML', 'a <b', 'Unclosed start tag at byte offset 2'],
    ['HTML', '<b>x', 'Can\'t find end tag corresponding to start tag "b"'],
    ['HTML', 'x</b>', 'Unexpected end tag at byte offset 1'],
    ['HTML', '<span>x</span>', 'Tag "span" must have class "tg-spoiler" at byte offset 0'],
  ])('refuses %s %j as the official parser does', async (parseMode, text, flaw) => {
    await using telegram = await startTelegram();
    telegram.bot().user(5);
    expect(await refusal(telegram, { text, parse_mode: parseMode })).toBe(
      `400 Bad Request: can't parse entities: ${flaw}`,
    );
    expect(telegram.bot().delivered()).toEqual([]);
  });

  it.each([
    ['MarkdownV2', '*b _i_* `c\\`` \\. ||s||', 'b i c` . s', ['bold 0 3', 'italic 2 1', 'code 4 2', 'spoiler 9 1']],
    ['MarkdownV2', '```ts\nlet *x*;\n```', 'let *x*;\n', ['pre 0 9 ts']],
    ['MarkdownV2', '[😀](https://x.example/a\\))', '😀', ['text_link 0 2 https://x.example/a)']],
    ['MarkdownV2', '>q1\n>q2\nout', 'q1\nq2\nout', ['blockquote 0 6']],
    ['MarkdownV2', 'a\n>q||\n**>r', 'a\nq\nr', ['expandable_blockquote 2 2', 'blockquote 4 1']],
    ['Markdown', '*b* [l](x.example) \\_', 'b l _', ['bold 0 1', 'text_link 2 1 http://x.example/']],
    ['HTML', '<b>b &lt;&#128512; <i>i</i></b>', 'b <😀 i', ['bold 0 7', 'italic 6 1']],
    ['HTML', '<pre><code class="language-ts">x</code></pre>', 'x', ['pre 0 1 ts']],
    ['HTML', '<a href="https://x.example/?a=1&amp;b=2">l</a>', 'l', ['text_link 0 1 https://x.example/?a=1&b=2']],
    [
      'HTML',
      '<blockquote expandable>q</blockquote><tg-spoiler>s</tg-spoiler>',
      'qs',
      ['expandable_blockquote 0 1', 'spoiler 1 1'],
    ],
  ])('parses %s %j', async (parseMode, text, plain, entities) => {
    await using telegram = await startTelegram();
    telegram.bot().user(5);
    const { body } = await call(telegram, 'sendMessage', { chat_id: 5, text, parse_mode: parseMode });
    expect(body.result.text).toBe(plain);
    const seen = body.result.entities.map((entity: Record<string, unknown>) =>
      [entity.type, entity.offset, entity.length, entity.url ?? entity.language ?? ''].join(' ').trim(),
    );
    expect(seen).toEqual(entities);
  });

  it('checks entities, parse modes, chats, replies and topics', async () => {
    await using telegram = await startTelegram();
    const bot = telegram.bot();
    const { messageId } = bot.say(5, 'question');
    const forum = bot.supergroup(-1001, { isForum: true });
    const thread = forum.topic('Ideas');
    expect(await refusal(telegram, { text: 'x', entities: [{ type: 'bold', offset: 0, length: 1 }] })).toBe('sent');
    expect(await refusal(telegram, { text: 'x', entities: [{ offset: 0 }] })).toMatch(/can't parse MessageEntity/);
    expect(await refusal(telegram, { text: 'x', parse_mode: 'RTF' })).toBe('400 Bad Request: unsupported parse_mode');
    expect(await refusal(telegram, { text: 'x', chat_id: 99 })).toBe('400 Bad Request: chat not found');
    expect(await refusal(telegram, { text: 'x', reply_parameters: { message_id: messageId } })).toBe('sent');
    expect(await refusal(telegram, { text: 'x', reply_parameters: { message_id: 99 } })).toBe(
      '400 Bad Request: message to be replied not found',
    );
    expect(
      await refusal(telegram, { text: 'x', reply_parameters: { message_id: 99, allow_sending_without_reply: true } }),
    ).toBe('sent');
    expect(await refusal(telegram, { text: 'x', chat_id: -1001, message_thread_id: thread })).toBe('sent');
    expect(await refusal(telegram, { text: 'x', chat_id: -1001 })).toBe('sent');
    // The General topic is written to without its number.
    for (const unknown of [1, 4711])
      expect(await refusal(telegram, { text: 'x', chat_id: -1001, message_thread_id: unknown })).toBe(
        '400 Bad Request: message thread not found',
      );
    expect(bot.delivered().map((entry) => [entry.thread, entry.replyTo])).toEqual([
      [null, null],
      [null, messageId],
      [null, null],
      [thread, null],
      [null, null],
    ]);
  });

  it('edits and deletes its own messages, and says when an edit changes nothing', async () => {
    await using telegram = await startTelegram();
    const bot = telegram.bot();
    const theirs = bot.say(5, 'x').messageId;
    const mine = (await call(telegram, 'sendMessage', { chat_id: 5, text: 'one' })).body.result.message_id;
    const edit = (messageId: number, text: string) =>
      refusal(telegram, { message_id: messageId, text }, 'editMessageText');
    expect(await edit(mine, 'two')).toBe('sent');
    expect(await edit(mine, 'two')).toBe(
      '400 Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
    );
    expect(await edit(theirs, 'two')).toBe("400 Bad Request: message can't be edited");
    expect(await edit(99, 'two')).toBe('400 Bad Request: message to edit not found');
    expect(telegram.journal.of('edited')).toMatchObject([{ messageId: mine, text: 'two' }]);
    expect(await refusal(telegram, { message_id: mine }, 'deleteMessage')).toBe('sent');
    expect(await refusal(telegram, { message_id: mine }, 'deleteMessage')).toBe(
      '400 Bad Request: message to delete not found',
    );
  });

  it('takes chat actions, and answers to button presses within 150 s', async () => {
    await using telegram = await startTelegram();
    const alice = telegram.bot().user(5);
    expect(await refusal(telegram, { action: 'typing' }, 'sendChatAction')).toBe('sent');
    expect(await refusal(telegram, { action: 'dancing' }, 'sendChatAction')).toBe(
      '400 Bad Request: wrong parameter action in request',
    );
    const { messageId } = alice.say('menu');
    const [soon, late] = [alice.press(messageId, 'a'), alice.press(messageId, 'b')];
    expect(await refusal(telegram, { callback_query_id: soon.queryId, text: 'ok' }, 'answerCallbackQuery')).toBe(
      'sent',
    );
    telegram.clock.advance(151_000);
    expect(await refusal(telegram, { callback_query_id: late.queryId }, 'answerCallbackQuery')).toBe(
      '400 Bad Request: query is too old and response timeout expired or query ID is invalid',
    );
    expect(telegram.journal.of('chat-action')).toMatchObject([{ action: 'typing', chatId: 5 }]);
    expect(telegram.journal.of('callback-answered')).toMatchObject([{ queryId: soon.queryId, text: 'ok' }]);
  });

  it('takes uploads, and the file_id it gave out', async () => {
    await using telegram = await startTelegram();
    telegram.bot().user(5);
    const args = { chat_id: 5, caption: 'c', document: new Blob(['bytes'], { type: 'text/plain' }) };
    const sent = await call(telegram, 'sendDocument', args, { via: 'multipart' });
    const { document, caption } = sent.body.result;
    expect([document, caption]).toMatchObject([
      { file_name: 'upload.txt', file_size: 5, mime_type: 'text/plain' },
      'c',
    ]);
    const photo = await call(telegram, 'sendPhoto', { chat_id: 5, photo: document.file_id });
    expect(photo.body.result.photo).toMatchObject([{ file_size: 5 }]);
    expect(await refusal(telegram, { document: document.file_id, caption: 'x'.repeat(1025) }, 'sendDocument')).toBe(
      '400 Bad Request: message caption is too long',
    );
    expect(await refusal(telegram, {}, 'sendDocument')).toBe('400 Bad Request: there is no document in the request');
  });
});
