import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readAnswer } from '../../../../src/adapters/telegram/api.ts';
import { classify } from '../../../../src/adapters/telegram/protocol.ts';
import { type Circumstances, judge, NO_SETBACKS, type RunEnd } from '../../../../src/adapters/telegram/verdict.ts';
import { HttpFailure } from '../../../../src/http/client.ts';

/** Wordings: tdlib/telegram-bot-api, Client.cpp, read 2026-11-22. */
const REFUSALS: readonly [number, string, ReturnType<typeof classify>][] = [
  [400, 'Bad Request: chat not found', 'refused'],
  [400, 'Bad Request: message thread not found', 'place-gone'],
  [400, 'Bad Request: TOPIC_DELETED', 'place-gone'],
  [400, 'Bad Request: TOPIC_CLOSED', 'place-gone'],
  [400, 'Bad Request: message to be replied not found', 'place-gone'],
  [400, 'Bad Request: reply message not found', 'place-gone'],
  [400, 'Bad Request: message text is empty', 'blank'],
  [400, 'Bad Request: text must be non-empty', 'blank'],
  [400, 'Bad Request: ENTITY_BOUNDS_INVALID', 'markup'],
  [400, "Bad Request: can't parse entities: Can't find end of the entity starting at byte offset 4", 'markup'],
  [400, 'Bad Request: message is too long', 'too-long'],
  [400, 'Bad Request: group chat was upgraded to a supergroup chat', 'moved'],
  [400, 'Bad Request: query is too old and response timeout expired or query ID is invalid', 'late-answer'],
  [401, 'Unauthorized', 'credential'],
  [403, 'Forbidden: bot was blocked by the user', 'target-gone'],
  [403, 'Forbidden: bot was kicked from the supergroup chat', 'target-gone'],
  [404, 'Not Found', 'credential'],
  [404, 'Not Found: method not found', 'refused'],
  [409, 'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running', 'rival'],
  [409, 'Conflict: terminated by setWebhook request', 'webhook'],
  [
    409,
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
    'webhook',
  ],
  [421, 'Misdirected Request: unallowed token specified', 'misdirected'],
  [429, 'Too Many Requests: retry after 5', 'flood'],
  [500, 'Internal Server Error: restart', 'server'],
  [502, 'Bad Gateway', 'gateway'],
  [503, 'Service Unavailable', 'gateway'],
  [504, 'Gateway Timeout', 'gateway'],
  [418, 'a code of the future', 'refused'],
];

describe('refusals', () => {
  it.each(REFUSALS)('%i "%s" is %s', (code, description, expected) => {
    expect(classify(code, description)).toBe(expected);
    expect(classify(code, description.toUpperCase())).toBe(expected);
  });

  it('are read from the JSON, which decides over the HTTP status; what is no JSON is garbled', () => {
    const answer = { status: 502, headers: {}, text: '', json: undefined as unknown, retryAfterMs: 9_000 };
    expect(readAnswer('getMe', answer)).toMatchObject({ kind: 'garbled', method: 'getMe', status: 502 });
    const refusal = { ok: false, error_code: 429, description: 'Too Many Requests', parameters: { retry_after: 5 } };
    expect(readAnswer('getMe', { ...answer, json: refusal })).toMatchObject({ class: 'flood', retryAfterMs: 5_000 });
    const bare = { ok: false, error_code: 429, description: 'Too Many Requests' };
    expect(readAnswer('getMe', { ...answer, json: bare })).toMatchObject({ retryAfterMs: 9_000 });
    const moved = { ok: false, error_code: 400, description: 'x', parameters: { migrate_to_chat_id: -1002 } };
    expect(readAnswer('getMe', { ...answer, json: moved })).toMatchObject({ movedTo: '-1002' });
    expect(readAnswer('getMe', { ...answer, status: 200, json: { ok: true } })).toMatchObject({ kind: 'garbled' });
  });

  it('of any form are an answer', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), fc.jsonValue(), (status, json) => {
        const answer = readAnswer('getMe', { status, headers: {}, text: '', json, retryAfterMs: null });
        expect(['ok', 'refused', 'garbled']).toContain(answer.kind);
      }),
    );
  });
});

