/** The pure parts of the pages: whether news may be believed, what an action led to, the chart in words. */
import { describe, expect, it } from 'vitest';
import type { ConnectionStatus } from '../../../src/status/document.ts';
import { type Asked, answerTo, verbsFor } from '../../../src/web/page/asked.ts';
import { elapsedSince } from '../../../src/web/page/elapsed.ts';
import { judgeFreshness } from '../../../src/web/page/freshness.ts';
import { describeDetail } from '../../../src/web/page/history-words.ts';
import { gather } from '../../../src/web/page/message-bins.ts';
import { happenings, summarise } from '../../../src/web/page/timeline-words.ts';
import { span } from '../../../src/web/page/words.ts';

describe('news', () => {
  const open = { name: 'open' } as const;
  const lost = { name: 'lost', reason: 'nobody answers' } as const;
  const blind = { name: 'blind', reason: 'Redis does not answer' } as const;

  it.each([
    [0, open, 'fresh'],
    [4_900, open, 'fresh'],
    [1_900, lost, 'fresh'],
    [1_900, blind, 'fresh'],
  ] as const)('of %i ms over a stream that is %o is fresh', (ageMs, stream, kind) => {
    expect(judgeFreshness(ageMs, stream)).toEqual({ kind });
  });

  it.each([
    [5_000, open, 'the connection to Holdfast is open, and nothing comes'],
    [2_000, lost, 'nobody answers'],
    [60_000, blind, 'Redis does not answer'],
    [null, open, 'still asking for the first one'],
    [null, lost, 'nobody answers'],
  ] as const)('of %s ms over a stream that is %o is none, because %s', (ageMs, stream, reason) => {
    expect(judgeFreshness(ageMs, stream)).toEqual({ kind: 'silent', forMs: ageMs, reason });
  });

  it('ages while the machine sleeps, whichever clock stood still, and not backwards when the clock is set', () => {
    const then = { monotonic: 1_000, wall: 500_000 };
    expect(elapsedSince(then, { monotonic: 1_100, wall: 560_000 })).toBe(60_000);
    expect(elapsedSince(then, { monotonic: 6_000, wall: 400_000 })).toBe(5_000);
  });
});

describe('an action', () => {
  const status = (change: Partial<ConnectionStatus>) =>
    ({ state: 'live', owner: 'a/1', fencingToken: 5, ...change }) as ConnectionStatus;
  const asked = (verb: Asked['verb']): Asked => ({ verb, at: 0, withinMs: 1_500, tokenBefore: 5, ownerBefore: 'a/1' });

  it.each([
    ['pause', { state: 'paused', owner: null }, 'It shows: paused.'],
    ['resume', { state: 'connecting' }, 'It shows: connecting, held by a/1.'],
    ['restart', { fencingToken: 6 }, 'It shows: live, held by a/1.'],
    ['handoff', { fencingToken: 6, owner: 'b/2' }, 'It shows: live, held by b/2.'],
  ] as const)('%s has shown when the status says so', (verb, change, text) => {
    const answer = answerTo(asked(verb), status(change), 100, '10:00:00');
    expect(answer.done).toBe(true);
    expect(answer.text).toContain(text);
  });

  it.each([
    ['pause', {}],
    ['restart', {}],
    ['handoff', { fencingToken: 6 }],
    ['resume', { state: 'parked' }],
  ] as const)('%s says when it should show, and later that it does not', (verb, change) => {
    expect(answerTo(asked(verb), status(change), 100, '10:00:00')).toMatchObject({
      done: false,
      text: expect.stringContaining('It shows here within 2 s'),
    });
    expect(answerTo(asked(verb), status(change), 9_000, '10:00:00').text).toContain('does not show yet, after 9 s');
  });

  it('is offered where it makes sense', () => {
    expect(verbsFor(status({}))).toEqual(['pause', 'restart', 'handoff']);
    expect(verbsFor(status({ state: 'paused', owner: null }))).toEqual(['resume']);
    expect(verbsFor(status({ state: 'parked', owner: null }))).toContain('resume');
  });
});

describe('the chart in words', () => {
  const at = (minute: number) => new Date(Date.UTC(2026, 10, 29, 0, minute)).toISOString();
  const line = {
    id: 'a',
    spans: [
      { from: at(0), to: at(50), state: 'live' },
      { from: at(50), to: at(52), state: 'down' },
      { from: at(52), to: at(100), state: 'live' },
    ],
    marks: [
      { at: at(51), kind: 'takeover', text: 'by b/2' },
      { at: at(51), kind: 'identified', text: 'a new session' },
    ],
    messagesPerMinute: [null, 3, 14],
  } as const;

  it('sums up, and never calls less than all "100 %"', () => {
    expect(summarise(line)).toBe('live 98 %, down 2 min; 1 takeover, 1 new session; up to 14 messages a minute');
    const second = { from: at(0), to: new Date(Date.parse(at(0)) + 1_000).toISOString(), state: 'down' } as const;
    const day = { ...line, spans: [second, { from: second.to, to: at(1_440), state: 'live' }] } as const;
    expect(summarise(day)).toMatch(/^live 99\.9 %, down 1 s/);
  });

  it('lists what happened, newest first', () => {
    const list = happenings(line, [{ at: at(53), worker: 'b/2', what: 'joined' }]);
    expect(list.map(({ what, detail }) => `${what} ${detail}`)).toEqual([
      'worker joined b/2',
      'takeover by b/2',
      'new session a new session',
      'down for 2 min',
    ]);
  });
});

it('gathers minutes into the room there is, and keeps what nobody counted apart from none', () => {
  expect(gather([1, 3, null, null, 0, 0], 3)).toEqual([2, null, 0]);
  expect(gather([1, 2], 100)).toEqual([1, 2]);
});

it.each([
  [-5, '0 s'],
  [59_999, '59 s'],
  [133_000, '2 min 13 s'],
  [3_600_000, '1 h'],
  [187_200_000, '2 d 4 h'],
])('says %i ms as %s', (ms, text) => {
  expect(span(ms)).toBe(text);
});

it('says a change of state in words, and leaves other details alone', () => {
  expect(describeDetail('{"state":"live","reason":null,"how":"resumed"}')).toBe('live (resumed)');
  expect(describeDetail('{"state":"waiting","reason":"refused"}')).toBe('waiting: refused');
  expect(describeDetail('drained')).toBe('drained');
  expect(describeDetail('{broken')).toBe('{broken');
});
