/** What a text becomes in a send: with the platform's markup, and without. */

import { readMarkdown } from './markup/markdown.ts';
import { writeMarkup } from './markup/write.ts';
import type { TelegramOptions } from './options.ts';
import { LONGEST_MARKUP_BYTES } from './protocol.ts';

export interface Body {
  readonly text: string;
  readonly parse_mode?: 'HTML' | 'MarkdownV2';
}

/** The platform's own limit. It counts code points, of which there are never more than UTF-16 units. */
const LONGEST_TEXT = 4_096;

/** @returns what to send first, and what to send when its markup is refused; the same where there is no markup */
export function bodiesOf(
  source: string,
  { format, parseMode }: Pick<TelegramOptions, 'format' | 'parseMode'>,
): readonly [Body, Body] {
  const asWritten: Body = { text: source };
  if (format === 'plain') return [asWritten, asWritten];
  const formatted = readMarkdown(source);
  // Reading may lengthen a text (the columns of a table) or leave nothing of it (a lone definition).
  if (formatted.text.trim() === '' || formatted.text.length > LONGEST_TEXT) return [asWritten, asWritten];
  const plain: Body = { text: formatted.text };
  if (formatted.marks.length === 0) return [plain, plain];
  const markup = writeMarkup(formatted, parseMode);
  if (Buffer.byteLength(markup) > LONGEST_MARKUP_BYTES) return [plain, plain];
  return [{ text: markup, parse_mode: parseMode }, plain];
}
