/** Payloads are the examples of the 2026 wiki (bot.q.qq.com, autogen/event) and of bot-docs, event.md, unless marked. */
import { describe, expect, it } from 'vitest';
import { RAW_CUT, type Reading, readTime, toInboundEvent } from '../../../../src/adapters/qq/inbound.ts';
import type { InboundEvent } from '../../../../src/model.ts';

const SELF = '6158788878435714165';
const RECEIVED_AT = Date.parse('2026-07-21T10:30:01+08:00');

function read(
  t: string,
  d: unknown,
  selfId: string | null = SELF,
  groups: Reading['groups'] = 'mentions',
): InboundEvent {
  const id = `${t}:opaque`;
  const raw = JSON.stringify({ op: 0, id, s: 42, t, d });
  return toInboundEvent(
    { dispatch: { kind: 'dispatch', t, s: 42, id, d }, raw, receivedAt: RECEIVED_AT },
    { selfId, groups },
  );
}

const timestamp = '2026-07-21T10:30:00+08:00';
const at = Date.parse(timestamp);
const c2c = {
  id: 'ROBOT1.0_abc',
  content: 'hi',
  timestamp,
  message_type: 0,
  author: { id: 'E4F4', user_openid: 'E4F4', union_openid: '…', username: '', bot: false },
  message_scene: { source: 'default', ext: ['msg_idx=REFIDX_a==', 'ref_msg_idx=REFIDX_b=='] },
  attachments: [],
  msg_elements: [],
};
const group = {
  id: 'ROBOT1.0_def',
  content: ' /cmd now ',
  timestamp,
  group_id: 'G1',
  group_openid: 'G1',
  author: { id: 'M1', member_openid: 'M1', member_role: 'member', username: 'Mia', bot: false },
  mentions: [],
};
const guild = {
  id: '08abc',
  channel_id: '100',
  guild_id: '200',
  content: `<@!${SELF}> hi`,
  timestamp,
  author: { id: '300', username: 'Gus', avatar: '', bot: false },
  member: { joined_at: timestamp, roles: ['1'] },
  mentions: [{ id: SELF, username: 'bot', bot: true }],
  seq: 101,
  seq_in_channel: '101',
};

