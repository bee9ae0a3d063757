import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bodiesOf } from '../../../../src/adapters/telegram/body.ts';
import { readMarkdown } from '../../../../src/adapters/telegram/markup/markdown.ts';
import { writeMarkup } from '../../../../src/adapters/telegram/markup/write.ts';

const html = (markdown: string) => writeMarkup(readMarkdown(markdown), 'HTML');
const v2 = (markdown: string) => writeMarkup(readMarkdown(markdown), 'MarkdownV2');

describe('Markdown', () => {
  it.each([
    ['plain & <simple>', 'plain &amp; &lt;simple&gt;', 'plain & <simple\\>'],
    ['**b** *i* ~~s~~ `c<`', '<b>b</b> <i>i</i> <s>s</s> <code>c&lt;</code>', '*b* _i_ ~s~ `c<`'],
    ['**b _bi_**', '<b>b <i>bi</i></b>', '*b _bi_*'],
    ['# Title!', '<b>Title!</b>', '*Title\\!*'],
    [
      '[a.b](https://x.y/(z)?q="1"&r)',
      '<a href="https://x.y/(z)?q=&quot;1&quot;&amp;r">a.b</a>',
      '[a\\.b](https://x.y/(z\\)?q="1"&r)',
    ],
    ['[local](/etc/passwd)', 'local', 'local'],
    ['- a\n- b', '• a\n• b', '• a\n• b'],
    ['3. a\n4. b', '3. a\n4. b', '3\\. a\n4\\. b'],
    ['- [x] done\n- [ ] open', '☑ done\n☐ open', '☑ done\n☐ open'],
    ['- a\n  - b', '• a\n  • b', '• a\n  • b'],
    ['> q\n> r', '<blockquote>q\nr</blockquote>', '>q\n>r'],
    ['a\n\nb\nc', 'a\n\nb\nc', 'a\n\nb\nc'],
    ['```py\nx = "`"\n```', '<pre><code class="language-py">x = "`"</code></pre>', '```py\nx = "\\`"```'],
    ['    indented', '<pre>indented</pre>', '```\nindented```'],
    ['snake_case_name', 'snake_case_name', 'snake\\_case\\_name'],
    ['a \\* b', 'a * b', 'a \\* b'],
    ['&lt;tag&gt; &#128512; &amp;', '&lt;tag&gt; 😀 &amp;', '<tag\\> 😀 &'],
    ['<b>not ours</b>', '&lt;b&gt;not ours&lt;/b&gt;', '<b\\>not ours</b\\>'],
    ['1\n\n---\n\n2', '1\n\n———\n\n2', '1\n\n———\n\n2'],
  ])('%j is shown as the platform shows such things', (markdown, asHtml, asV2) => {
    expect(html(markdown)).toBe(asHtml);
    expect(v2(markdown)).toBe(asV2);
  });

  it('tables become columns', () => {
    expect(readMarkdown('| a | number |\n|---|--:|\n| long cell | **1** |').text).toBe(
      'a         | number\n----------|-------\nlong cell |      1',
    );
  });

  it('quotations within quotations are one, as the platform knows no others', () => {
    expect(readMarkdown('> a\n> > b').marks.filter(({ kind }) => kind === 'quote')).toHaveLength(1);
  });

  it('nested beyond reason is text', () => {
    const nested = '>'.repeat(4_096);
    expect(readMarkdown(nested)).toEqual({ text: nested, marks: [] });
  });

  it('of any kind is read, with marks that are nested or apart and lie within the text', () => {
    const pieces = fc.constantFrom(
      '*',
      '**',
      '_',
      '`',
      '```\n',
      '> ',
      '- ',
      '1. ',
      '# ',
      '\n',
      '\n\n',
      '[',
      '](http://x)',
      '|',
      '~~',
      '&',
      '<',
      '\\',
      'word',
      ' ',
      '😀',
    );
    const markdown = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.array(pieces, { maxLength: 60 }).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(markdown, (source) => {
        const { text, marks } = readMarkdown(source);
        const open: number[] = [];
        let at = 0;
        for (const { offset, length } of marks) {
          expect(offset).toBeGreaterThanOrEqual(at);
          at = offset;
          while (open.length > 0 && (open.at(-1) ?? 0) <= offset) open.pop();
          const end = offset + length;
          expect(end).toBeLessThanOrEqual(open.at(-1) ?? text.length);
          open.push(end);
        }
        const plain = writeMarkup({ text, marks }, 'HTML').replace(/<[^>]*>/g, '');
        expect(plain.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')).toBe(text);
      }),
      { numRuns: 500 },
    );
  });
});

describe('what is sent', () => {
  const markdown = { format: 'markdown', parseMode: 'HTML' } as const;

  it('has markup only where there is some', () => {
    expect(bodiesOf('just text.', markdown)[0]).toEqual({ text: 'just text.' });
    expect(bodiesOf('**b**', markdown)).toEqual([{ text: '<b>b</b>', parse_mode: 'HTML' }, { text: 'b' }]);
    expect(bodiesOf('**b**', { ...markdown, format: 'plain' })[0]).toEqual({ text: '**b**' });
  });

  it('is the source where reading it would make it too long, or leave nothing', () => {
    const wide = `| a | b |\n|---|---|\n${'| x | long enough to pad the others |\n'.repeat(110)}`.slice(0, 4_096);
    const [body] = bodiesOf(wide, markdown);
    expect(body.text.length).toBeLessThanOrEqual(Math.max(4_096, wide.length));
    expect(bodiesOf('[x]: http://y', markdown)[0]).toEqual({ text: '[x]: http://y' });
  });

  it('never has more than the platform parses', () => {
    const [body] = bodiesOf('**&**'.repeat(800), markdown);
    expect(Buffer.byteLength(body.text)).toBeLessThanOrEqual(32_768);
    const [links] = bodiesOf(`[a](https://example.com/${'x'.repeat(60)}&&&&&&&&&&) `.repeat(45).trim(), markdown);
    expect(Buffer.byteLength(links.text)).toBeLessThanOrEqual(32_768);
  });
});
