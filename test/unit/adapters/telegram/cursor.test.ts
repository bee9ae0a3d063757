import { describe, expect, it } from 'vitest';
import { expiredBecause, readCursor, storedOffset, toCursor } from '../../../../src/adapters/telegram/cursor.ts';

const HOUR = 3_600_000;

describe('the stored position', () => {
  it('comes back as it was, for the same bot', () => {
    const cursor = toCursor({ offset: 42, polledAt: 7 }, '77');
    expect(readCursor(cursor, '77')).toEqual({
      position: { offset: 42, polledAt: 7 },
      gap: null,
      allowedChanged: false,
    });
    expect(storedOffset(cursor, '77')).toBe(42);
  });

  it.each([null, undefined, 'x', 4, [], { v: 2 }, { v: 1, botId: '77', offset: -1, allowed: '', polledAt: 0 }])(
    'that cannot be read asks for everything the platform has: %j',
    (cursor) => {
      expect(storedOffset(cursor as never, '77')).toBeNull();
    },
  );

  it('of another bot is none, and no gap', () => {
    const cursor = toCursor({ offset: 42, polledAt: 7 }, '1');
    expect(readCursor(cursor, '77')).toEqual({ position: null, gap: null, allowedChanged: false });
  });

  it('is too old when the platform has thrown away what followed it', () => {
    expect(expiredBecause(0, 23 * HOUR)).toBeNull();
    expect(expiredBecause(0, 25 * HOUR)).toMatch(/nobody polled for 25 h/);
  });
});
