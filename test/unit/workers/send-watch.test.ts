import { expect, it } from 'vitest';
import { connectionId, type SendOutcome } from '../../../src/model.ts';
import { SendWatch } from '../../../src/workers/send-watch.ts';

const A = connectionId('tg-a');
const refused: SendOutcome = { kind: 'rejected', code: '403', reason: 'bot was blocked by the user' };
const sent: SendOutcome = { kind: 'sent', platformId: '1' };

it('tells of a connection whose last sends have all failed, and no more once one was taken', () => {
  let now = 0;
  const watch = new SendWatch({ monotonic: () => now });
  watch.saw(A, refused);
  watch.saw(A, { kind: 'retry', afterMs: null, code: 'http-500', reason: 'HTTP 500' });
  expect(watch.failing()).toEqual([]);
  now = 2_000;
  watch.saw(A, refused);
  now = 3_000;
  expect(watch.failing()).toEqual([
    { connection: A, count: 3, code: '403', reason: refused.reason, forMs: 3_000, agoMs: 1_000 },
  ]);
  watch.saw(A, { kind: 'rate-limited', afterMs: 5_000, bucket: 'b', code: '429', reason: 'slow down' });
  expect(watch.failing()).toHaveLength(1);
  watch.saw(A, sent);
  expect(watch.failing()).toEqual([]);
});

it('tells of a bounded number, the worst first', () => {
  const watch = new SendWatch({ monotonic: () => 0 });
  for (let n = 0; n < 50; n += 1) {
    for (let times = 0; times < 3 + (n % 7); times += 1) watch.saw(connectionId(`c-${n}`), refused);
  }
  const told = watch.failing();
  expect(told).toHaveLength(20);
  expect(told[0]?.count).toBe(9);
});
