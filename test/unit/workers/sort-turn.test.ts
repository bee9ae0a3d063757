import { describe, expect, it } from 'vitest';
import type { InboundEvent } from '../../../src/model.ts';
import { encodeEvent, markRetried } from '../../../src/state/ingest.ts';
import { MAX_STARTS, sortTurn } from '../../../src/workers/sort-turn.ts';
import { message, QQ } from '../../support/inbound.ts';

const NOW = 1_795_341_600_000;
const entryOf = (id: string, change: Partial<InboundEvent> = {}) =>
  encodeEvent(QQ, message(id, 'c2c:ann', change), null).entry;
const due = (deadlineAt: number | null) => ({ reply: { key: 'k', deadlineAt, quota: null, address: null } });
const sort = (entries: readonly string[], lateReply: 'active' | 'drop' = 'drop', crashes = 0) => {
  const { messages, letters } = sortTurn({ entries, crashes, now: NOW }, 'lane', lateReply);
  return {
    seen: messages.map(({ event }) => event.eventId),
    letters: letters.map(({ outcome, code, text }) => [outcome, code, text]),
  };
};

describe('sortTurn', () => {
  it('shows the agent what can be answered, in order', () => {
    const entries = [entryOf('1', due(NOW + 1)), entryOf('2', due(null)), entryOf('3', { reply: null })];
    expect(sort(entries)).toEqual({ seen: ['1', '2', '3'], letters: [] });
  });

  it('keeps what is too late from the agent where late replies are dropped, and only there', () => {
    const entries = [entryOf('1', due(NOW)), entryOf('2', due(NOW + 1))];
    expect(sort(entries, 'drop')).toEqual({ seen: ['2'], letters: [['too-late', 'REPLY_WINDOW', 'text 1']] });
    expect(sort(entries, 'active').seen).toEqual(['1', '2']);
  });

  it('shows the agent a late message that a person took back', () => {
    expect(sort([markRetried(entryOf('1', due(NOW - 1)))], 'drop').seen).toEqual(['1']);
  });

  it('puts an entry that is none aside, whole', () => {
    const { letters } = sortTurn({ entries: ['no header'], crashes: 0, now: NOW }, 'lane', 'drop');
    expect(letters).toMatchObject([
      { outcome: 'crashed', code: 'UNREADABLE', body: { lane: 'lane', entry: 'no header' } },
    ]);
  });

  it('gives a turn up when it has crashed too often, and not before', () => {
    expect(sort([entryOf('1')], 'drop', MAX_STARTS - 1).seen).toEqual(['1']);
    expect(sort([entryOf('1')], 'drop', MAX_STARTS)).toEqual({
      seen: [],
      letters: [['crashed', 'TURN_CRASHED', 'text 1']],
    });
  });
});
