import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { qqOptionsSchema } from '../../../src/adapters/qq/options.ts';
import { createQqSender } from '../../../src/adapters/qq/outbound.ts';
import { splitText } from '../../../src/adapters/split.ts';

describe('a text that is too long', () => {
  it('stays whole when it fits, to the last character', () => {
    expect(splitText('x'.repeat(100), 100)).toEqual(['x'.repeat(100)]);
    expect(splitText('  padded  ', 100)).toEqual(['padded']);
    expect(splitText(' \n ', 100)).toEqual([]);
  });

  it('is cut between paragraphs first, then lines, then words', () => {
    expect(splitText(`${'a'.repeat(40)}\n\n${'b'.repeat(10)}\n${'c'.repeat(30)}`, 60)).toEqual([
      'a'.repeat(40),
      `${'b'.repeat(10)}\n${'c'.repeat(30)}`,
    ]);
    expect(splitText(`${'a'.repeat(40)}\n${'b'.repeat(10)} ${'c'.repeat(30)}`, 60)).toEqual([
      'a'.repeat(40),
      `${'b'.repeat(10)} ${'c'.repeat(30)}`,
    ]);
    expect(splitText(`${'a'.repeat(40)} ${'b'.repeat(40)}`, 60)).toEqual(['a'.repeat(40), 'b'.repeat(40)]);
  });

  it('does not waste a message on an early boundary', () => {
    expect(splitText(`a\n\n${'b'.repeat(100)}`, 60)[0]).toBe(`a\n\n${'b'.repeat(57)}`);
  });

  it('is never cut inside a character', () => {
    for (const each of splitText('😀'.repeat(40), 25)) expect(each).toMatch(/^(😀)+$/u);
    for (const each of splitText('e\u0301'.repeat(40), 25)) expect(each).toMatch(/^(e\u0301)+$/u);
    for (const each of splitText('👨‍👩‍👧'.repeat(10), 25)) expect(each).toMatch(/^(👨‍👩‍👧)+$/u);
  });

  it('closes a code block at the cut and opens it again', () => {
    const code = Array.from({ length: 10 }, (_, n) => `  line ${n};`).join('\n');
    const parts = splitText(`Look:\n\`\`\`ts\n${code}\n\`\`\`\nDone.`, 70);
    expect(parts.length).toBeGreaterThan(1);
    expect(parts[0]).toMatch(/^Look:\n```ts\n {2}line 0;[\s\S]*\n```$/);
    expect(parts[1]).toMatch(/^```ts\n {2}line/);
    expect(parts.at(-1)).toMatch(/Done\.$/);
    const lines = parts.flatMap((each) => each.split('\n').filter((line) => line.startsWith('  line')));
    expect(lines.join('\n')).toBe(code);
  });
});

const text = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 60 }),
      fc.constantFrom('\n', '\n\n', '```\n', '```ts\n', '~~~\n', '\n```\n', '    indented\n', '😀👍🏽', ' '),
    ),
    { maxLength: 60 },
  )
  .map((pieces) => pieces.join(''));

describe('whatever the text', () => {
  it('every part fits, none is blank, and nothing but blanks and fences is lost', () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 100, max: 300 }), (whole, limit) => {
        const parts = splitText(whole, limit);
        for (const each of parts) {
          expect(each.length).toBeLessThanOrEqual(limit);
          expect(each.trim()).not.toBe('');
        }
        const bare = (from: string) => from.replaceAll(/^ {0,3}(`{3,}|~{3,})[^\n`]*$/gm, '').replaceAll(/\s+/g, '');
        expect(bare(parts.join('\n'))).toBe(bare(whole));
      }),
      { numRuns: 300 },
    );
  });

  it('no part breaks a surrogate pair', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-composite', maxLength: 500 }), (whole) => {
        for (const each of splitText(whole, 100)) expect(each).not.toMatch(/\p{Surrogate}/u);
      }),
    );
  });
});

describe('the sender', () => {
  const options = qqOptionsSchema.parse({ appId: '1', maxTextLength: 100 });
  const none = () => Promise.reject(new Error('not here'));
  const { split } = createQqSender({ api: { post: none, gateway: none, acknowledgeInteraction: none }, options });

  it('keeps what exceeds the number of replies as overflow', () => {
    const { parts, overflow } = split('x'.repeat(450), 4);
    expect(parts.map((each) => each.length)).toEqual([100, 100, 100, 100]);
    expect(overflow.map((each) => each.length)).toEqual([50]);
    expect(split('x'.repeat(450), null)).toMatchObject({ overflow: [] });
    expect(split('x'.repeat(450), 0)).toMatchObject({ parts: [] });
  });
});
