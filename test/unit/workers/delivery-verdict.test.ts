import { describe, expect, it } from 'vitest';
import type { OutboundPart, SendOutcome } from '../../../src/model.ts';
import {
  type Candidate,
  giveUpAt,
  judgeAfter,
  judgeBefore,
  judgeDefect,
  judgeUnsendable,
} from '../../../src/workers/delivery-verdict.ts';

const NOW = 1_000_000;
const WHY = { code: 'C', reason: 'because' } as const;

const passive: OutboundPart = {
  id: 't1/0',
  conversation: 'c2c:A',
  text: 'one line\nanother line',
  ordinal: 3,
  mode: 'passive',
  reply: { key: 'm1', deadlineAt: NOW + 10_000, quota: 4, address: { to: 'A' } },
};
const active: OutboundPart = { ...passive, mode: 'active' };

function candidate(part: OutboundPart, changes: Partial<Candidate['head']> & Partial<Candidate> = {}): Candidate {
  const { attempts = 0, since = NOW, interrupted = false, doubt = false, isCut = false, ...others } = changes;
  const { insteadOf = null, isNotice = false, toldUntil = 0, ...rest } = others;
  return {
    part,
    head: { attempts, since, interrupted, doubt, isCut, insteadOf, isNotice, toldUntil },
    repeatable: part.mode === 'passive',
    now: NOW,
    policy: { lateReply: 'active', giveUpAfterMs: 60_000, backoff: { baseMs: 500, capMs: 15_000, factor: 2 } },
    ...rest,
  };
}

const drop = { ...candidate(passive).policy, lateReply: 'drop' } as const;
const outcomeOf = (verdict: ReturnType<typeof judgeBefore>) =>
  verdict === null
    ? 'send'
    : verdict.settlement.kind === 'dead'
      ? verdict.settlement.letter.outcome
      : verdict.settlement.kind;

describe('before a send', () => {
  const late = { now: NOW + 10_000, attempts: 1 };
  const old = { now: NOW + 60_000, attempts: 1 };
  it.each([
    ['a fresh reply is sent', candidate(passive), 'send'],
    ['a fresh message of its own is sent', candidate(active), 'send'],
    ['an interrupted reply with a key is sent again', candidate(passive, { interrupted: true, doubt: true }), 'send'],
    [
      'an interrupted reply without a key is unknown',
      candidate(passive, { interrupted: true, repeatable: false }),
      'unknown',
    ],
    ['an interrupted message of its own is unknown', candidate(active, { interrupted: true }), 'unknown'],
    ['a late reply goes out as a message of its own', candidate(passive, late), 'replace'],
    ['a late reply is dropped where so configured', candidate(passive, { ...late, policy: drop }), 'too-late'],
    ['a late reply that may have arrived is unknown', candidate(passive, { ...late, doubt: true }), 'unknown'],
    ['so it is where late replies are dropped', candidate(passive, { ...late, doubt: true, policy: drop }), 'unknown'],
    [
      'a late reply that was never tried is, as our clock may be wrong (G05, M6)',
      candidate(passive, { now: NOW + 1e9 }),
      'send',
    ],
    [
      'so is one whose try was interrupted (H7)',
      candidate(passive, { ...late, interrupted: true, doubt: true }),
      'send',
    ],
    ['a message of its own has no window', candidate(active, late), 'send'],
    ['a message of its own is given up in the end', candidate(active, old), 'too-late'],
    ['one that may have arrived is unknown then', candidate(active, { ...old, doubt: true }), 'unknown'],
  ] as const)('%s', (_, given, expected) => {
    expect(outcomeOf(judgeBefore(given))).toBe(expected);
  });

  it('keeps the ordinal, the address and the text when a late reply goes out as a message of its own', () => {
    const { ordinal, ...rest } = passive;
    expect(judgeBefore(candidate(passive, late))?.settlement).toEqual({
      kind: 'replace',
      allot: false,
      parts: [{ ...rest, mode: 'active' }],
    });
    expect(ordinal).toBe(3);
  });

  it('gives a reply without a window as long as a message of its own', () => {
    const open = { ...passive, reply: { ...passive.reply, deadlineAt: null } };
    expect(giveUpAt(candidate(open))).toBe(NOW + 60_000);
    expect(outcomeOf(judgeBefore(candidate(open, old)))).toBe('too-late');
  });

  it('waits with a part that can not be sent here, and gives it up with its window', () => {
    expect(judgeUnsendable(candidate(passive), 'removed')).toBeNull();
    expect(outcomeOf(judgeUnsendable(candidate(passive, late), 'removed'))).toBe('too-late');
  });

  it('keeps an entry that can not be read, whole', () => {
    expect(
      judgeDefect({ part: null, entry: 'rubbish', insteadOf: null, isNotice: false }, 'unreadable').settlement,
    ).toMatchObject({
      kind: 'dead',
      letter: { outcome: 'crashed', body: 'rubbish' },
    });
  });
});

