/** Whatever a platform sends: each frame and each update is read as something, and the next good one as ever. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toInboundEvent } from '../../src/adapters/qq/inbound.ts';
import { readFrame } from '../../src/adapters/qq/protocol.ts';
import { readAnswer } from '../../src/adapters/telegram/api.ts';
import { updatesOf } from '../../src/adapters/telegram/batch.ts';
import { readUpdate } from '../../src/adapters/telegram/read-update.ts';
import type { InboundEvent, JsonValue } from '../../src/model.ts';
import { encodeEvent } from '../../src/state/ingest.ts';
import { QQ } from '../support/inbound.ts';
import { expectNoPollution, mutantsOf, runs } from './hostile.ts';

const AUTHOR = { id: 'U1', user_openid: 'U1', member_openid: 'U1', username: 'Ann', bot: false } as const;
const FILE = { content_type: 'image/png', filename: 'a.png', url: 'https://x.test/a.png', size: 1 } as const;
const AT = '2026-11-30T12:00:00+08:00';
const said = (more: JsonValue) => ({ id: 'M1', author: AUTHOR, content: 'hello', timestamp: AT, ...(more as object) });
const dispatch = (t: string, d: JsonValue) => ({ op: 0, s: 3, t, id: `${t}:1`, d });
const GOOD_FRAME = dispatch('C2C_MESSAGE_CREATE', said({ attachments: [FILE] }));
const FRAMES: readonly JsonValue[] = [
  GOOD_FRAME,
  dispatch('GROUP_AT_MESSAGE_CREATE', said({ group_openid: 'G1', mentions: [{ is_you: true, member_openid: 'B' }] })),
  dispatch('GROUP_MESSAGE_CREATE', said({ group_openid: 'G1', mentions: [], message_type: 0 })),
  dispatch('AT_MESSAGE_CREATE', said({ channel_id: 'C1', guild_id: 'D1', member: { nick: 'Ann' } })),
  dispatch('DIRECT_MESSAGE_CREATE', said({ channel_id: 'C1', guild_id: 'D1', src_guild_id: 'D2' })),
  dispatch('INTERACTION_CREATE', { id: 'I1', type: 11, data: { resolved: { button_id: 'b' } } }),
  dispatch('READY', { session_id: 's', user: { id: 'B', username: 'bot' }, version: 1, shard: [0, 1] }),
  { op: 10, d: { heartbeat_interval: 41_250 } },
  { op: 9, d: false },
];

const FROM = { id: 5, is_bot: false, first_name: 'Ann', username: 'ann' } as const;
const MESSAGE = {
  message_id: 7,
  date: 1_796_000_000,
  chat: { id: 5, type: 'private', first_name: 'Ann' },
  from: FROM,
  text: 'hello @bot',
  entities: [{ type: 'mention', offset: 6, length: 4 }],
} as const;
const GOOD_UPDATE = { update_id: 11, message: MESSAGE } as const;
const UPDATES: readonly JsonValue[] = [
  GOOD_UPDATE,
  {
    update_id: 11,
    message: {
      ...MESSAGE,
      text: undefined,
      photo: [{ file_id: 'f', file_unique_id: 'u', width: 1, height: 1 }],
    } as JsonValue,
  },
  { update_id: 11, edited_message: MESSAGE },
  { update_id: 11, channel_post: { ...MESSAGE, chat: { id: -1001, type: 'channel', title: 't' } } },
  { update_id: 11, callback_query: { id: '1', from: FROM, message: MESSAGE, data: 'x', chat_instance: '1' } },
  {
    update_id: 11,
    my_chat_member: { chat: MESSAGE.chat, from: FROM, date: 1, new_chat_member: { status: 'kicked', user: FROM } },
  },
  { update_id: 11, message: { ...MESSAGE, chat: { id: -77, type: 'group', title: 't' }, reply_to_message: MESSAGE } },
];

const KINDS = new Set(['message', 'identified', 'resumed', 'gap', 'malformed', 'edit', 'system', 'unknown']);

function expectStorable(event: InboundEvent): void {
  expect(KINDS).toContain(event.kind);
  // What could be read is kept whole, and cut where it is stored.
  if (event.kind === 'malformed') expect(event.raw.length).toBeLessThanOrEqual(64 * 1024);
  expect(typeof event.text).toBe('string');
  if (event.kind === 'message') expect(event.conversation).not.toBeNull();
  // Makes a record of what cannot be written, and throws for nothing.
  encodeEvent(QQ, event, null);
}

function readQq(text: string): InboundEvent | null {
  const frame = readFrame(text);
  if (frame.kind !== 'dispatch') return null;
  return toInboundEvent({ raw: text, receivedAt: 1_796_000_000_000, dispatch: frame }, { selfId: 'B', groups: 'all' });
}

function readTelegram(text: string) {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {}
  const answer = { status: 200, headers: {}, text, json, retryAfterMs: null };
  const updates = updatesOf(readAnswer('getUpdates', answer));
  if ('kind' in updates) return [];
  return updates.map((one) =>
    readUpdate(one, { self: { id: 7, username: 'bot' }, groups: 'mentions' }, 1_796_000_000_000),
  );
}

const options = (quick: number) => ({ numRuns: runs(quick), endOnFailure: true });

describe('what comes in', () => {
  it('as frames of QQ', { timeout: 3_600_000 }, () => {
    const property = fc.property(mutantsOf(...FRAMES), (text) => {
      const event = readQq(text);
      if (event !== null) expectStorable(event);
      expectNoPollution();
    });
    fc.assert(property, options(3_000));
    expect(readQq(JSON.stringify(GOOD_FRAME))).toMatchObject({
      kind: 'message',
      text: 'hello',
      conversation: 'c2c:U1',
    });
  });

  it('as updates of Telegram', { timeout: 3_600_000 }, () => {
    const good = JSON.stringify({ ...GOOD_UPDATE, update_id: 12 });
    const property = fc.property(mutantsOf(...UPDATES), (update) => {
      for (const { event } of readTelegram(`{"ok":true,"result":[${update},${good}]}`)) expectStorable(event);
      expectNoPollution();
    });
    fc.assert(property, options(3_000));
    expect(readTelegram(`{"ok":true,"result":[${good}]}`)).toMatchObject([
      { id: 12, event: { kind: 'message', text: 'hello @bot' } },
    ]);
  });

  it('as answers of Telegram', { timeout: 3_600_000 }, () => {
    const answers = mutantsOf(
      { ok: true, result: [GOOD_UPDATE] },
      { ok: false, error_code: 409, description: 'Conflict' },
    );
    const property = fc.property(answers, (text) => {
      for (const { event } of readTelegram(text)) expectStorable(event);
      expectNoPollution();
    });
    fc.assert(property, options(1_000));
  });
});