const given: Circumstances = {
  setbacks: NO_SETBACKS,
  now: 1_000_000,
  pollMs: 25_000,
  conflictRetryMs: 30_000,
  deleteWebhook: false,
  random: 0.5,
};

function refused(code: number, description: string): RunEnd {
  const trouble = {
    kind: 'refused',
    method: 'getUpdates',
    code,
    class: classify(code, description),
    description,
    retryAfterMs: null,
    movedTo: null,
  } as const;
  return { cause: 'call', trouble, parkedMs: 10 };
}

const rival = refused(409, 'Conflict: terminated by other getUpdates request');

/** Judges ends one after another, each at its instant, with the setbacks of the one before. */
function inTurn(ends: readonly (readonly [RunEnd, number])[]) {
  let setbacks = NO_SETBACKS;
  return ends.map(([end, now]) => {
    const verdict = judge(end, { ...given, setbacks, now });
    if (verdict.kind === 'again') setbacks = verdict.setbacks;
    return verdict;
  });
}

describe('the end of a run', () => {
  it('by a first conflict is followed soon, by the third within a minute seldom', () => {
    const [first, second, third] = inTurn([
      [rival, 1_000],
      [rival, 5_000],
      [rival, 60_500],
    ]);
    expect(first).toMatchObject({ kind: 'again', next: 'quick', minDelayMs: 1_250 });
    expect(second).toMatchObject({ minDelayMs: 1_250 });
    expect(third).toMatchObject({ next: 'undisturbed', minDelayMs: 45_000 });
    if (third?.kind !== 'again') throw new Error('it gave up');
    expect(third.reason).toMatch(
      /^conflict: another getUpdates poller \(rival\) uses this token \(409\), again and again/,
    );
  });

  it('by conflicts far apart is none of a rival, and one of a rival stays one', () => {
    expect(
      inTurn([
        [rival, 0],
        [rival, 59_000],
        [rival, 119_000],
      ]).at(-1),
    ).toMatchObject({ next: 'quick' });
    const known = { ...NO_SETBACKS, rival: true };
    expect(judge(rival, { ...given, setbacks: known })).toMatchObject({ next: 'undisturbed', minDelayMs: 45_000 });
  });

  it('by a refused token gives up at the second in a row, and at no other', () => {
    const unauthorized = refused(401, 'Unauthorized');
    const busy = refused(500, 'Internal Server Error');
    const kinds = inTurn([
      [unauthorized, 0],
      [busy, 1],
      [unauthorized, 2],
      [unauthorized, 3],
    ]).map(({ kind }) => kind);
    expect(kinds).toEqual(['again', 'again', 'again', 'give-up']);
    expect(
      inTurn([
        [refused(404, 'Not Found'), 0],
        [refused(404, 'Not Found'), 1],
      ]).at(-1),
    ).toMatchObject({
      kind: 'give-up',
      code: 'CREDENTIAL_REFUSED',
    });
  });

  it('by a webhook waits for a person, or only a moment where it may be removed', () => {
    const found: RunEnd = { cause: 'webhook', host: 'elsewhere.example' };
    expect(judge(found, given)).toMatchObject({ next: 'start', minDelayMs: 45_000 });
    expect(judge(found, { ...given, deleteWebhook: true })).toMatchObject({ next: 'start', minDelayMs: 0 });
    expect(judge(refused(409, 'Conflict: terminated by setWebhook request'), given)).toMatchObject({ next: 'start' });
  });

  it('is followed by another, whatever transient trouble it was, for ever', () => {
    const unanswered = (parkedMs: number): RunEnd => {
      const failure = new HttpFailure('TRANSPORT', 'getUpdates: connection reset', true);
      return { cause: 'call', trouble: { kind: 'unanswered', method: 'getUpdates', failure }, parkedMs };
    };
    const transient = fc.oneof(
      fc.nat({ max: 60_000 }).map(unanswered),
      fc.constantFrom<RunEnd>(rival, refused(500, ''), refused(429, ''), { cause: 'storage' }, refused(400, 'x')),
    );
    fc.assert(
      fc.property(fc.array(transient, { maxLength: 60 }), (ends) => {
        const verdicts = inTurn(ends.map((end, index) => [end, index * 500]));
        for (const verdict of verdicts) expect(verdict.kind).toBe('again');
      }),
    );
  });
});
