import { describe, expect, it } from 'vitest';
import { readEnd, readText } from '../../../../src/adapters/qq/socket-events.ts';
import { TransientError } from '../../../../src/errors.ts';

const dispatch = (t: string, d: unknown, s = 7) => JSON.stringify({ op: 0, s, t, d });

describe('frames as events', () => {
  it.each([
    ['{"op":10,"d":{"heartbeat_interval":41250}}', { type: 'hello', heartbeatEveryMs: 41_250 }],
    ['{"op":11}', { type: 'ack' }],
    ['{"op":1}', { type: 'beat-wanted' }],
    ['{"op":7}', { type: 'reconnect-wanted' }],
    ['{"op":9,"d":false}', { type: 'invalid-session', resumable: false }],
  ])('%s', (raw, event) => {
    expect(readText(raw, 1)).toEqual({ kind: 'event', event, oddity: null });
  });

  it.each([
    ['READY', { session_id: 'S', user: { id: '1', username: 'bot' } }, 'ready'],
    ['RESUMED', '', 'resumed'],
    ['C2C_MESSAGE_CREATE', {}, 'dispatch'],
  ])('%s brings its text and time along', (t, d, type) => {
    const raw = dispatch(t, d);
    expect(readText(raw, 5)).toMatchObject({
      event: { type, received: { raw, receivedAt: 5, dispatch: { t, s: 7 } } },
    });
  });

  it('a Hello without a usable interval is taken, and told', () => {
    expect(readText('{"op":10,"d":{"heartbeat_interval":0}}', 1)).toMatchObject({
      event: { type: 'hello', heartbeatEveryMs: 30_000 },
      oddity: expect.stringContaining('interval'),
    });
  });

  it.each([
    ['READY without a session id', dispatch('READY', {}), null],
    ['READY without a session id', dispatch('READY', null), null],
    ['no JSON', 'surely no JSON {', null],
    ['a frame of 1048611 characters', dispatch('FEATURE', 'x'.repeat(1024 * 1024)), 7],
  ])('%s makes no sense', (why, raw, s) => {
    expect(readText(raw, 1)).toEqual({ kind: 'malformed', why, s });
  });
});

describe('ends as events', () => {
  it('keep code and words', () => {
    expect(readEnd({ kind: 'closed', code: 4009, reason: 'Session timed out', error: null })).toEqual({
      type: 'closed',
      code: 4009,
      reason: 'Session timed out',
    });
    expect(readEnd({ kind: 'closed', code: 1006, reason: '', error: new Error('Max payload') })).toMatchObject({
      reason: 'Max payload',
    });
    expect(readEnd({ kind: 'not-opened', error: new TransientError('TRANSPORT', 'refused') })).toEqual({
      type: 'not-opened',
      reason: 'refused',
    });
  });
});
