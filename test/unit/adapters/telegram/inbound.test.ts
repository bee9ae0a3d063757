/** Updates, as the reference shapes them, and what they become. */
import { describe, expect, it } from 'vitest';
import { batchOf } from '../../../../src/adapters/telegram/batch.ts';
import { readUpdate } from '../../../../src/adapters/telegram/read-update.ts';
import type { InboundEvent } from '../../../../src/model.ts';

const self = { id: 77, username: 'OurBot' };
const alice = { id: 5, is_bot: false, first_name: 'Alice', last_name: 'L', username: 'alice' };
const privateChat = { id: 5, type: 'private', first_name: 'Alice' };
const group = { id: -1001, type: 'supergroup', title: 'Crew' };
const RECEIVED_AT = 1_800_000_000_000;

type Groups = 'mentions' | 'all' | 'ignore';

function read(payload: object, groups: Groups = 'mentions'): InboundEvent {
  return readText(JSON.stringify({ ok: true, result: [{ update_id: 100, ...payload }] }), groups);
}

/** @param text - an answer of getUpdates, as it comes */
function readText(text: string, groups: Groups = 'mentions'): InboundEvent {
  const [update] = batchOf({ kind: 'ok', result: JSON.parse(text).result, text }) ?? [];
  if (update === undefined) throw new Error('not one update');
  return readUpdate(update, { self, groups }, RECEIVED_AT).event;
}

function said(fields: object, chat: object = privateChat): object {
  return { message: { message_id: 7, date: 1_700_000_000, chat, from: alice, ...fields } };
}

const mention = (text: string, name = '@ourbot') => ({
  text,
  entities: [{ type: 'mention', offset: text.toLowerCase().indexOf(name), length: name.length }],
});
const command = (text: string) => ({
  text,
  entities: [{ type: 'bot_command', offset: 0, length: text.split(' ')[0]?.length ?? 0 }],
});

