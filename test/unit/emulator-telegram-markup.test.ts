/** The emulator's judges of markup, against the escaping rules of the Bot API reference. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseHtml } from '../emulators/telegram/markup-html.ts';
import { parseMarkdownV2 } from '../emulators/telegram/markup-markdown-v2.ts';

/** "Formatting options": these must be escaped outside of entities; inside code and pre just two of them. */
const everywhere = /[_*[\]()~`>#+\-=|{}.!\\]/g;
const inCode = /[`\\]/g;
const hard = fc
  .array(fc.oneof(fc.constantFrom(...'_*[]()~`>#+-=|{}.!\\\n\r<&"ü😀'), fc.string()))
  .map((parts) => parts.join(''));
const html = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

describe('MarkdownV2', () => {
  it('gives escaped text back as it was, without entities', () => {
    fc.assert(
      fc.property(hard, (text) => {
        expect(parseMarkdownV2(text.replace(everywhere, '\\$&'))).toEqual({ text, entities: [] });
      }),
    );
  });

  it('gives escaped code and blocks back as one entity over all of it', () => {
    fc.assert(
      fc.property(hard, (text) => {
        // A line feed and a return in a row are one line's end to the parser, and a block's first one is dropped.
        fc.pre(!text.startsWith('\r'));
        const escaped = text.replace(inCode, '\\$&');
        const length = text.length;
        const code = length === 0 ? [] : [{ type: 'code', offset: 0, length }];
        expect(parseMarkdownV2(`\`${escaped}\``)).toEqual({ text, entities: code });
        const pre = length === 0 ? [] : [{ type: 'pre', offset: 0, length, language: 'ts' }];
        expect(parseMarkdownV2(`\`\`\`ts\n${escaped}\`\`\``)).toEqual({ text, entities: pre });
      }),
    );
  });
});

describe('HTML', () => {
  it('gives escaped text back as it was, inside and outside of tags', () => {
    fc.assert(
      fc.property(hard, hard, (outside, inside) => {
        const { text, entities } = parseHtml(`${html(outside)}<b>${html(inside)}</b>`);
        expect(text).toBe(outside + inside);
        const bold = { type: 'bold', offset: outside.length, length: inside.length };
        expect(entities).toEqual(inside === '' ? [] : [bold]);
      }),
    );
  });
});
