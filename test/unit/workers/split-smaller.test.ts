import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitSmaller } from '../../../src/workers/split-smaller.ts';

describe('splitSmaller', () => {
  it.each([
    ['at an empty line', 'first paragraph\n\nsecond paragraph', ['first paragraph', 'second paragraph']],
    ['at a line', 'first line here\nsecond line here', ['first line here', 'second line here']],
    ['at a sentence', 'A sentence here. Another one.', ['A sentence here.', 'Another one.']],
    ['at a Chinese sentence', '这是第一句话。这是第二句。', ['这是第一句话。', '这是第二句。']],
    ['at a word', 'some words without end', ['some words', 'without end']],
    ['anywhere in need', 'abcdefgh', ['abcd', 'efgh']],
  ])('cuts %s', (_, text, expected) => {
    expect(splitSmaller(text)).toEqual(expected);
  });

  it('never cuts a surrogate pair', () => {
    expect(splitSmaller('a😀😀b').join('')).toBe('a😀😀b');
    expect(splitSmaller('😀')).toEqual(['😀']);
  });

  it('closes and opens again a code fence that it cuts, and keeps the indentation', () => {
    const code = '```ts\nif (a) {\n  one();\n  two();\n  three();\n}\n```';
    const [left = '', right = ''] = splitSmaller(code);
    expect(left.endsWith('\n```')).toBe(true);
    expect(right.startsWith('```ts\n')).toBe(true);
    expect(right).toContain('  t');
  });

  it('leaves alone what can not be cut', () => {
    expect(splitSmaller('x')).toEqual(['x']);
    expect(splitSmaller('')).toEqual(['']);
  });

  it('loses nothing but white space and makes pieces smaller', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 12, maxLength: 400, unit: 'grapheme' }), (text) => {
        fc.pre(!/[`~]/.test(text) && /\S/.test(text));
        const pieces = splitSmaller(text);
        const bare = (s: string) => s.replace(/\s/g, '');
        expect(bare(pieces.join(''))).toBe(bare(text));
        if (pieces.length === 2) for (const piece of pieces) expect(piece.length).toBeLessThan(text.length);
      }),
    );
  });
});
