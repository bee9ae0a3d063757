/**
 * MarkdownV2 and the older Markdown, as strict as the official parser and with its complaints (tdlib/td, MessageEntity.cpp:
 * parse_markdown_v2, parse_markdown; read 2026-11-22). The parsers only exist to judge what a bot sends.
 */
import type { MessageEntity } from '@grammyjs/types';
import type { FormattedText } from './formatted-text.ts';
import { byteOffset, MarkupFlaw } from './markup-flaw.ts';
import { linkEntity } from './markup-links.ts';

type V2Type =
  | 'bold'
  | 'italic'
  | 'underline'
  | 'strikethrough'
  | 'spoiler'
  | 'code'
  | 'pre'
  | 'link'
  | 'emoji'
  | 'quote';

/** As the official complaint names them. */
const officialNames: Readonly<Record<V2Type, string>> = {
  bold: 'Bold',
  italic: 'Italic',
  underline: 'Underline',
  strikethrough: 'Strikethrough',
  spoiler: 'Spoiler',
  code: 'Code',
  pre: 'Pre',
  link: 'TextUrl',
  emoji: 'CustomEmoji',
  quote: 'BlockQuote',
};

interface Open {
  readonly type: V2Type;
  /** In the source. */
  readonly at: number;
  /** In the result. */
  readonly offset: number;
  readonly language: string;
}

const reserved = '_*[]()~`>#+-=|{}.!';
const openers: ReadonlyArray<readonly [string, V2Type]> = [
  ['__', 'underline'],
  ['||', 'spoiler'],
  ['![', 'emoji'],
  ['_', 'italic'],
  ['*', 'bold'],
  ['~', 'strikethrough'],
  ['[', 'link'],
  ['`', 'code'],
];
const closers: Readonly<Record<Exclude<V2Type, 'quote'>, string>> = {
  bold: '*',
  italic: '_',
  underline: '__',
  strikethrough: '~',
  spoiler: '||',
  code: '`',
  pre: '```',
  link: ']',
  emoji: ']',
};

/** @throws MarkupFlaw */
export function parseMarkdownV2(source: string): FormattedText {
  return new MarkdownV2(source).parse();
}

class MarkdownV2 {
  readonly #source: string;
  readonly #entities: MessageEntity[] = [];
  readonly #open: Open[] = [];
  #at = 0;
  #text = '';

  constructor(source: string) {
    this.#source = source;
  }

