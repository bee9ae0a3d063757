/**
 * The older Markdown mode with the official complaints (tdlib/td, MessageEntity.cpp: parse_markdown, read 2026-11-22). It
 * knows no nesting, and names an unclosed mark by its place alone.
 */
import type { MessageEntity } from '@grammyjs/types';
import type { FormattedText } from './formatted-text.ts';
import { byteOffset, MarkupFlaw } from './markup-flaw.ts';
import { linkEntity } from './markup-links.ts';

const oldTypes = { '*': 'bold', _: 'italic', '`': 'code' } as const;

/** @throws MarkupFlaw */
export function parseMarkdown(source: string): FormattedText {
  const entities: MessageEntity[] = [];
  let text = '';
  let at = 0;
  while (at < source.length) {
    const char = source[at] as string;
    if (char === '\\' && '_*`['.includes(source[at + 1] ?? ' ')) {
      text += source[at + 1];
      at += 2;
      continue;
    }
    if (!'_*`['.includes(char)) {
      text += char;
      at += 1;
      continue;
    }
    const isPre = source.startsWith('```', at);
    const mark = isPre ? '```' : char === '[' ? ']' : char;
    const start = at + (isPre ? 3 : 1);
    const end = source.indexOf(mark, start);
    if (end === -1)
      throw new MarkupFlaw(`Can't find end of the entity starting at byte offset ${byteOffset(source, at)}`);
    const language = isPre ? (/^[^\s`]+(?=\s)/.exec(source.slice(start, end))?.[0] ?? '') : '';
    const inner = source.slice(start + language.length, end);
    const content = isPre ? inner.replace(/^(?:\r\n|\n\r|\n|\r)/, '') : inner;
    const span = { offset: text.length, length: content.length };
    text += content;
    at = end + mark.length;
    if (char === '[') {
      const address = source[at] === '(' ? source.slice(at + 1, endOfAddress(source, at)) : null;
      if (address !== null) at = endOfAddress(source, at) + 1;
      const entity = linkEntity(address ?? content, span);
      if (entity !== null && span.length > 0) entities.push(entity);
    } else if (span.length > 0) {
      if (isPre) entities.push({ type: 'pre', ...span, ...(language === '' ? {} : { language }) });
      else entities.push({ type: oldTypes[char as keyof typeof oldTypes], ...span });
    }
  }
  return { text, entities };
}

function endOfAddress(source: string, at: number): number {
  const end = source.indexOf(')', at);
  return end === -1 ? source.length : end;
}
