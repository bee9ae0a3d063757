/**
 * Markdown → text with marks, the way a chat shows it: headings are bold lines, lists have bullets, tables become columns
 * of a fixed-width block. HTML in it is shown as it was written. Never fails: what is no Markdown is text.
 */
import { marked, type Token, type Tokens } from 'marked';
import { type Formatted, FormattedBuilder } from './formatted.ts';
import { columnsOf } from './table.ts';

export function readMarkdown(source: string): Formatted {
  const out = new FormattedBuilder();
  try {
    addBlocks(out, marked.lexer(source), '');
  } catch (error) {
    // The lexer calls itself for each level: a thousand nested quotations or lists are too much for the stack.
    if (error instanceof RangeError) return { text: source, marks: [] };
    throw error;
  }
  return out.build();
}

/** @param indent - of the lines inside a list */
function addBlocks(out: FormattedBuilder, tokens: readonly Token[], indent: string, tight = false): void {
  let first = true;
  for (const token of tokens as readonly MarkedBlock[]) {
    if (token.type === 'space' || token.type === 'def' || token.type === 'checkbox') continue;
    if (!first) out.add(tight ? `\n${indent}` : `\n\n${indent}`);
    first = false;
    addBlock(out, token, indent);
  }
}

type MarkedBlock =
  | Tokens.Space
  | Tokens.Def
  | Tokens.Checkbox
  | Tokens.Heading
  | Tokens.Paragraph
  | Tokens.List
  | Tokens.Blockquote
  | Tokens.Code
  | Tokens.Table
  | Tokens.Hr
  | Tokens.HTML
  | Tokens.Text;

function addBlock(out: FormattedBuilder, token: MarkedBlock, indent: string): void {
  switch (token.type) {
    case 'heading':
      return out.mark({ kind: 'bold' }, () => addInline(out, token.tokens, indent));
    case 'paragraph':
      return addInline(out, token.tokens, indent);
    case 'list':
      return addList(out, token, indent);
    case 'blockquote':
      return out.mark({ kind: 'quote' }, () => addBlocks(out, token.tokens, indent));
    case 'code':
      return out.mark({ kind: 'pre', language: languageOf(token.lang) }, () => out.add(token.text));
    case 'table':
      return out.mark({ kind: 'pre', language: null }, () => out.add(columnsOf(token)));
    case 'hr':
      return out.add('———');
    case 'text':
      return token.tokens === undefined ? out.add(decode(token.text)) : addInline(out, token.tokens, indent);
    default:
      // HTML, and whatever a later version brings.
      return out.add(token.raw.trimEnd());
  }
}

function addList(out: FormattedBuilder, { items, ordered, start, loose }: Tokens.List, indent: string): void {
  for (const [index, item] of items.entries()) {
    if (index > 0) out.add(`${loose ? '\n\n' : '\n'}${indent}`);
    const bullet = ordered ? `${Number(start) + index}. ` : item.task ? `${item.checked === true ? '☑' : '☐'} ` : '• ';
    out.add(bullet);
    addBlocks(out, item.tokens, `${indent}  `, !item.loose);
  }
}

type MarkedInline =
  | Tokens.Strong
  | Tokens.Em
  | Tokens.Del
  | Tokens.Codespan
  | Tokens.Link
  | Tokens.Image
  | Tokens.Br
  | Tokens.Escape
  | Tokens.Text;

function addInline(out: FormattedBuilder, tokens: readonly Token[], indent: string): void {
  for (const token of tokens as readonly MarkedInline[]) {
    const inside = () => addInline(out, 'tokens' in token ? (token.tokens ?? []) : [], indent);
    switch (token.type) {
      case 'strong':
        out.mark({ kind: 'bold' }, inside);
        break;
      case 'em':
        out.mark({ kind: 'italic' }, inside);
        break;
      case 'del':
        out.mark({ kind: 'strike' }, inside);
        break;
      case 'codespan':
        out.mark({ kind: 'code' }, () => out.add(decode(token.text)));
        break;
      case 'link':
        addLink(out, token.href, inside);
        break;
      case 'image':
        addLink(out, token.href, () => out.add(token.text === '' ? token.href : decode(token.text)));
        break;
      case 'br':
        out.add(`\n${indent}`);
        break;
      case 'escape':
        out.add(token.text);
        break;
      case 'text':
        if (token.tokens === undefined) out.add(decode(token.text));
        else inside();
        break;
      default:
        out.add((token as Token).raw);
    }
  }
}

/** Only what a chat may open; other targets leave the words alone. */
function addLink(out: FormattedBuilder, href: string, words: () => void): void {
  if (/^(https?|tg|mailto):/i.test(href)) out.mark({ kind: 'link', url: href }, words);
  else words();
}

/** The first word after the fence, if it can be a name. */
function languageOf(info: string | undefined): string | null {
  const [name = ''] = (info ?? '').split(/\s/);
  return /^[\w+#.-]{1,32}$/.test(name) ? name : null;
}

const NAMED: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
  ['nbsp', '\u00a0'],
]);

/** The lexer leaves character references to whoever writes HTML. */
function decode(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(amp|lt|gt|quot|apos|nbsp));/gi, (whole, dec, hex, name) => {
    if (name !== undefined) return NAMED.get(String(name).toLowerCase()) ?? whole;
    const point = dec === undefined ? Number.parseInt(hex, 16) : Number(dec);
    return point > 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff) ? String.fromCodePoint(point) : whole;
  });
}
