import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { printable, printableJson } from '../../../src/text/printable.ts';

describe('what a terminal is shown (M4)', () => {
  it.each([
    ['plain text, ümläuts, 中文, 😀', 'plain text, ümläuts, 中文, 😀'],
    ['two\nlines\r\nand\rmore', 'two ⏎ lines ⏎ and ⏎ more'],
    ['a\ttab', 'a tab'],
    ['\u001b[31mred\u001b[0m', '\\u{1b}[31mred\\u{1b}[0m'],
    ['C1: \u009b31m', 'C1: \\u{9b}31m'],
    ['bidi \u202etxet', 'bidi \\u{202e}txet'],
    ['zero\u200bwidth\ufeff', 'zero\\u{200b}width\\u{feff}'],
    ['tag \u{e0041}', 'tag \\u{e0041}'],
    ['separator \u2028', 'separator \\u{2028}'],
    ['lone \ud83d', 'lone \\u{d83d}'],
  ])('%j', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('has no control or format character left, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
      }),
    );
  });

  it('as JSON is the same value, without such a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const json = printableJson(JSON.stringify({ text, more: [text] }));
        expect(json).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
        expect(JSON.parse(json)).toEqual({ text, more: [text] });
      }),
    );
  });
});