  parse(): FormattedText {
    if (this.#sees('>')) this.#quote();
    while (this.#at < this.#source.length) this.#step();
    if (this.#open.at(-1)?.type === 'quote') this.#close();
    const unclosed = this.#open.at(-1);
    if (unclosed !== undefined) throw this.#unclosed(unclosed);
    return { text: this.#text, entities: this.#entities };
  }

  #step(): void {
    const inner = this.#open.at(-1);
    const char = this.#source[this.#at] as string;
    if (this.#isEscape(this.#at)) return this.#take(2, this.#source[this.#at + 1]);
    if (inner?.type === 'code' || inner?.type === 'pre') return this.#verbatim(inner);
    if (char === '\n') return this.#newLine();
    if (inner !== undefined && inner.type !== 'quote' && this.#closes(inner.type)) return this.#end(inner);
    if (this.#sees('```')) return this.#openPre();
    const opener = openers.find(([mark]) => this.#sees(mark));
    if (opener !== undefined) return this.#begin(opener[1], opener[0].length);
    if (reserved.includes(char))
      throw new MarkupFlaw(`Character '${char}' is reserved and must be escaped with the preceding '\\'`);
    this.#take(1, char);
  }

  /** A single underscore does not close italics where two stand: that is an underline. */
  #closes(type: Exclude<V2Type, 'quote'>): boolean {
    return type === 'italic' ? this.#sees('_') && !this.#sees('__') : this.#sees(closers[type]);
  }

  #verbatim(inner: Open): void {
    const mark = inner.type === 'pre' ? '```' : '`';
    if (this.#sees(mark)) return this.#end(inner);
    // A lone backtick in a block opens inline code there; the official parser does so, too.
    if (this.#sees('`')) return this.#begin('code', 1);
    this.#take(1, this.#source[this.#at]);
  }

  #newLine(): void {
    const goesOn = this.#source[this.#at + 1] === '>';
    const isQuoting = this.#open.some(({ type }) => type === 'quote');
    const inner = this.#open.at(-1);
    if (isQuoting && !goesOn) {
      if (inner !== undefined && inner.type !== 'quote') throw this.#unclosed(inner);
      // The line's end belongs to the quotation.
      this.#take(1, '\n');
      return this.#close();
    }
    this.#take(1, '\n');
    if (!goesOn) return;
    if (isQuoting) this.#at += 1;
    else this.#quote();
  }

  #quote(): void {
    this.#begin('quote', 1);
  }

  #openPre(): void {
    const start = this.#at;
    this.#at += 3;
    const language = /^[^\s`]+(?=\s)/.exec(this.#source.slice(this.#at))?.[0] ?? '';
    this.#at += language.length;
    const newLine = /^(?:\r\n|\n\r|\n|\r)/.exec(this.#source.slice(this.#at))?.[0] ?? '';
    this.#at += newLine.length;
    this.#open.push({ type: 'pre', at: start, offset: this.#text.length, language });
  }

  #begin(type: V2Type, marks: number): void {
    this.#open.push({ type, at: this.#at, offset: this.#text.length, language: '' });
    this.#at += marks;
  }

  #end(inner: Open): void {
    if (inner.type === 'link' || inner.type === 'emoji') {
      this.#at += 1;
      const url = this.#address(inner.type);
      this.#close(url);
      return;
    }
    this.#at += inner.type === 'quote' ? 0 : closers[inner.type].length;
    this.#close();
  }

  /** The (...) behind a link's text; without it the text itself is the address. */
  #address(type: 'link' | 'emoji'): string | null {
    if (!this.#sees('(')) {
      if (type === 'emoji') throw new MarkupFlaw('Custom emoji entity must contain a tg://emoji URL');
      return null;
    }
    const start = this.#at + 1;
    let url = '';
    for (let i = start; i < this.#source.length; i++) {
      if (this.#source[i] === ')') {
        this.#at = i + 1;
        return url;
      }
      if (this.#isEscape(i)) i++;
      url += this.#source[i];
    }
    const what = type === 'link' ? 'a URL' : 'a custom emoji URL';
    throw new MarkupFlaw(`Can't find end of ${what} at byte offset ${byteOffset(this.#source, start)}`);
  }

  #close(url: string | null = null): void {
    const { type, offset, language } = this.#open.pop() as Open;
    const span = { offset, length: this.#text.length - offset };
    const isEmoji = type === 'emoji';
    const emojiId = isEmoji ? customEmojiId(url ?? '') : '';
    if (span.length === 0) return;
    if (type === 'link') {
      const entity = linkEntity(url ?? this.#text.slice(offset), span);
      if (entity !== null) this.#entities.push(entity);
    } else if (isEmoji) this.#entities.push({ type: 'custom_emoji', custom_emoji_id: emojiId, ...span });
    else if (type === 'pre') this.#entities.push({ type: 'pre', ...span, ...(language === '' ? {} : { language }) });
    else this.#entities.push({ type: type === 'quote' ? 'blockquote' : type, ...span });
  }

  #unclosed(open: Open): MarkupFlaw {
    const name = open.type === 'pre' && open.language !== '' ? 'PreCode' : officialNames[open.type];
    return new MarkupFlaw(`Can't find end of ${name} entity at byte offset ${byteOffset(this.#source, open.at)}`);
  }

  #sees(mark: string): boolean {
    return this.#source.startsWith(mark, this.#at);
  }

  /** A backslash escapes any ASCII character. */
  #isEscape(at: number): boolean {
    const code = this.#source.charCodeAt(at + 1);
    return this.#source[at] === '\\' && code >= 1 && code <= 126;
  }

  #take(count: number, text = ''): void {
    this.#at += count;
    this.#text += text;
  }
}

function customEmojiId(url: string): string {
  const id = /^tg:\/\/emoji\?id=(\d+)$/.exec(url)?.[1];
  if (id === undefined) throw new MarkupFlaw('Custom emoji URL must have an emoji identifier');
  return id;
}

const oldTypes = { '*': 'bold', _: 'italic', '`': 'code' } as const;

/** The older mode: no nesting, and an unclosed mark is named by its place alone. @throws MarkupFlaw */
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
