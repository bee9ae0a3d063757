import { describe, expect, it } from 'vitest';
import { type AfterClose, CLOSE_ADVICE, CLOSE_RULES, closeRule } from '../../../../src/adapters/qq/protocol.ts';
import type { During } from '../../../../src/adapters/qq/state.ts';
import {
  type Ended,
  HOLLOW_RESUME_MS,
  judge,
  NO_SETBACKS,
  REFUSED_IDENTIFY_CAP_MS,
  STRIKE_WINDOW_MS,
  type Verdict,
} from '../../../../src/adapters/qq/verdict.ts';

function ended(ending: Ended['ending'], change: Partial<Ended> = {}): Ended {
  return { ending, setbacks: NO_SETBACKS, now: 1_000_000, livedMs: null, hollow: false, ...change };
}

function closed(
  code: number,
  during: During = 'live',
  opNine: 'resumable' | 'not-resumable' | null = null,
): Ended['ending'] {
  return { cause: 'closed', code, reason: '', during, opNine };
}

function again(verdict: Verdict): Extract<Verdict, { kind: 'again' }> {
  if (verdict.kind !== 'again') throw new Error(`gave up: ${verdict.message}`);
  return verdict;
}

/** docs/protocols/qq.md, close codes: what each code leads to on a live socket. */
const documented: Readonly<Record<AfterClose, readonly number[]>> = {
  resume: [1000, 1001, 1005, 1006, 1009, 1011, 4005, 4008, 4009],
  'resume-once': [4000, 4902],
  'refresh-token': [4004],
  identify: [4003, 4006, 4007, 4900, 4901, 4904, 4905, 4906, 4907, 4908, 4909, 4910, 4911, 4912, 4913],
  'identify-later': [4903],
  'give-up': [4001, 4002, 4010, 4011, 4012, 4013, 4014, 4914, 4915],
};

describe('the close-code table', () => {
  it('holds the documented codes and no others, each with its source', () => {
    expect(Object.keys(CLOSE_RULES).map(Number)).toEqual(
      Object.values(documented)
        .flat()
        .sort((a, b) => a - b),
    );
    for (const rule of Object.values(CLOSE_RULES)) expect(rule.source).not.toBe('');
  });

  it.each(Object.entries(documented).flatMap(([next, codes]) => codes.map((code) => [code, next])))(
    '%i leads to %s',
    (code, next) => {
      expect(closeRule(code as number).next).toBe(next);
    },
  );

  it.each(documented.resume)('%i keeps the session', (code) => {
    expect(again(judge(ended(closed(code))))).toMatchObject({ dropSession: null, freshToken: false });
  });

  it.each(documented.identify)('%i drops the session, and says that events may be missing', (code) => {
    expect(again(judge(ended(closed(code)))).dropSession).toContain(String(code));
  });

  it.each(documented['give-up'])('%i gives up, and says what a person can do', (code) => {
    const verdict = judge(ended(closed(code)));
    expect(verdict).toMatchObject({ kind: 'give-up', message: expect.stringContaining(CLOSE_ADVICE[code] as string) });
  });

  it.each([4016, 4999, 1012, 3000])('%i, which nobody documented, keeps the session once', (code) => {
    const first = again(judge(ended(closed(code))));
    expect(first.dropSession).toBeNull();
    expect(again(judge(ended(closed(code), { setbacks: first.setbacks }))).dropSession).not.toBeNull();
  });

  it('waits 60 s after 4008, sending too fast', () => {
    expect(again(judge(ended(closed(4008)))).minDelayMs).toBe(60_000);
  });

  it('names code, meaning and the words of the platform', () => {
    const { reason } = again(judge(ended({ ...closed(4009), reason: 'Session timed out' } as Ended['ending'])));
    expect(reason).toBe('gateway closed the connection with 4009 (connection expired, "Session timed out")');
  });
});

describe('codes that allow one Resume', () => {
  it.each(documented['resume-once'])('%i resumes, and on a second one soon after drops the session', (code) => {
    const first = again(judge(ended(closed(code))));
    expect(first.dropSession).toBeNull();
    const second = again(
      judge(ended(closed(code), { setbacks: first.setbacks, now: 1_000_000 + STRIKE_WINDOW_MS - 1 })),
    );
    expect(second.dropSession).toContain('second time');
    expect(second.setbacks.strikes).toEqual(new Map());
  });

  it('forget the first one after a while', () => {
    const first = again(judge(ended(closed(4000))));
    const later = again(judge(ended(closed(4000), { setbacks: first.setbacks, now: 1_000_000 + STRIKE_WINDOW_MS })));
    expect(later.dropSession).toBeNull();
  });

  it('wait a few seconds after 4902, reset by resume', () => {
    expect(again(judge(ended(closed(4902)))).minDelayMs).toBeGreaterThanOrEqual(3_000);
  });
});

