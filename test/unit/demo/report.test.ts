import { describe, expect, it } from 'vitest';
import { isGood, jsonOf, type Result, spreadOf, tableOf, verdictOf } from '../../../demo/report.ts';
import { tally } from '../../../demo/tally.ts';

const said = [1, 2, 3].map((n) => ({ chat: 'c2c:ann', messageId: `id-${n}`, text: `message ${n}` }));
const seen = said.map(({ chat, messageId, text }) => ({ chat, replyTo: messageId, text: `echo: ${text}` }));

const none = tally([], []);

const good: Result = {
  sabotage: null,
  counts: { qq: tally(said, seen), telegram: tally(said.slice(0, 2), seen.slice(0, 2)) },
  resumed: 9,
  identified: 1,
  takeovers: 2,
  staleWrites: 4,
  recoveries: [
    { act: 'drop', platform: 'qq', ms: 400, answeredMs: 900, how: 'resumed' },
    { act: 'kill', platform: 'qq', ms: 12_400, answeredMs: 12_900, how: 'resumed' },
    { act: 'kill', platform: 'telegram', ms: 6_200, answeredMs: 7_100, how: 'polled' },
  ],
  silences: [{ act: 'outage', qq: 6_210, telegram: 6_470 }],
  failures: [],
};
/** QQ: the second message is answered twice, the third never. */
const bad: Result = {
  ...good,
  counts: { ...good.counts, qq: tally(said, [...seen.slice(0, 2), ...seen.slice(1, 2)]) },
};
/** Telegram: of the answer to the third message nobody knows. */
const told: Result = {
  ...good,
  counts: { qq: none, telegram: tally(said, seen.slice(0, 2), new Set(['echo: message 3'])) },
};

describe('report', () => {
  it('is good only without loss, doubling, disorder, strays and failed acts', () => {
    expect(isGood(good)).toBe(true);
    expect(isGood(bad)).toBe(false);
    expect(isGood({ ...good, failures: ['act 1: no READY'] })).toBe(false);
    const disorder = tally(said, seen.toReversed());
    expect(isGood({ ...good, counts: { ...good.counts, qq: disorder } })).toBe(false);
    expect(isGood({ ...good, counts: { ...good.counts, telegram: disorder } })).toBe(false);
  });

  it('counts a send of unknown outcome apart, and names it: it was told, so it is no loss', () => {
    expect(isGood(told)).toBe(true);
    expect(verdictOf(told)).toBe('0 lost\n0 doubled');
    expect(JSON.parse(jsonOf(told))).toMatchObject({ sent: 3, answered: 2, lost: 0, unknown: 1 });
    expect(tableOf(told)).toContain('messages dead` lists it): "message 3" (Telegram)');
  });

  it('ends with lines that scripts can look for', () => {
    expect(verdictOf(good)).toBe('0 lost\n0 doubled');
    expect(verdictOf(bad)).toBe('1 lost\n1 doubled');
  });

  it('gives scripts one line with every number of the table', () => {
    const line = jsonOf(bad);
    expect(line).not.toContain('\n');
    expect(JSON.parse(line)).toEqual({
      sabotage: null,
      sent: 5,
      answered: 4,
      lost: 1,
      unknown: 0,
      doubled: 1,
      outOfOrder: 0,
      stray: 0,
      platforms: {
        qq: { sent: 3, answered: 2, lost: 1, unknown: 0, doubled: 1, outOfOrder: 0, stray: 0 },
        telegram: { sent: 2, answered: 2, lost: 0, unknown: 0, doubled: 0, outOfOrder: 0, stray: 0 },
      },
      silences: good.silences,
      resumed: 9,
      identified: 1,
      takeovers: 2,
      staleWrites: 4,
      recoveries: good.recoveries,
      medianMs: 6_200,
      maxMs: 12_400,
      failures: [],
      timings: 'scaled',
    });
  });

  it('shows people the numbers, the times, and which messages were hit', () => {
    const table = tableOf({ ...bad, failures: ['act 2: no READY within 45 s'], takeovers: null });
    for (const text of [
      'answered twice',
      '0.40 s',
      '12.4 s',
      '6.20 s',
      '6.47 s',
      'longest',
      'unknown',
      'FAILED: act 2',
    ]) {
      expect(table).toContain(text);
    }
    expect(table).toContain('Lost: "message 3" (QQ)');
    expect(table).toContain('Answered twice: "message 2" (QQ)');
  });

  it('finds median and maximum of odd, even and no numbers', () => {
    expect(spreadOf([3, 1, 2])).toEqual({ median: 2, max: 3 });
    expect(spreadOf([4, 1, 2, 3])).toEqual({ median: 2.5, max: 4 });
    expect(spreadOf([])).toBeNull();
  });
});
