import { describe, expect, it } from 'vitest';
import type { InboundEvent, ReplyHandle } from '../../../src/model.ts';
import { planReplies, type ReplyPlanRequest } from '../../../src/workers/reply-plan.ts';
import { message, splitAt } from '../../support/inbound.ts';

const NOW = 1_795_341_600_000;
const handle = (change: Partial<ReplyHandle> = {}): ReplyHandle => ({
  key: 'm1',
  deadlineAt: NOW + 1_000,
  quota: 5,
  address: null,
  ...change,
});
const asked = (reply: ReplyHandle | null): InboundEvent => message('m1', 'c2c:ann', { reply });

function plan(to: InboundEvent, text: string, change: Partial<ReplyPlanRequest> = {}) {
  const { parts, letters } = planReplies({
    turnId: 't1',
    replies: [{ to, text }],
    used: new Map(),
    sender: { split: splitAt(3) },
    sendsLate: () => true,
    isOver: () => false,
    ...change,
  });
  return { parts: parts.map(({ id, text: said, mode }) => [id, said, mode]), letters };
}

describe('planReplies', () => {
  it('splits within window and quota into replies', () => {
    expect(plan(asked(handle()), 'aaabbb')).toEqual({
      parts: [
        ['t1/1', 'aaa', 'passive'],
        ['t1/2', 'bbb', 'passive'],
      ],
      letters: [],
    });
  });

  it('sends what exceeds the quota that is left as messages of their own', () => {
    const used = new Map([['m1', 4]]);
    expect(plan(asked(handle()), 'aaabbbccc', { used }).parts.map(([, , mode]) => mode)).toEqual([
      'passive',
      'active',
      'active',
    ]);
    expect(plan(asked(handle()), 'aaabbb', { used: new Map([['m1', 9]]) }).parts.map(([, , mode]) => mode)).toEqual([
      'active',
      'active',
    ]);
  });

  it('counts the quota over several replies to one message in a turn', () => {
    const to = asked(handle({ quota: 3 }));
    const replies = [
      { to, text: 'aaabbb' },
      { to, text: 'cccddd' },
    ];
    expect(plan(to, '', { replies }).parts).toEqual([
      ['t1/1', 'aaa', 'passive'],
      ['t1/2', 'bbb', 'passive'],
      ['t1/3', 'ccc', 'passive'],
      ['t1/4', 'ddd', 'active'],
    ]);
  });

  it('has no limit where the platform has none', () => {
    expect(plan(asked(handle({ quota: null, deadlineAt: null })), 'a'.repeat(30)).parts).toHaveLength(10);
  });

  it('after the window sends active messages, or keeps them as dead letters, as the policy says', () => {
    const over = asked(handle());
    const isOver = () => true;
    expect(plan(over, 'aaa', { isOver }).parts).toEqual([['t1/1', 'aaa', 'active']]);
    const dropped = plan(over, 'aaabbb', { isOver, sendsLate: () => false });
    expect(dropped.parts).toEqual([]);
    expect(dropped.letters.map(({ kind, outcome, code, text }) => [kind, outcome, code, text])).toEqual([
      ['send', 'too-late', 'REPLY_WINDOW', 'aaa'],
      ['send', 'too-late', 'REPLY_WINDOW', 'bbb'],
    ]);
    const [ordinal, part] = String(dropped.letters[0]?.body).split('\n');
    expect(ordinal).toBe('0');
    expect(JSON.parse(part ?? '')).toMatchObject({ text: 'aaa', mode: 'active', conversation: 'c2c:ann' });
  });

  it('leaves it to the platform whether a reply comes too late (G05, M6)', () => {
    expect(plan(asked(handle({ deadlineAt: NOW - 1 })), 'aaa').parts).toEqual([['t1/1', 'aaa', 'passive']]);
  });

  it('keeps a reply that has no address as a dead letter', () => {
    expect(plan(asked(null), 'aaa')).toMatchObject({
      parts: [],
      letters: [{ outcome: 'rejected', code: 'NO_ADDRESS', text: 'aaa' }],
    });
  });
});
