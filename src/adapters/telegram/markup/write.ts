/**
 * Text with marks → the platform's markup. What must be escaped, and where, differs between text, code and links.
 *
 * @see reference, "Formatting options"; tdlib/td, `MessageEntity.cpp` (parse_html, parse_markdown_v2), read 2026-11-22
 */
import type { Formatted, Mark } from './formatted.ts';

export type ParseMode = 'HTML' | 'MarkdownV2';

interface Syntax {
  open(mark: Mark): string;
  close(mark: Mark): string;
  /** @param inside - the marks around this stretch, outermost first */
  escape(text: string, inside: readonly Mark[]): string;
}

export function writeMarkup(formatted: Formatted, mode: ParseMode): string {
  return write(formatted, mode === 'HTML' ? html : markdownV2);
}

/** Walks the marks, which are nested or apart, and writes each stretch between two borders. */
function write({ text, marks }: Formatted, syntax: Syntax): string {
  const inside: Mark[] = [];
  let written = '';
  let at = 0;
  const upTo = (end: number) => {
    written += syntax.escape(text.slice(at, end), inside);
    at = end;
  };
  const closeUntil = (limit: number) => {
    for (let last = inside.at(-1); last !== undefined && endOf(last) <= limit; last = inside.at(-1)) {
      upTo(endOf(last));
      inside.pop();
      written += syntax.close(last);
    }
  };
  for (const mark of marks) {
    closeUntil(mark.offset);
    upTo(mark.offset);
    written += syntax.open(mark);
    inside.push(mark);
  }
  closeUntil(text.length);
  upTo(text.length);
  return written;
}

function endOf({ offset, length }: Mark): number {
  return offset + length;
}

const HTML_TAGS = { bold: 'b', italic: 'i', strike: 's', code: 'code', quote: 'blockquote' } as const;

const html: Syntax = {
  open(mark) {
    switch (mark.kind) {
      case 'link':
        return `<a href="${escapeHtml(mark.url).replaceAll('"', '&quot;')}">`;
      case 'pre':
        return mark.language === null ? '<pre>' : `<pre><code class="language-${mark.language}">`;
      default:
        return `<${HTML_TAGS[mark.kind]}>`;
    }
  },
  close(mark) {
    switch (mark.kind) {
      case 'link':
        return '</a>';
      case 'pre':
        return mark.language === null ? '</pre>' : '</code></pre>';
      default:
        return `</${HTML_TAGS[mark.kind]}>`;
    }
  },
  escape: escapeHtml,
};

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

const V2_SIGNS = { bold: '*', italic: '_', strike: '~', code: '`', quote: '' } as const;

const markdownV2: Syntax = {
  open(mark) {
    switch (mark.kind) {
      case 'link':
        return '[';
      case 'pre':
        return `\`\`\`${mark.language ?? ''}\n`;
      case 'quote':
        return '>';
      default:
        return V2_SIGNS[mark.kind];
    }
  },
  close(mark) {
    switch (mark.kind) {
      case 'link':
        return `](${mark.url.replace(/[)\\]/g, '\\$&')})`;
      case 'pre':
        // A line feed before it would be shown.
        return '```';
      default:
        return V2_SIGNS[mark.kind];
    }
  },
  escape(text, inside) {
    const isCode = inside.some(({ kind }) => kind === 'code' || kind === 'pre');
    const escaped = isCode ? text.replace(/[`\\]/g, '\\$&') : text.replace(/[_*[\]()~`>#+\-=|{}.!\\]/g, '\\$&');
    // Each line of a quotation begins with its sign.
    return inside.some(({ kind }) => kind === 'quote') ? escaped.replaceAll('\n', '\n>') : escaped;
  },
};
