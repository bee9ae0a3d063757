import { describe, expect, it } from 'vitest';
import { isClean, isDamaged, type Said, type Seen, tally } from '../../../demo/tally.ts';

const ask = (chat: string, n: number): Said => ({ chat, messageId: `id-${n}`, text: `message ${n}` });
const reply = ({ chat, messageId, text }: Said): Seen => ({ chat, replyTo: messageId, text: `echo: ${text}` });

const a1 = ask('c2c:ann', 1);
const b2 = ask('c2c:bob', 2);
const a3 = ask('c2c:ann', 3);
const b4 = ask('c2c:bob', 4);
const said = [a1, b2, a3, b4];

describe('tally', () => {
  it('finds nothing wrong when each message has one answer, in the order of its conversation', () => {
    const count = tally(said, [reply(b2), reply(a1), reply(a3), reply(b4)]);
    expect(count).toEqual({
      sent: 4,
      answered: 4,
      unknown: [],
      lost: [],
      skipped: [],
      doubled: [],
      outOfOrder: [],
      stray: [],
    });
    expect(isClean(count)).toBe(true);
    expect(isDamaged(count)).toBe(false);
  });

  it('counts what has no answer as lost, and as skipped once a later one of the conversation has its', () => {
    const count = tally(said, [reply(a3), reply(b2)]);
    expect(count).toMatchObject({ answered: 2, lost: [a1, b4], skipped: [a1] });
    expect(isClean(count)).toBe(false);
    expect(isDamaged(count)).toBe(true);
  });

  it('does not call an answer that may still come damage', () => {
    expect(isDamaged(tally(said, [reply(a1), reply(b2)]))).toBe(false);
  });

  it('counts a message with two or more answers once as doubled', () => {
    const count = tally(said, [...said.map(reply), reply(a1), reply(a1)]);
    expect(count).toMatchObject({ answered: 4, lost: [], doubled: [a1], outOfOrder: [] });
    expect(isClean(count)).toBe(false);
  });

  it('counts a first answer that comes after that of a later message as out of order', () => {
    const count = tally(said, [reply(a3), reply(a1), reply(b2), reply(b4)]);
    expect(count).toMatchObject({ answered: 4, lost: [], doubled: [], outOfOrder: [a1] });
    expect(isClean(count)).toBe(false);
  });

  it('counts what the operator was told of as unknown and not as lost, until its answer is seen after all', () => {
    const told = new Set(['echo: message 1']);
    const count = tally(said, [reply(b2), reply(a3), reply(b4)], told);
    expect(count).toMatchObject({ answered: 3, unknown: [a1], lost: [], skipped: [] });
    expect(isClean(count)).toBe(true);
    const late = tally(said, [reply(b2), reply(a3), reply(b4), reply(a1)], told);
    expect(late).toMatchObject({ answered: 4, unknown: [], lost: [], outOfOrder: [] });
    const twice = tally(said, [...said.map(reply), reply(a1)], told);
    expect(twice).toMatchObject({ doubled: [a1] });
  });

  it('lets conversations overtake each other', () => {
    expect(isClean(tally(said, [reply(b2), reply(b4), reply(a1), reply(a3)]))).toBe(true);
  });

  it('takes an answer without reference by its conversation and text', () => {
    const late = { ...reply(a1), replyTo: null };
    expect(tally([a1], [late])).toMatchObject({ answered: 1, lost: [], stray: [] });
    expect(tally([a1], [reply(a1), late])).toMatchObject({ doubled: [a1] });
  });

  it.each([
    ['with another text', { ...reply(a1), text: 'echo: message 2' }],
    ['in another conversation', { ...reply(a1), chat: 'c2c:bob' }],
    ['to a message nobody said', { ...reply(a1), replyTo: 'id-9' }],
    ['without reference, to a text of another conversation', { ...reply(a1), chat: 'c2c:bob', replyTo: null }],
  ])('counts an answer %s as stray, and not as an answer', (_, seen) => {
    const count = tally([a1], [seen]);
    expect(count).toMatchObject({ answered: 0, lost: [a1], stray: [seen] });
    expect(isClean(count)).toBe(false);
  });
});
