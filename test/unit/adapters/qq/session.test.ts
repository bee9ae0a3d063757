import { describe, expect, it } from 'vitest';
import {
  freshIdentifyDue,
  placeOf,
  readCursor,
  type Session,
  storedSeq,
  toCursor,
} from '../../../../src/adapters/qq/session.ts';

const scope = { appId: '102000001', intents: 1 << 25 };
const session: Session = {
  sessionId: '082ee18c',
  seq: 1337,
  gatewayUrl: 'wss://api.sgroup.qq.com/websocket/',
  user: { id: '6158788878435714165', name: 'bot' },
  identifiedAt: 1_763_800_000_000,
  unconfirmedResumes: 1,
};

describe('the stored session', () => {
  it('comes back as it was written, through JSON', () => {
    const cursor = JSON.parse(JSON.stringify(toCursor(session, scope)));
    expect(readCursor(cursor, scope)).toEqual({ session, gatewayUrl: session.gatewayUrl, gap: null });
  });

  it('names version, app id, intents and shard, and no secret', () => {
    expect(toCursor(session, scope)).toEqual({ v: 1, ...scope, shard: [0, 1], ...session });
  });

  it('is absent on the very first hold, which is no gap', () => {
    expect(readCursor(null, scope)).toEqual({ session: null, gatewayUrl: null, gap: null });
  });

  it('of another bot is not resumed', () => {
    const found = readCursor(toCursor(session, scope), { ...scope, appId: '102000002' });
    expect(found).toMatchObject({ session: null, gap: expect.stringContaining('another app id') });
  });

  it('with other intents is not resumed, but its gateway is remembered', () => {
    const found = readCursor(toCursor(session, scope), { ...scope, intents: 1 });
    expect(found).toMatchObject({
      session: null,
      gatewayUrl: session.gatewayUrl,
      gap: expect.stringContaining('intents'),
    });
  });

  it.each<[string, Record<string, unknown>]>([
    ['another version', { v: 2 }],
    ['a missing session id', { sessionId: undefined }],
    ['a sequence that is no number', { seq: '1337' }],
    ['a negative sequence', { seq: -1 }],
    ['a fractional sequence', { seq: 1.5 }],
    ['a URL that is no gateway', { gatewayUrl: 'https://example.org/' }],
    ['no URL at all', { gatewayUrl: 'nowhere' }],
  ])('with %s cannot be read, which is a gap', (_what, change) => {
    const cursor = JSON.parse(JSON.stringify({ ...(toCursor(session, scope) as object), ...change }));
    expect(readCursor(cursor, scope)).toMatchObject({
      session: null,
      gap: expect.stringContaining('could not be read'),
    });
  });

  it.each([['text'], [42], [true], [[1, 2]]])('that is just %j cannot be read, which is a gap', (cursor) => {
    expect(readCursor(cursor, scope)).toMatchObject({ session: null, gap: expect.any(String) });
  });
});

describe('the stored position', () => {
  it('is that of the stored cursor, and null while it is of another session', () => {
    expect(storedSeq(toCursor({ ...session, seq: 7 }, scope), session)).toBe(7);
    expect(storedSeq(toCursor({ ...session, sessionId: 'older' }, scope), session)).toBeNull();
    expect(storedSeq(null, session)).toBeNull();
    expect(storedSeq(toCursor(session, scope), null)).toBeNull();
  });
});

describe('the place of an event', () => {
  it.each([
    [8, { kind: 'next' }],
    [7, { kind: 'repeat' }],
    [3, { kind: 'back' }],
    [9, { kind: 'jump', missing: 1 }],
    [17, { kind: 'jump', missing: 9 }],
  ])('after 7, %i is %j', (s, place) => {
    expect(placeOf(7, s)).toEqual(place);
  });
});

describe('a planned fresh Identify', () => {
  const policy = { afterMs: 48 * 3_600_000, quietMs: 600_000 };
  it.each([
    ['an old session in a quiet chat', 49 * 3_600_000, 700_000, true],
    ['an old session in a busy chat', 49 * 3_600_000, 500_000, false],
    ['a young session in a quiet chat', 3_600_000, 700_000, false],
  ])('%s', (_what, ageMs, quietMs, due) => {
    expect(freshIdentifyDue(policy, ageMs, quietMs)).toBe(due);
  });

  it('can be turned off', () => {
    expect(freshIdentifyDue(null, 1e12, 1e12)).toBe(false);
  });
});
