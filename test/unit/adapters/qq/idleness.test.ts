import { beforeEach, describe, expect, it } from 'vitest';
import { Idleness } from '../../../../src/adapters/qq/idleness.ts';

const CUT = { cause: 'closed', code: 1006, reason: '', during: 'live', opNine: null } as const;
let now = 0;
let idleness: Idleness;

beforeEach(() => {
  now = 1_000;
  idleness = new Idleness({ now: () => now, monotonic: () => now });
});

describe('the silence at which a socket was cut', () => {
  it('is the running one when nothing of ours was unanswered', () => {
    idleness.received();
    now += 5_000;
    expect(idleness.cutAfterMs(CUT)).toBe(5_000);
  });

  it('is the one before our first unanswered send, when the way was dropped without a word', () => {
    idleness.received();
    now += 5_000;
    idleness.sent();
    now += 300;
    idleness.sent();
    now += 100;
    expect(idleness.cutAfterMs({ cause: 'zombie', reason: 'no pong' })).toBe(5_000);
    expect(idleness.cutAfterMs(CUT)).toBe(5_000);
  });

  it('is nothing when the platform closed it, or we did', () => {
    now += 5_000;
    expect(idleness.cutAfterMs({ ...CUT, code: 4009 })).toBeNull();
    expect(idleness.cutAfterMs({ cause: 'reconnect-wanted' })).toBeNull();
  });
});

describe('the longest silence that was outlived', () => {
  it('counts once the peer was heard again', () => {
    idleness.received();
    now += 8_000;
    idleness.sent();
    expect(idleness.outlivedMs).toBe(0);
    now += 20;
    idleness.received();
    expect(idleness.outlivedMs).toBe(8_000);
    now += 3_000;
    idleness.received();
    expect(idleness.outlivedMs).toBe(8_000);
  });
});
