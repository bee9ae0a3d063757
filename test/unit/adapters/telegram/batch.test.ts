import { describe, expect, it } from 'vitest';
import { readAnswer } from '../../../../src/adapters/telegram/api.ts';
import { updatesOf } from '../../../../src/adapters/telegram/batch.ts';
import { readUpdate } from '../../../../src/adapters/telegram/read-update.ts';

const options = { self: { id: 7, username: 'bot' }, groups: 'all' } as const;
const good = (id: number) =>
  `{"update_id":${id},"message":{"message_id":1,"chat":{"id":5,"type":"private"},"text":"t${id}"}}`;

function read(text: string) {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {}
  const updates = updatesOf(readAnswer('getUpdates', { status: 200, headers: {}, text, json, retryAfterMs: null }));
  return 'kind' in updates ? updates.kind : updates.map((one) => readUpdate(one, options, 1_000));
}
const answer = (...updates: string[]) => `{"ok":true,"result":[${updates.join(',')}]}`;

describe('one update that cannot be read', () => {
  it.each([
    ['deep', `{"update_id":2,"message":${'['.repeat(200_000)}${']'.repeat(200_000)}}`],
    ['broken', '{"update_id":2,"message":{"text":"x"}'],
    ['no JSON', '{"update_id":2,"message":nothing}'],
  ])('stands aside with its text and its id, and those around it are read: %s (H8)', (_, broken) => {
    for (const order of [
      [good(1), broken, good(3)],
      [broken, good(1), good(3)],
      [good(1), good(3), broken],
    ]) {
      const events = read(answer(...order));
      expect(events).toMatchObject(
        order.map((one) =>
          one === broken
            ? { id: 2, event: { kind: 'malformed', raw: broken.slice(0, 65_536) } }
            : { event: { kind: 'message' } },
        ),
      );
    }
  });

  it('is no news where the answer was cut short: it comes again whole (H8)', () => {
    const whole = answer(good(1), good(2));
    for (let length = 0; length < whole.length; length += 1) expect(read(whole.slice(0, length))).toBe('garbled');
  });
});