describe('a message', () => {
  it('in a private chat goes to the agent, with all that a reply needs and the update whole', () => {
    const update = said({ text: 'hi', unknown_field: { kept: true } });
    expect(read(update)).toEqual({
      kind: 'message',
      eventId: '100',
      conversation: 'chat:5',
      sender: { id: '5', name: 'Alice L' },
      text: 'hi',
      attachments: [],
      platformAt: 1_700_000_000_000,
      receivedAt: RECEIVED_AT,
      reply: {
        key: '5:7',
        deadlineAt: null,
        quota: null,
        address: { chatId: '5', threadId: null, messageId: '7' },
      },
      raw: JSON.stringify({ update_id: 100, ...update }),
    });
  });

  it.each([
    ['of a topic', { message_thread_id: 9, is_topic_message: true }, 'chat:-1001/9', '9'],
    ['of the General topic', { message_thread_id: 1, is_topic_message: true }, 'chat:-1001', null],
    ['of a reply thread outside of forums', { message_thread_id: 9 }, 'chat:-1001', null],
  ])('%s belongs to its conversation', (_name, fields, conversation, threadId) => {
    const event = read(said({ ...command('/x@ourbot'), ...fields }, group));
    expect(event).toMatchObject({ conversation, group: true, reply: { address: { chatId: '-1001', threadId } } });
  });

  it.each([
    ['a mention, in any case', mention('hey @OURBOT look'), 'hey @OURBOT look'],
    ['a mention at its start, which is cut', mention('@ourbot look'), 'look'],
    ['a mention behind an emoji: offsets count UTF-16 units', mention('😀 @ourbot'), '😀 @ourbot'],
    [
      'a mention of a bot without a name',
      { text: 'Our Bot, hi', entities: [{ type: 'text_mention', offset: 0, length: 7, user: { id: 77 } }] },
      ', hi',
    ],
    ['a command to us', command('/start@OurBot now'), '/start now'],
    ['an answer to us', { text: 'yes', reply_to_message: { message_id: 3, from: { id: 77 } } }, 'yes'],
    [
      'a caption that mentions us',
      {
        caption: '@ourbot see',
        caption_entities: [{ type: 'mention', offset: 0, length: 7 }],
        photo: [{ file_id: 'F' }],
      },
      'see',
    ],
  ])('in a group is for the agent by %s', (_name, fields, text) => {
    expect(read(said(fields, group))).toMatchObject({ kind: 'message', text });
    expect(read(said(fields, group), 'ignore')).toMatchObject({ kind: 'system', conversation: null });
  });

  it.each([
    ['mentions nobody', { text: 'hello all' }],
    ['mentions another bot', mention('@otherbot hi', '@otherbot')],
    ['commands another bot', command('/start@otherbot')],
    ['commands a bot whose name begins like ours', command('/start@ourbot2')],
    ['commands whoever is there (G24)', command('/ban spammer')],
    [
      'names a path, which the platform marks as a command (G24)',
      { text: 'look into /etc/hosts please', entities: [{ type: 'bot_command', offset: 10, length: 4 }] },
    ],
    [
      'has a command to us in the middle (G24)',
      { text: 'say /x@ourbot', entities: [{ type: 'bot_command', offset: 4, length: 9 }] },
    ],
    ['has an entity beyond its end', { text: 'hi', entities: [{ type: 'mention', offset: 90, length: 7 }] }],
    ['answers somebody else', { text: 'yes', reply_to_message: { message_id: 3, from: { id: 5 } } }],
    [
      'stands in a topic that we opened',
      {
        text: 'hi',
        message_thread_id: 3,
        is_topic_message: true,
        reply_to_message: { message_id: 3, from: { id: 77 } },
      },
    ],
  ])('in a group that %s is kept aside, unless all are wanted', (_name, fields) => {
    expect(read(said(fields, group))).toMatchObject({
      kind: 'system',
      text: 'not addressed to the bot',
      eventId: '100',
    });
    expect(read(said(fields, group), 'all')).toMatchObject({ kind: 'message' });
  });

  it('of another bot is kept aside, one of an anonymous admin is not', () => {
    const bot = { id: 1_087_968_824, is_bot: true, first_name: 'Group' };
    expect(read(said({ ...command('/x'), from: bot }, group))).toMatchObject({
      kind: 'system',
      text: 'written by a bot',
    });
    expect(read(said({ ...command('/x@ourbot'), from: bot, sender_chat: group }, group))).toMatchObject({
      kind: 'message',
      sender: { id: '-1001', name: 'Crew' },
    });
  });

  it('of a channel counts as one of a group', () => {
    const post = {
      channel_post: { message_id: 1, date: 1, chat: { id: -1009, type: 'channel', title: 'News' }, text: 'x' },
    };
    expect(read(post)).toMatchObject({ kind: 'system' });
    expect(read(post, 'all')).toMatchObject({ kind: 'message', conversation: 'chat:-1009' });
  });

  it.each([
    ['photo', { photo: [{ file_id: 'small' }, { file_id: 'large' }] }, 'image/jpeg', 'large', null],
    ['document', { document: { file_id: 'D', mime_type: 'text/csv', file_name: 'a.csv' } }, 'text/csv', 'D', 'a.csv'],
    [
      'animation, which is a document, too',
      { animation: { file_id: 'A', mime_type: 'video/mp4' }, document: { file_id: 'A' } },
      'video/mp4',
      'A',
      null,
    ],
    ['video', { video: { file_id: 'V' } }, 'video/mp4', 'V', null],
    ['audio', { audio: { file_id: 'U', mime_type: 'audio/mpeg' } }, 'audio/mpeg', 'U', null],
    ['voice', { voice: { file_id: 'O' } }, 'audio/ogg', 'O', null],
    ['video note', { video_note: { file_id: 'N' } }, 'video/mp4', 'N', null],
    ['sticker', { sticker: { file_id: 'S', emoji: '👍', is_video: true } }, 'video/webm', 'S', null],
  ])('with a %s names the file, and never a URL with the token', (_name, fields, contentType, id, name) => {
    expect(read(said(fields))).toMatchObject({
      kind: 'message',
      attachments: [{ contentType, url: `telegram:file/${id}`, name }],
    });
  });

  it.each([
    ['location', { location: { latitude: 52.5, longitude: 13.4 } }, '[location: 52.5, 13.4]'],
    [
      'venue',
      { venue: { title: 'Zoo', address: 'Main St' }, location: { latitude: 1, longitude: 2 } },
      '[venue: Zoo, Main St]',
    ],
    ['contact', { contact: { first_name: 'Bo', phone_number: '+1' } }, '[contact: Bo, +1]'],
    ['dice', { dice: { emoji: '🎲', value: 6 } }, '[dice: 🎲 6]'],
    ['poll', { poll: { question: 'why?' } }, '[poll: why?]'],
  ])('that is a %s is told in words', (_name, fields, text) => {
    expect(read(said(fields))).toMatchObject({ kind: 'message', text });
  });
});

