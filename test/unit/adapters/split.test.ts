import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fenceAtEnd } from '../../../src/adapters/code-fence.ts';
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

/** What an attacker or a chatty model writes: fences of all kinds, everywhere. */
const piece = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.constantFrom(
    '\n',
    '\n\n',
    '```\n',
    '```ts\n',
    '~~~\n',
    '\n```\n',
    '    indented\n',
    '😀👍🏽',
    ' ',
    '\t',
    '`',
    '> ',
  ),
  fc
    .tuple(
      fc.constantFrom('', '\n'),
      fc.constantFrom('', '  ', '   ', '    ', '\t', '> ', '>', '> > ', '- ', '1. ', '- > ', '      '),
      fc.constantFrom('`', '~'),
      fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 8, max: 700 })),
      fc.oneof(
        fc.constantFrom('', 'js', 'c++', ' python extra', 'a`b', '  '),
        fc.nat(400).map((n) => 'i'.repeat(n)),
      ),
      fc.constantFrom('', '\n', ' '),
    )
    .map(([before, prefix, sign, n, info, after]) => `${before}${prefix}${sign.repeat(n)}${info}${after}`),
  fc
    .tuple(fc.constantFrom('x', 'xy ', '>', '\n', ' ', '😀', 'e\u0301', '- '), fc.nat(500))
    .map(([s, n]) => s.repeat(n)),
);
const text = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));

/** What is shown of a text beside signs of fences and quotations and blanks. */
const bare = (from: string) => from.replaceAll(/[`~>\s]/g, '');

function isSubsequence(needle: string, hay: string): boolean {
  let at = 0;
  for (const sign of needle) {
    at = hay.indexOf(sign, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

describe('whatever the text', () => {
  it('parts are few, fit, are not blank, are balanced, and nothing but blanks and fences is lost (H2, G08)', () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 16, max: 300 }), (whole, limit) => {
        const parts = splitText(whole, limit);
        for (const each of parts) {
          expect(each.length).toBeLessThanOrEqual(limit);
          expect(each.trim()).not.toBe('');
          expect(each).not.toMatch(/\p{Surrogate}/u);
          if (parts.length > 1 && limit >= 100) expect(fenceAtEnd(each)).toBe(null);
        }
        expect(parts.length).toBeLessThanOrEqual(2 * Math.ceil(whole.length / limit) + 2);
        const [before, after] = [bare(whole), bare(parts.join('\n'))];
        expect(isSubsequence(before, after)).toBe(true);
        // No more is added than a language per part.
        expect(after.length - before.length).toBeLessThanOrEqual(32 * parts.length);
      }),
      { numRuns: 1_000 },
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

/** Another reading than ours, as simple as can be: fences come in pairs, whatever stands before them. */
function fencesAreEven(part: string): boolean {
  return part.split('\n').filter((line) => /^[\s>]*(?:[-*] )?(?:`{3,}|~{3,})/.test(line)).length % 2 === 0;
}

describe('a code block that is cut', () => {
  it.each([
    ['of backticks', '', '```ts'],
    ['of tildes', '', '~~~ts'],
    ['of five backticks', '', '`````ts'],
    ['in a list', '   ', '```ts'],
    ['in a list of a list', '      ', '~~~~ts'],
    ['in a quotation', '> ', '```ts'],
    ['in a quotation of a quotation', '> > ', '~~~ts'],
    ['with a title behind its language', '', '```ts title="a.ts"'],
  ])('%s is balanced in each part, and goes on as what it is (H2, G08)', (_, prefix, opening) => {
    const mark = /[`~]+/.exec(opening)?.[0] ?? '';
    const code = Array.from({ length: 60 }, (__, n) => `${prefix}const value${n} = ${n};`);
    const lines = ['Before.', '', `${prefix}${opening}`, ...code, `${prefix}${mark}`, '', 'After.'];
    const parts = splitText(lines.join('\n'), 400);
    expect(parts.length).toBeGreaterThan(3);
    for (const part of parts) expect(fencesAreEven(part)).toBe(true);
    for (const part of parts.slice(1, -1)) {
      expect(part.split('\n')[0]).toBe(`${prefix}${mark}ts`);
      expect(part.split('\n').at(-1)).toBe(`${prefix}${mark}`);
    }
    const values = parts.flatMap((part) => part.split('\n').filter((line) => line.includes('const value')));
    expect(values).toEqual(code);
    expect(parts.at(-1)).toMatch(/After\.$/);
  });

  it('keeps a line that is cut within its quotation', () => {
    const parts = splitText(`> \`\`\`\n> ${'x'.repeat(500)}\n> \`\`\``, 200);
    for (const part of parts) for (const line of part.split('\n')) expect(line).toMatch(/^> (```|x+)$/);
    expect(parts.join('').replaceAll(/[^x]/g, '')).toHaveLength(500);
  });

  it('is not closed by a fence of another kind, nor by a shorter one', () => {
    const parts = splitText(`\`\`\`\`md\n${'```\n~~~\n'.repeat(60)}\`\`\`\`\nafter`, 200);
    for (const part of parts) expect(part.startsWith('````md\n')).toBe(true);
  });

  it('is not opened again only to be closed', () => {
    const parts = splitText(`${'words '.repeat(15)}\n\`\`\`ts\n${'c'.repeat(90)}\n\`\`\`\n${'more '.repeat(30)}`, 200);
    for (const part of parts) expect(part).not.toMatch(/```ts\n```/);
  });
});

describe('an opening line as long as a message', () => {
  it.each([
    ['a language of 2000 signs', `\`\`\`${'a'.repeat(1_996)}\n${'b'.repeat(4_000)}`, 2_000],
    ['JSON behind the fence', `\`\`\`{"a":[${'"x",'.repeat(1_600)}"x"]}${'\nmore text\n'.repeat(50)}\`\`\``, 4_096],
    ['a fence of 3000 tildes', `${'~'.repeat(3_000)}\n${'word '.repeat(600)}`, 2_000],
    ['a fence of 3000 backticks in a quotation', `> ${'`'.repeat(3_000)}\n> ${'word '.repeat(600)}`, 2_000],
    ['950 KB of it', `\`\`\`${'a'.repeat(2_000)}\n${'b'.repeat(950_000)}`, 2_000],
  ])('is not repeated: %s (H2, G08)', (_, whole, limit) => {
    const parts = splitText(whole, limit);
    expect(parts.length).toBeLessThanOrEqual(2 * Math.ceil(whole.length / limit) + 2);
    expect(parts.join('').length).toBeLessThan(1.1 * whole.length + 100 * parts.length);
    for (const part of parts) {
      expect(part.length).toBeLessThanOrEqual(limit);
      expect(fencesAreEven(part)).toBe(true);
    }
  });

  it.each(['x', '\nx', '```\n', '> ```\n', '- ~~~\n', '~', '`', ' x', '😀', '\u0301', '> ', '~~~~ a`\n'])(
    'takes time linear in the text: 4 MiB of %j (H2)',
    (unit) => {
      const startedAt = performance.now();
      const parts = splitText(`a${unit.repeat(Math.ceil(4_194_304 / unit.length))}`, 2_000);
      // The square of it would be minutes.
      expect(performance.now() - startedAt).toBeLessThan(15_000);
      expect(parts.length).toBeLessThanOrEqual(2 * Math.ceil(4_194_320 / 2_000) + 2);
    },
    20_000,
  );
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