describe('a refused token (4004)', () => {
  it('is replaced and the session resumed once, then a new session is made', () => {
    const first = again(judge(ended(closed(4004, 'resume'))));
    expect(first).toMatchObject({ freshToken: true, dropSession: null });
    expect(again(judge(ended(closed(4004, 'resume'), { setbacks: first.setbacks })))).toMatchObject({
      freshToken: true,
      dropSession: expect.any(String),
    });
  });

  it('is fatal when three fresh ones in a row are refused on Identify', () => {
    const first = again(judge(ended(closed(4004, 'identify'))));
    const second = again(judge(ended(closed(4004, 'identify'), { setbacks: first.setbacks })));
    expect(second.freshToken).toBe(true);
    expect(judge(ended(closed(4004, 'identify'), { setbacks: second.setbacks }))).toMatchObject({
      kind: 'give-up',
      code: 'CREDENTIAL_REFUSED',
    });
  });
});

describe('op 9', () => {
  it('on Resume drops the session, at once', () => {
    for (const ending of [
      { cause: 'invalid-session', resumable: false, during: 'resume' } as const,
      closed(4903, 'resume', 'not-resumable'),
      closed(4009, 'resume', 'not-resumable'),
    ]) {
      expect(again(judge(ended(ending)))).toMatchObject({ dropSession: expect.any(String), minDelayMs: 0 });
    }
  });

  it('with d true keeps the session', () => {
    expect(again(judge(ended({ cause: 'invalid-session', resumable: true, during: 'resume' }))).dropSession).toBeNull();
    expect(again(judge(ended(closed(4009, 'resume', 'resumable')))).dropSession).toBeNull();
  });

  it('followed by a close that needs a person gives up', () => {
    expect(judge(ended(closed(4914, 'identify', 'not-resumable'))).kind).toBe('give-up');
  });

  it('on Identify waits longer each time, up to a bound that keeps a day below the limit of 1000', () => {
    let { setbacks } = ended(closed(4903));
    const delays: number[] = [];
    for (let n = 0; n < 8; n += 1) {
      const verdict = again(judge(ended(closed(4903, 'identify', 'not-resumable'), { setbacks })));
      delays.push(verdict.minDelayMs);
      setbacks = verdict.setbacks;
    }
    expect(delays).toEqual([5_000, 10_000, 20_000, 40_000, 80_000, 120_000, 120_000, 120_000]);
    expect(86_400_000 / REFUSED_IDENTIFY_CAP_MS).toBeLessThan(950);
  });

  it('on Identify tells after some tries where to look', () => {
    const setbacks = { ...NO_SETBACKS, refusedIdentifies: 4 };
    expect(again(judge(ended(closed(4903, 'identify'), { setbacks }))).reason).toContain('IP whitelist');
  });
});

describe('a session that is resumed and closed at once, over and over', () => {
  const hollow = (setbacks = NO_SETBACKS, change: Partial<Ended> = {}) =>
    again(judge(ended(closed(4009), { setbacks, livedMs: 40, hollow: true, ...change })));

  it('is given up after three times', () => {
    const second = hollow(hollow().setbacks);
    expect(second.dropSession).toBeNull();
    expect(hollow(second.setbacks).dropSession).toContain('3 Resumes in a row');
  });

  it('is kept when events came, when it lived a while, or when only the network fails', () => {
    const setbacks = { ...NO_SETBACKS, hollowResumes: 2 };
    expect(hollow(setbacks, { hollow: false }).dropSession).toBeNull();
    expect(hollow(setbacks, { livedMs: HOLLOW_RESUME_MS }).dropSession).toBeNull();
    expect(hollow(setbacks, { ending: closed(1006) }).dropSession).toBeNull();
  });
});

describe('trouble on the way', () => {
  it('never costs the session', () => {
    const endings: Ended['ending'][] = [
      { cause: 'not-opened', reason: 'connection refused' },
      { cause: 'silence', due: 'Hello' },
      { cause: 'silence', due: 'RESUMED' },
      { cause: 'zombie', reason: 'no ACK' },
      { cause: 'reconnect-wanted' },
      { cause: 'backpressure' },
      { cause: 'no-permit', reason: 'used up', retryAfterMs: 1 },
    ];
    for (const ending of endings) {
      expect(again(judge(ended(ending)))).toMatchObject({ dropSession: null, freshToken: false });
    }
  });

  it('counts dials that lead nowhere, so that the URL is looked up again', () => {
    const first = again(judge(ended({ cause: 'not-opened', reason: 'refused' })));
    const second = again(judge(ended({ cause: 'silence', due: 'Hello' }, { setbacks: first.setbacks })));
    expect(second.setbacks.failedDials).toBe(2);
  });

  it('waits as long as the identify budget says', () => {
    const verdict = again(judge(ended({ cause: 'no-permit', reason: 'the day is used up', retryAfterMs: 4_321 })));
    expect(verdict).toMatchObject({ minDelayMs: 4_321, reason: 'the day is used up' });
  });

  it('a planned fresh Identify does not cost the session before the new one stands', () => {
    expect(again(judge(ended({ cause: 'refresh' }))).dropSession).toBeNull();
  });
});