describe('messages', () => {
  it('of a private chat', () => {
    expect(read('C2C_MESSAGE_CREATE', c2c)).toMatchObject({
      kind: 'message',
      eventId: 'ROBOT1.0_abc',
      conversation: 'c2c:E4F4',
      sender: { id: 'E4F4', name: null },
      text: 'hi',
      attachments: [],
      platformAt: at,
      receivedAt: RECEIVED_AT,
      reply: {
        key: 'ROBOT1.0_abc',
        deadlineAt: RECEIVED_AT + 3_600_000,
        quota: 4,
        address: { scene: 'c2c', openid: 'E4F4' },
      },
    });
  });

  it('of a private chat in the oldest form', () => {
    const d = { author: { user_openid: 'E4F4' }, content: '123', id: 'ROBOT1.0_abc', timestamp };
    expect(read('C2C_MESSAGE_CREATE', d)).toMatchObject({ kind: 'message', text: '123', conversation: 'c2c:E4F4' });
  });

  it.each(['GROUP_AT_MESSAGE_CREATE', 'GROUP_MESSAGE_CREATE'])('of a group, as %s, under one id', (t) => {
    expect(read(t, group, SELF, 'all')).toMatchObject({
      kind: 'message',
      eventId: 'ROBOT1.0_def',
      conversation: 'group:G1',
      group: true,
      sender: { id: 'M1', name: 'Mia' },
      text: '/cmd now',
      reply: { deadlineAt: RECEIVED_AT + 300_000, quota: 5, address: { scene: 'group', groupOpenid: 'G1' } },
    });
  });

  it.each(['AT_MESSAGE_CREATE', 'MESSAGE_CREATE'])('of a guild channel, as %s, without our mention', (t) => {
    expect(read(t, guild)).toMatchObject({
      kind: 'message',
      conversation: 'channel:100',
      group: true,
      sender: { id: '300', name: 'Gus' },
      text: 'hi',
      reply: { deadlineAt: RECEIVED_AT + 300_000, quota: null, address: { scene: 'channel', channelId: '100' } },
    });
  });

  const us = { scope: 'single', id: '42F7', member_openid: '42F7', username: 'bot', bot: true, is_you: true };
  const other = { ...us, id: 'M9', member_openid: 'M9', bot: false, is_you: false };
  const quoted = (author: object) => ({ message_type: 103, msg_elements: [{ msg_idx: 'R', author, content: 'x' }] });

  it.each<[string, object, string]>([
    ['a mention', { content: '<@42F7> hi', mentions: [other, us] }, 'hi'],
    ['a mention in the middle', { content: 'hey <@42F7> hi', mentions: [us] }, 'hey hi'],
    ['a tag', { content: '<qqbot-at-user id="42F7" />hi', mentions: [us] }, 'hi'],
    ['an answer to a bot', { content: 'yes', ...quoted({ bot: true }) }, 'yes'],
    [
      'a mention beside ones that cannot be read',
      { content: 'hi', mentions: [null, 7, { id: 7, is_you: 'x' }, us] },
      'hi',
    ],
  ])('of a group with full reception are for the agent by %s (G09)', (_what, fields, text) => {
    expect(read('GROUP_MESSAGE_CREATE', { ...group, ...fields })).toMatchObject({ kind: 'message', text });
    expect(read('GROUP_MESSAGE_CREATE', { ...group, ...fields }, SELF, 'ignore')).toMatchObject({ kind: 'system' });
  });

  it.each<[string, object]>([
    ['mention nobody', {}],
    ['mention somebody else', { content: '<@M9> hi', mentions: [other] }],
    ['mention everybody', { mentions: [{ scope: 'all', is_you: false }] }],
    ['have a list that cannot be read', { mentions: 'us' }],
    ['answer somebody', { ...quoted({ id: 'M9', bot: false }) }],
    ['forward what a bot said', { ...quoted({ bot: true }), message_type: 102 }],
  ])(
    'of a group with full reception that %s are kept aside, so that the same one may still come (G09)',
    (_what, fields) => {
      const d = { ...group, ...fields };
      const kept = read('GROUP_MESSAGE_CREATE', d);
      expect(kept).toMatchObject({ kind: 'system', text: 'not addressed to the bot' });
      expect(kept.eventId).not.toBe(d.id);
      expect(read('GROUP_MESSAGE_CREATE', d, SELF, 'all')).toMatchObject({ kind: 'message', eventId: d.id });
      expect(read('GROUP_AT_MESSAGE_CREATE', d)).toMatchObject({ kind: 'message', eventId: d.id });
    },
  );

  it('of guilds are read as they were written; elsewhere nothing was escaped', () => {
    const written = '&lt;b&gt; &amp;amp; &lt;@!1&gt;';
    expect(read('AT_MESSAGE_CREATE', { ...guild, content: `<@!${SELF}> ${written}` }).text).toBe('<b> &amp; <@!1>');
    expect(read('DIRECT_MESSAGE_CREATE', { ...guild, content: written }).text).toBe('<b> &amp; <@!1>');
    expect(read('C2C_MESSAGE_CREATE', { ...c2c, content: written }).text).toBe(written);
  });

  it.each(['..', 'a/b', '', 'x'.repeat(300)])('from a chat with the id %j make no sense (L3)', (group_openid) => {
    expect(read('GROUP_AT_MESSAGE_CREATE', { ...group, group_openid }).kind).toBe('malformed');
  });

  it('have no lone surrogates (G33)', () => {
    expect(read('C2C_MESSAGE_CREATE', { ...c2c, content: 'a \ud83d b' }).text).toBe('a \ufffd b');
  });

  it('of guild direct messages go back to the virtual guild', () => {
    const d = { ...guild, content: 'psst', guild_id: '999', direct_message: true, src_guild_id: '200' };
    expect(read('DIRECT_MESSAGE_CREATE', d)).toMatchObject({
      conversation: 'dm:999',
      text: 'psst',
      reply: { quota: null, address: { scene: 'dm', guildId: '999' } },
    });
  });

  it('keep the mention of somebody else', () => {
    const d = { ...guild, content: '<@!1> and <@!2>, hello' };
    expect(read('MESSAGE_CREATE', d).text).toBe('<@!1> and <@!2>, hello');
    expect(read('MESSAGE_CREATE', d, null, 'all').text).toBe('<@!1> and <@!2>, hello');
    expect(read('AT_MESSAGE_CREATE', { ...guild, content: '<@123> hi' }, null).text).toBe('hi');
  });

  it('bring their attachments, with a scheme where the platform left it out', () => {
    const attachments = [
      { content_type: 'image/png', filename: 'a.png', size: 1, url: 'https://multimedia.nt.qq.com.cn/a?rkey=1' },
      { content_type: 'voice', url: 'multimedia.nt.qq.com.cn/b?rkey=2' },
      { url: '//gchat.qpic.cn/c' },
      { content_type: 'file', filename: 'nowhere' },
    ];
    expect(read('C2C_MESSAGE_CREATE', { ...c2c, content: ' ', attachments })).toMatchObject({
      kind: 'message',
      text: '',
      attachments: [
        { contentType: 'image/png', url: 'https://multimedia.nt.qq.com.cn/a?rkey=1', name: 'a.png' },
        { contentType: 'voice', url: 'https://multimedia.nt.qq.com.cn/b?rkey=2', name: null },
        { contentType: 'application/octet-stream', url: 'https://gchat.qpic.cn/c', name: null },
      ],
    });
  });

  it('of bots, ourselves among them, are no turns', () => {
    const byBot = { ...group, author: { ...group.author, bot: true } };
    const byUs = { ...guild, author: { ...guild.author, id: SELF } };
    for (const event of [read('GROUP_MESSAGE_CREATE', byBot), read('MESSAGE_CREATE', byUs)]) {
      expect(event).toMatchObject({ kind: 'system', conversation: null, reply: null });
    }
  });

  it('keep their whole payload', () => {
    const event = read('C2C_MESSAGE_CREATE', { ...c2c, field_of_tomorrow: { x: 1 } });
    expect(JSON.parse(event.raw).d.field_of_tomorrow).toEqual({ x: 1 });
  });

  it.each([
    ['without content', { ...c2c, content: undefined }],
    ['with null content', { ...c2c, content: null }],
    ['with odd attachments', { ...c2c, attachments: 'none' }],
    ['with an odd sender name', { ...c2c, author: { ...c2c.author, username: 7, bot: 'no' } }],
  ])('%s are still messages', (_what, d) => {
    expect(read('C2C_MESSAGE_CREATE', d)).toMatchObject({ kind: 'message', conversation: 'c2c:E4F4' });
  });

  it.each([
    ['2026-07-21 10:30:00.123 +0800 CST m=+0.000012'],
    ['yesterday'],
    ['0001-01-01T00:00:00Z'],
    [undefined],
    [null],
    [{}],
    [Number.NaN],
  ])('with the unreadable timestamp %j are not dropped; their window counts from arrival', (odd) => {
    expect(read('C2C_MESSAGE_CREATE', { ...c2c, timestamp: odd })).toMatchObject({
      kind: 'message',
      platformAt: null,
      reply: { deadlineAt: RECEIVED_AT + 3_600_000 },
    });
  });
});