describe('after a send', () => {
  const done: readonly (readonly [SendOutcome, string])[] = [
    [{ kind: 'sent', platformId: null }, 'sent'],
    [{ kind: 'duplicate' }, 'duplicatesSent'],
    [{ kind: 'pending-audit', auditId: null }, 'auditsPending'],
    [{ kind: 'blank' }, 'blanks'],
  ];
  it.each(done)('%o is counted as %s and ends the part', (outcome, counter) => {
    expect(judgeAfter(candidate(passive), outcome, 0)).toEqual({
      settlement: { kind: 'done', counter },
      waitMs: 0,
      pause: null,
    });
  });

  it.each([
    [{ kind: 'rejected', ...WHY }, 'rejected'],
    [{ kind: 'unknown', ...WHY }, 'unknown'],
  ] as const)('%o is never tried again', (outcome, kind) => {
    const verdict = judgeAfter(candidate(passive), outcome, 0);
    expect(verdict).toMatchObject({
      waitMs: 0,
      settlement: { kind: 'dead', letter: { kind: 'send', outcome: kind, ...WHY, text: passive.text, body: passive } },
    });
  });

  it('sends a refused text once more in the form that may pass, under a number of its own (G06)', () => {
    const { ordinal: _, ...rest } = passive;
    const outcome: SendOutcome = { kind: 'rejected', ...WHY, textRefused: { instead: 'one．line' } };
    expect(judgeAfter(candidate(passive), outcome, 0).settlement).toEqual({
      kind: 'replace',
      allot: true,
      parts: [{ ...rest, text: 'one．line', insteadOf: passive.text }],
    });
  });

  it('keeps what was refused in both forms with its own words, and tells people once (G06)', () => {
    const outcome: SendOutcome = { kind: 'rejected', ...WHY, textRefused: { instead: 'again' } };
    const { settlement } = judgeAfter(candidate({ ...passive, text: 'x．md' }, { insteadOf: 'x.md' }), outcome, 0);
    expect(settlement).toMatchObject({
      kind: 'dead',
      letter: { outcome: 'rejected', text: 'x.md', body: { text: 'x.md' } },
      notice: { mode: 'passive', isNotice: true, text: expect.stringContaining('could not be delivered') },
    });
    const inChinese = judgeAfter(candidate({ ...passive, text: '见 x．md' }, { insteadOf: 'x' }), outcome, 0);
    expect(inChinese.settlement).toMatchObject({ notice: { text: expect.stringContaining('平台拒绝') } });
  });

  it('tells nobody of what nobody waits for, or where nobody can be told', () => {
    const pushed = { ...active, reply: { ...active.reply, address: null } };
    const refused: SendOutcome = { kind: 'rejected', ...WHY, textRefused: { instead: null } };
    expect(judgeAfter(candidate(pushed), refused, 0).settlement).toMatchObject({ kind: 'dead', notice: null });
    const blocked: SendOutcome = { kind: 'rejected', ...WHY };
    expect(judgeAfter(candidate(passive), blocked, 0).settlement).toMatchObject({ kind: 'dead', notice: null });
  });

  it('ends a notice that cannot be shown without a letter and without a notice of its own', () => {
    const ends: SendOutcome[] = [
      { kind: 'rejected', ...WHY, textRefused: { instead: null } },
      { kind: 'too-late', ...WHY },
      { kind: 'unknown', ...WHY },
    ];
    for (const outcome of ends) {
      expect(judgeAfter(candidate(passive, { isNotice: true }), outcome, 0).settlement).toEqual({ kind: 'drop' });
    }
  });

  it('holds a conversation as long as told, a day at most, and does not give its part up for that (G28)', () => {
    const open = { ...passive, reply: { ...passive.reply, deadlineAt: null } };
    const told = (ms: number): SendOutcome => ({
      kind: 'rate-limited',
      afterMs: ms,
      bucket: 'chat:1',
      wider: 'bot',
      ...WHY,
    });
    expect(judgeAfter(candidate(open), told(3_600_000), 0)).toMatchObject({
      waitMs: 3_600_000,
      settlement: { kind: 'keep', toldMs: 3_600_000 },
      pause: { bucket: 'chat:1', wider: 'bot', ms: 3_600_000, told: true },
    });
    expect(judgeAfter(candidate(open), told(1e12), 0)).toMatchObject({ waitMs: 86_400_000 });
    const held = candidate(open, { toldUntil: NOW + 3_600_000 });
    expect(giveUpAt(held)).toBe(NOW + 3_660_000);
    expect(judgeBefore({ ...held, now: NOW + 3_600_001 })).toBeNull();
    // Told again and again, it ends all the same.
    expect(giveUpAt(candidate(open, { toldUntil: NOW + 1e9 }))).toBe(NOW + 86_460_000);
    // A hold of long ago lengthens nothing.
    expect(giveUpAt(candidate(open, { toldUntil: NOW - 1 }))).toBe(NOW + 60_000);
  });

  it('retries with growing, jittered, capped delays', () => {
    const wait = (attempts: number, random: number) =>
      judgeAfter(
        candidate({ ...passive, reply: { ...passive.reply, deadlineAt: NOW + 900_000 } }, { attempts }),
        { kind: 'retry', afterMs: null, ...WHY },
        random,
      ).waitMs;
    expect([wait(0, 0.99), wait(1, 0.99), wait(2, 0.99), wait(40, 0.99)]).toEqual([495, 990, 1_980, 14_850]);
    expect(wait(5, 0)).toBe(100);
  });

  it('waits as long as the platform asks, but not past the window', () => {
    const wait = (afterMs: number) => judgeAfter(candidate(passive), { kind: 'retry', afterMs, ...WHY }, 0.5).waitMs;
    expect(wait(7_000)).toBe(7_000);
    expect(wait(70_000)).toBe(10_000);
  });

  it('remembers that a try may have been delivered', () => {
    const keep = (maybeDelivered?: boolean) =>
      judgeAfter(
        candidate(passive),
        { kind: 'retry', afterMs: null, ...WHY, ...(maybeDelivered === undefined ? {} : { maybeDelivered }) },
        0,
      ).settlement;
    expect(keep()).toMatchObject({ kind: 'keep', doubt: false });
    expect(keep(true)).toMatchObject({ kind: 'keep', doubt: true });
  });

  it('pauses exactly the bucket that the platform named', () => {
    const outcome: SendOutcome = { kind: 'rate-limited', afterMs: 3_000, bucket: 'global', ...WHY };
    expect(judgeAfter(candidate(passive), outcome, 0)).toMatchObject({
      pause: { bucket: 'global', ms: 3_000, told: true },
      waitMs: 3_000,
    });
    const silent: SendOutcome = { ...outcome, afterMs: null };
    expect(judgeAfter(candidate(passive), silent, 0).waitMs).toBe(1_000);
  });

  it('turns a reply that is too late into a message of its own, once', () => {
    const outcome: SendOutcome = { kind: 'too-late', ...WHY };
    expect(outcomeOf(judgeAfter(candidate(passive), outcome, 0))).toBe('replace');
    expect(outcomeOf(judgeAfter(candidate(active), outcome, 0))).toBe('too-late');
    expect(outcomeOf(judgeAfter(candidate(passive, { policy: drop }), outcome, 0))).toBe('too-late');
    expect(outcomeOf(judgeAfter(candidate(passive, { doubt: true }), outcome, 0))).toBe('unknown');
  });

  it('cuts a part that is too long, once, under ordinals of its own', () => {
    const outcome: SendOutcome = { kind: 'too-long', ...WHY };
    const verdict = judgeAfter(candidate(passive), outcome, 0);
    expect(verdict.settlement).toMatchObject({
      kind: 'replace',
      allot: true,
      parts: [
        { id: 't1/0.1', text: 'one line', cutFrom: 't1/0', mode: 'passive' },
        { id: 't1/0.2', text: 'another line', cutFrom: 't1/0' },
      ],
    });
    expect(outcomeOf(judgeAfter(candidate(passive, { isCut: true }), outcome, 0))).toBe('rejected');
    expect(outcomeOf(judgeAfter(candidate({ ...passive, text: 'x' }), outcome, 0))).toBe('rejected');
  });
});
