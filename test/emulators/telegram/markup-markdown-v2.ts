/**
 * MarkdownV2, as strict as the official parser and with its complaints (tdlib/td, MessageEntity.cpp: parse_markdown_v2,
 * read 2026-11-22). It only exists to judge what a bot sends.
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

/** Anything but a quotation, which lines open and end rather than marks. */
type Inner = Open & { readonly type: Exclude<V2Type, 'quote'> };

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
const closers: Readonly<Record<Inner['type'], string>> = {
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
  /** Only marks stand between the line's start and here. */
  #isAtLineStart = true;

  constructor(source: string) {
    this.#source = source;
  }

  parse(): FormattedText {
    while (this.#at < this.#source.length) this.#step();
    if (this.#isQuoting) {
      const isExpandable = this.#takeExpansion();
      if (this.#open.at(-1)?.type === 'quote') this.#closeQuote(isExpandable);
    }
    const unclosed = this.#open.at(-1);
    if (unclosed !== undefined) throw this.#unclosed(unclosed);
    return { text: this.#text, entities: this.#entities };
  }

  #step(): void {
    const last = this.#open.at(-1);
    const inner = last !== undefined && isInner(last) ? last : undefined;
    const char = this.#source[this.#at] as string;
    if (this.#isEscape(this.#at)) return this.#take(2, this.#source[this.#at + 1]);
    if (inner?.type === 'code' || inner?.type === 'pre') return this.#verbatim(inner);
    if (char === '\n') return this.#newLine();
    if (inner !== undefined && this.#closes(inner.type)) return this.#end(inner);
    if (char === '>' && this.#isAtLineStart) return this.#quoteMark();
    if (this.#sees('```')) return this.#openPre();
    const opener = openers.find(([mark]) => this.#sees(mark));
    if (opener !== undefined) return this.#begin(opener[1], opener[0].length);
    if (reserved.includes(char))
      throw new MarkupFlaw(`Character '${char}' is reserved and must be escaped with the preceding '\\'`);
    this.#take(1, char);
  }

  /** A single underscore does not close italics where two stand: that is an underline. */
  #closes(type: Inner['type']): boolean {
    return type === 'italic' ? this.#sees('_') && !this.#sees('__') : this.#sees(closers[type]);
  }

  #verbatim(inner: Inner): void {
    const mark = inner.type === 'pre' ? '```' : '`';
    if (this.#sees(mark)) return this.#end(inner);
    // A lone backtick in a block opens inline code there; the official parser does so, too.
    if (this.#sees('`')) return this.#begin('code', 1);
    this.#take(1, this.#source[this.#at]);
    this.#isAtLineStart = false;
  }

  get #isQuoting(): boolean {
    return this.#open.some(({ type }) => type === 'quote');
  }

  #newLine(): void {
    const endsQuote = this.#isQuoting && this.#source[this.#at + 1] !== '>';
    if (!endsQuote) return this.#take(1, '\n');
    const isExpandable = this.#takeExpansion();
    const inner = this.#open.at(-1) as Open;
    if (inner.type !== 'quote') throw this.#unclosed(inner);
    // The line's end belongs to the quotation.
    this.#take(1, '\n');
    this.#closeQuote(isExpandable);
  }

  #quoteMark(): void {
    if (this.#isQuoting) this.#at += 1;
    else this.#begin('quote', 1);
  }

  /** Two bars that open nothing, at the very end of a quotation, say that it can be expanded. */
  #takeExpansion(): boolean {
    const inner = this.#open.at(-1);
    if (inner?.type !== 'spoiler' || this.#source.slice(inner.at + 2, this.#at).replace('\r', '') !== '') return false;
    this.#open.pop();
    return true;
  }

  #closeQuote(isExpandable: boolean): void {
    const { offset } = this.#open.pop() as Open;
    const type = isExpandable ? 'expandable_blockquote' : 'blockquote';
    if (this.#text.length > offset) this.#entities.push({ type, offset, length: this.#text.length - offset });
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

  #end(inner: Inner): void {
    if (inner.type === 'link' || inner.type === 'emoji') {
      this.#at += 1;
      const url = this.#address(inner.type);
      this.#close(url);
      return;
    }
    this.#at += closers[inner.type].length;
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
    const { type, offset, language } = this.#open.pop() as Inner;
    const span = { offset, length: this.#text.length - offset };
    const isEmoji = type === 'emoji';
    const emojiId = isEmoji ? customEmojiId(url ?? '') : '';
    if (span.length === 0) return;
    if (type === 'link') {
      const entity = linkEntity(url ?? this.#text.slice(offset), span);
      if (entity !== null) this.#entities.push(entity);
    } else if (isEmoji) this.#entities.push({ type: 'custom_emoji', custom_emoji_id: emojiId, ...span });
    else if (type === 'pre') this.#entities.push({ type: 'pre', ...span, ...(language === '' ? {} : { language }) });
    else this.#entities.push({ type, ...span });
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
    if (text !== '\r') this.#isAtLineStart = text === '\n';
  }
}

function isInner(open: Open): open is Inner {
  return open.type !== 'quote';
}

function customEmojiId(url: string): string {
  const id = /^tg:\/\/emoji\?id=(\d+)$/.exec(url)?.[1];
  if (id === undefined) throw new MarkupFlaw('Custom emoji URL must have an emoji identifier');
  return id;
}