describe('other events', () => {
  it.each([
    ['FRIEND_ADD', { openid: 'F', timestamp: '1784601000' }],
    ['GROUP_ADD_ROBOT', { group_openid: 'G', op_member_openid: 'M', timestamp: 1784601000 }],
  ])('%s is kept aside with its time, under the id of its envelope', (t, d) => {
    const event = read(t, d);
    expect(event).toMatchObject({ kind: 'system', eventId: `${t}:opaque`, conversation: null, text: t });
    expect(event.platformAt).toBe(1784601000_000);
  });

  it.each(['INTERACTION_CREATE', 'GUILD_CREATE', 'MESSAGE_AUDIT_PASS', 'PUBLIC_MESSAGE_DELETE', 'FORUM_THREAD_CREATE'])(
    '%s is a system event',
    (t) => {
      expect(read(t, { id: 'x' }).kind).toBe('system');
    },
  );

  it('of a name nobody knows are kept as unknown', () => {
    expect(read('FEATURE_OF_TOMORROW', { anything: 1 })).toMatchObject({
      kind: 'unknown',
      text: 'FEATURE_OF_TOMORROW',
    });
    expect(read('FEATURE_OF_TOMORROW', null).kind).toBe('unknown');
  });
});

describe('messages that make no sense', () => {
  it.each([
    ['C2C_MESSAGE_CREATE', null],
    ['C2C_MESSAGE_CREATE', 'text'],
    ['C2C_MESSAGE_CREATE', { ...c2c, id: undefined }],
    ['C2C_MESSAGE_CREATE', { ...c2c, author: {} }],
    ['GROUP_AT_MESSAGE_CREATE', { ...group, group_openid: undefined }],
    ['AT_MESSAGE_CREATE', { ...guild, channel_id: 100 }],
    ['DIRECT_MESSAGE_CREATE', { ...guild, guild_id: undefined }],
  ])('%s with %j is kept aside', (t, d) => {
    expect(read(t, d)).toMatchObject({ kind: 'malformed', eventId: null, conversation: null });
  });

  it('are cut to a bounded length', () => {
    expect(read('C2C_MESSAGE_CREATE', { blob: 'x'.repeat(2 * RAW_CUT) }).raw).toHaveLength(RAW_CUT);
  });
});

describe('times', () => {
  it('far from our own clock are not believed, a few minutes are', () => {
    expect(readTime('2026-07-21T10:25:00+08:00', RECEIVED_AT)).toBe(RECEIVED_AT - 301_000);
    expect(readTime('1970-01-01T00:00:00Z', RECEIVED_AT)).toBeNull();
  });
});
