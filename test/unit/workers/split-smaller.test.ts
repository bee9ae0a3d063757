import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitSmaller } from '../../../src/workers/split-smaller.ts';

describe('splitSmaller', () => {
  it.each([
    ['at an empty line', 'the first paragraph\n\nsecond paragraph', ['the first paragraph', 'second paragraph']],
    ['at a line', 'the first line here\nsecond line here', ['the first line here', 'second line here']],
    ['at a sentence', 'A sentence stands here. And another one.', ['A sentence stands here.', 'And another one.']],
    [
      'at a Chinese sentence',
      `${'这'.repeat(17)}。${'那'.repeat(15)}。`,
      [`${'这'.repeat(17)}。`, `${'那'.repeat(15)}。`],
    ],
    ['at a word', 'some long words here without any end', ['some long words here', 'without any end']],
    ['anywhere in need', 'abcdefgh'.repeat(5), ['abcdefghabcdefghabcdefgh', 'abcdefghabcdefgh']],
  ])('cuts %s', (_, text, expected) => {
    expect(splitSmaller(text)).toEqual(expected);
  });

  it('never cuts a surrogate pair', () => {
    const text = `a${'😀'.repeat(30)}b`;
    const pieces = splitSmaller(text);
    expect(pieces.join('')).toBe(text);
    for (const each of pieces) expect(each).not.toMatch(/\p{Surrogate}/u);
  });

  it('closes and opens again a code fence that it cuts, and keeps the indentation', () => {
    const code = `\`\`\`ts\nif (a) {\n${'  two();\n'.repeat(8)}}\n\`\`\``;
    const [left = '', right = ''] = splitSmaller(code);
    expect(left.endsWith('\n```')).toBe(true);
    expect(right.startsWith('```ts\n')).toBe(true);
    expect(right).toContain('  t');
  });

  it('makes pieces smaller also of one long line that opens a block (H2)', () => {
    const text = `\`\`\`${'a'.repeat(3_000)}\n${'b'.repeat(500)}`;
    const pieces = splitSmaller(text);
    expect(pieces.length).toBeLessThanOrEqual(3);
    for (const each of pieces) expect(each.length).toBeLessThan(0.7 * text.length);
  });

  it('leaves alone what is short', () => {
    expect(splitSmaller('x')).toEqual(['x']);
    expect(splitSmaller('')).toEqual(['']);
  });

  it('loses nothing but white space and makes pieces smaller', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 40, maxLength: 400, unit: 'grapheme' }), (text) => {
        fc.pre(!/[`~]/.test(text) && /\S/.test(text));
        const pieces = splitSmaller(text);
        const bare = (s: string) => s.replace(/\s/g, '');
        expect(bare(pieces.join(''))).toBe(bare(text));
        for (const piece of pieces) expect(piece.length).toBeLessThan(text.length);
      }),
    );
  });
});
