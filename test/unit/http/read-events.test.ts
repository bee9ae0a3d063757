import { describe, expect, it } from 'vitest';
import { AnswerTooLong } from '../../../src/http/http-failure.ts';
import { readEvents } from '../../../src/http/read-events.ts';

async function* pieces(text: string | Buffer, length: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text as string);
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

async function eventsOf(body: AsyncIterable<Uint8Array>, mostLineLength = 1_000): Promise<string[]> {
  const events: string[] = [];
  for await (const data of readEvents(body, { what: 'test', mostLineLength })) events.push(data);
  return events;
}

describe('server-sent events', () => {
  it.each([1, 2, 3, 7, 1_000])('are the same in pieces of %i bytes, whatever ends their lines', async (length) => {
    for (const end of ['\n', '\r', '\r\n']) {
      const lines = [
        '\ufeffdata: first',
        '',
        ': a comment',
        '',
        'event: named',
        'data:no space',
        'data:  two spaces 🌍',
        'id: 7',
        'retry: 1',
        'unknown',
        '',
        'data',
        '',
        'data: the last one, without an end',
      ];
      expect(await eventsOf(pieces(lines.join(end), length))).toEqual([
        'first',
        'no space\n two spaces 🌍',
        '',
        'the last one, without an end',
      ]);
    }
  });

  it.each([
    ['a line', 'data: '.padEnd(1_001, 'x')],
    ['a comment', ': '.padEnd(1_001, 'x')],
    ['the data of one event', 'data: 0123456789\n'.repeat(100)],
  ])('end where %s is longer than allowed', async (_, text) => {
    for (const length of [1, 64, 10_000]) {
      await expect(eventsOf(pieces(text, length))).rejects.toThrow(
        new AnswerTooLong('test: a line of the stream is longer than 1000 characters'),
      );
    }
  });

  it.each([
    ['a line in tiny pieces', 8, (bytes: number) => `data: ${'x'.repeat(bytes)}`],
    ['empty lines', 65_536, (bytes: number) => '\n'.repeat(bytes)],
    [
      'empty lines before another end of line',
      65_536,
      (bytes: number) => `${'\n'.repeat(65_535)}\r`.repeat(bytes / 65_536),
    ],
    ['lines of an event that has none', 65_536, (bytes: number) => 'event: x\n'.repeat(bytes / 9)],
    ['carriage returns', 65_536, (bytes: number) => '\r'.repeat(bytes)],
  ])('cost time linear in the bytes: %s (H3)', async (_, length, textOf) => {
    const timeOf = async (bytes: number) => {
      const text = textOf(bytes);
      const began = performance.now();
      await eventsOf(pieces(text, length), 16 * 1024 * 1024);
      return performance.now() - began;
    };
    const bytes = 2 ** 18;
    await timeOf(bytes);
    const [short, long] = [await timeOf(bytes), await timeOf(8 * bytes)];
    // Eight times as much; a quadratic reader would take 64 times as long.
    expect(long).toBeLessThan(40 * short + 100);
  });
});
