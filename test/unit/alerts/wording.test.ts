import { expect, it } from 'vitest';
import type { Notification, Rule } from '../../../src/alerts/alert.ts';
import { describeNotification, spanOf } from '../../../src/alerts/wording.ts';

it.each([
  [400, '0 s'],
  [45_000, '45 s'],
  [133_000, '2 min 13 s'],
  [3_600_000, '1 h'],
  [11_100_000, '3 h 5 min'],
  [187_200_000, '2 d 4 h'],
])('%i ms is %s', (ms, words) => {
  expect(spanOf(ms)).toBe(words);
});

const RULES: readonly Rule[] = [
  'down',
  'rival',
  'parked',
  'flapping',
  'no-sweep',
  'redis',
  'budget',
  'dead-letters',
  'clock-skew',
];
const KINDS: readonly Notification['kind'][] = ['firing', 'repeat', 'recovered'];

it.each(RULES.flatMap((rule) => KINDS.map((kind) => [rule, kind] as const)))(
  '%s, %s: says who, why, and what to do',
  (rule, kind) => {
    const subject = {
      name: 'qq-main',
      reason: 'the reason',
      since: '2026-11-22T10:00:00.000Z',
      forMs: 60_000,
      stored: null,
    };
    const { title, text } = describeNotification({ kind, rule, subjects: [subject] });
    expect(title).toMatch(kind === 'firing' ? /^ALERT: / : kind === 'repeat' ? /^STILL: .*1 min/ : /^OK: .*1 min/);
    const [first, second, advice] = text.split('\n');
    expect(first).toBe(title);
    expect(second).toContain('qq-main');
    expect(second).toContain('the reason');
    if (kind === 'recovered') expect(advice).toBeUndefined();
    else expect(advice?.length).toBeGreaterThan(20);
  },
);

it('a long answer of a platform does not fill the screen', () => {
  const subject = { name: 'a', reason: 'x'.repeat(5_000), since: '', forMs: 0, stored: null };
  expect(describeNotification({ kind: 'firing', rule: 'down', subjects: [subject] }).text.length).toBeLessThan(600);
});
