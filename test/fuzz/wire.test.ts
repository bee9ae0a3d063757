/** Hostile frames and updates over real sockets, through the whole of an adapter: the hold lives, and the next is read. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { startQq } from '../emulators/qq/index.ts';
import { startTelegram } from '../emulators/telegram/index.ts';
import { holdQq } from '../support/qq-hold.ts';
import { holdTelegram } from '../support/telegram-hold.ts';
import { mutantsOf, runs } from './hostile.ts';

const TIMEOUT_MS = 3_600_000;
/** So many at a time, then a good one; each run is a hold of its own. */
const AT_ONCE = 200;
const ROUNDS = Math.ceil(runs(400) / AT_ONCE);
/** What a hold may grow by, bytes: what is read is in the sink of the test, too. */
const MOST_GROWN = 400 * 1024 * 1024;

const c2c = {
  t: 'C2C_MESSAGE_CREATE',
  id: 'C2C_MESSAGE_CREATE:1',
  d: {
    id: 'M1',
    author: { user_openid: 'EVE' },
    content: 'hello',
    timestamp: '2026-11-30T10:00:00+08:00',
    attachments: [],
  },
};
const group = {
  t: 'GROUP_AT_MESSAGE_CREATE',
  d: { id: 'M2', group_openid: 'G', author: { member_openid: 'EVE' }, content: 'x' },
};
const pressed = { t: 'INTERACTION_CREATE', id: 'I', d: { id: 'I1', type: 11, data: { resolved: {} } } };
const chat = { id: 5, type: 'private' };
const said = {
  message: {
    message_id: 1,
    date: 1_796_000_000,
    chat,
    from: { id: 5, first_name: 'Eve' },
    text: 'hello',
    entities: [],
  },
};
const button = { callback_query: { id: '1', from: { id: 5 }, message: { message_id: 1, chat }, data: 'x' } };

/** What follows the number in a frame, or the id in an update: all but the first brace and the last. */
function membersOf(text: string): string {
  return text.startsWith('{') && text.endsWith('}') ? text.slice(1, -1) || '"t":""' : `"t":${text || '""'}`;
}

it(
  'a QQ hold outlives every frame, and takes the next message (H8)',
  async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const frames = fc.sample(mutantsOf(c2c, group, pressed), AT_ONCE);
      await using qq = await startQq();
      const held = holdQq(qq);
      await held.live();
      const before = process.memoryUsage().rss;
      for (const frame of frames) qq.verbatim(membersOf(frame));
      const { messageId } = qq.user('ALICE').say('still there?');
      await held.until('the next message', () => held.sink.of('message').some(({ eventId }) => eventId === messageId));
      expect(held.causes).toEqual([null]);
      expect(process.memoryUsage().rss - before).toBeLessThan(MOST_GROWN);
      held.drain();
      expect(await held.done).toBe('drained');
    }
  },
  TIMEOUT_MS,
);

it(
  'a Telegram hold outlives every update, and takes the next message (H8)',
  async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const updates = fc.sample(mutantsOf(said, button), AT_ONCE);
      await using telegram = await startTelegram();
      const held = holdTelegram(telegram, { options: { groups: 'all', pollMs: 1_000 } });
      await held.live();
      for (const one of updates) telegram.bot().verbatim(membersOf(one).replace(/^"update_id":[^,]*,?/, ''));
      telegram.bot().say(9, 'still there?');
      const isThere = () =>
        held.sink.of('message').some(({ conversation, text }) => conversation !== null && text === 'still there?');
      await held.until('the next message', isThere, 60_000);
      held.drain();
      expect(await held.done).toBe('drained');
    }
  },
  TIMEOUT_MS,
);