describe('other updates', () => {
  it('an edit is kept aside', () => {
    const edited = { message_id: 7, date: 1, edit_date: 1_700_000_100, chat: privateChat, from: alice, text: 'hi!' };
    expect(read({ edited_message: edited })).toMatchObject({
      kind: 'edit',
      text: 'hi!',
      conversation: null,
      platformAt: 1_700_000_100_000,
    });
  });

  it('a pressed button is a message of what it carries, to the chat it stands in', () => {
    const shown = { message_id: 9, date: 1, chat: group, message_thread_id: 4, is_topic_message: true, text: 'choose' };
    const pressed = { callback_query: { id: '44', from: alice, message: shown, data: 'a:1' } };
    expect(read(pressed)).toMatchObject({
      kind: 'message',
      text: 'a:1',
      conversation: 'chat:-1001/4',
      group: true,
      sender: { id: '5', name: 'Alice L' },
      reply: { key: '-1001:u100', address: { chatId: '-1001', threadId: '4', messageId: null } },
    });
    expect(read({ callback_query: { id: '44', from: alice, data: 'a:1', inline_message_id: 'x' } })).toMatchObject({
      kind: 'system',
    });
  });

  it.each([
    [
      'my_chat_member',
      {
        my_chat_member: {
          chat: group,
          from: alice,
          date: 1,
          old_chat_member: { status: 'member' },
          new_chat_member: { status: 'kicked' },
        },
      },
      'the bot in supergroup -1001: member → kicked',
    ],
    ['a migration', said({ migrate_to_chat_id: -1002 }, { id: -7, type: 'group' }), 'group -7 is now supergroup -1002'],
    ['its other half', said({ migrate_from_chat_id: -7 }, group), 'supergroup -1001 was group -7'],
    ['a service message', said({ new_chat_title: 'Crew 2' }, group), 'new_chat_title'],
  ])('%s is kept aside in words', (_name, payload, text) => {
    expect(read(payload)).toMatchObject({ kind: 'system', text, eventId: '100' });
  });

  it('of kinds nobody knows are kept aside, too', () => {
    expect(read({ telepathy: { thought: 1 } })).toMatchObject({ kind: 'unknown', text: 'telepathy', eventId: '100' });
    expect(read({})).toMatchObject({ kind: 'unknown', eventId: '100' });
  });

  it.each([
    [{ message: { message_id: 'seven' } }],
    [{ message: null }],
    [{ callback_query: 4 }],
    [{ my_chat_member: { chat: group } }],
  ])('that make no sense are kept whole, and can be passed over: %j', (payload) => {
    const event = read(payload);
    expect(event).toMatchObject({ kind: 'malformed', eventId: '100' });
    expect(JSON.parse(event.raw)).toEqual({ update_id: 100, ...payload });
  });
});
