/** What metrics call the ends that ask for another attempt: a few words, the same for all platforms. */
import { describe, expect, it } from 'vitest';
import { apiCause, reconnectCause as qqCause } from '../../../src/adapters/qq/verdict.ts';
import { readAnswer } from '../../../src/adapters/telegram/api.ts';
import { type RunEnd, reconnectCause as telegramCause } from '../../../src/adapters/telegram/verdict.ts';
import { TransientError } from '../../../src/errors.ts';
import { HttpFailure } from '../../../src/http/client.ts';
import type { ReconnectCause } from '../../../src/model.ts';

type QqEnding = Parameters<typeof qqCause>[0];

const closed = (during: 'opening' | 'identify' | 'resume' | 'live', opNine: 'resumable' | null = null): QqEnding => ({
  cause: 'closed',
  code: 4009,
  reason: '',
  during,
  opNine,
});

describe('QQ', () => {
  it.each<[QqEnding, ReconnectCause]>([
    [{ cause: 'not-opened', reason: 'refused' }, 'dial'],
    [{ cause: 'silence', due: 'Hello' }, 'silent'],
    [{ cause: 'silence', due: 'an identify permit' }, 'limit'],
    [{ cause: 'zombie', reason: 'no ACK' }, 'silent'],
    [{ cause: 'reconnect-wanted' }, 'asked'],
    [{ cause: 'refresh' }, 'asked'],
    [{ cause: 'no-permit', reason: 'used up', retryAfterMs: 1 }, 'limit'],
    [{ cause: 'backpressure' }, 'storage'],
    [{ cause: 'invalid-session', resumable: true, during: 'resume' }, 'session'],
    [closed('opening'), 'dial'],
    [closed('identify'), 'session'],
    [closed('resume'), 'session'],
    [closed('live'), 'closed'],
    [closed('live', 'resumable'), 'session'],
  ])('%j is "%s"', (ending, cause) => {
    expect(qqCause(ending)).toBe(cause);
  });

  it.each([
    ['RATE_LIMITED', 'limit'],
    ['CREDENTIAL_REFUSED', 'refused'],
    ['TRANSPORT', 'dial'],
  ] as const)('no socket at all because of %s is "%s"', (code, cause) => {
    expect(apiCause(new TransientError(code, 'no'))).toBe(cause);
  });
});

const unanswered = (code: 'TRANSPORT' | 'DEADLINE', maybeSent: boolean): RunEnd => ({
  cause: 'call',
  trouble: { kind: 'unanswered', method: 'getUpdates', failure: new HttpFailure(code, 'x', maybeSent) },
  parkedMs: 0,
});

function refused(status: number, description: string): RunEnd {
  const json = { ok: false, error_code: status, description };
  const trouble = readAnswer('getUpdates', { status, headers: {}, text: '', json, retryAfterMs: null });
  if (trouble.kind === 'ok') throw new Error('not refused');
  return { cause: 'call', trouble, parkedMs: 0 };
}

describe('Telegram', () => {
  it.each<[string, RunEnd, ReconnectCause]>([
    ['no way there', unanswered('TRANSPORT', false), 'dial'],
    ['a poll that was cut', unanswered('TRANSPORT', true), 'closed'],
    ['no answer', unanswered('DEADLINE', true), 'silent'],
    ['a rival', refused(409, 'Conflict: terminated by other getUpdates request'), 'rival'],
    ['a webhook in the way', refused(409, "Conflict: can't use getUpdates method while webhook is active"), 'rival'],
    ['a webhook that was found', { cause: 'webhook', host: 'example.org' }, 'rival'],
    ['a flood', refused(429, 'Too Many Requests: retry after 5'), 'limit'],
    ['a server in trouble', refused(502, 'Bad Gateway'), 'refused'],
    ['a full storage', { cause: 'storage' }, 'storage'],
    ['a budget', { cause: 'budget', reason: 'used up', retryAfterMs: 1 }, 'limit'],
  ])('%s', (_, end, cause) => {
    expect(telegramCause(end)).toBe(cause);
  });
});
