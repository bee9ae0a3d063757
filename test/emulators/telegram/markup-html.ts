/**
 * The HTML parse mode, as strict as the official parser and with its complaints (tdlib/td, MessageEntity.cpp: parse_html,
 * read 2026-11-22).
 */
import type { MessageEntity } from '@grammyjs/types';
import type { FormattedText } from './formatted-text.ts';
import { byteOffset, MarkupFlaw } from './markup-flaw.ts';
import { linkEntity } from './markup-links.ts';

type SimpleType = 'bold' | 'italic' | 'underline' | 'strikethrough' | 'spoiler';

const simpleTags: Readonly<Record<string, SimpleType>> = {
  b: 'bold',
  strong: 'bold',
  i: 'italic',
  em: 'italic',
  u: 'underline',
  ins: 'underline',
  s: 'strikethrough',
  strike: 'strikethrough',
  del: 'strikethrough',
  'tg-spoiler': 'spoiler',
  span: 'spoiler',
};
const otherTags: ReadonlySet<string> = new Set(['a', 'code', 'pre', 'blockquote', 'tg-emoji']);
const characters: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"' };

interface OpenTag {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly offset: number;
}

/** @throws MarkupFlaw */
export function parseHtml(source: string): FormattedText {
  const entities: MessageEntity[] = [];
  const open: OpenTag[] = [];
  let text = '';
  let at = 0;
  while (at < source.length) {
    const tag = source.indexOf('<', at);
    text += decode(source.slice(at, tag === -1 ? source.length : tag));
    if (tag === -1) break;
    if (source[tag + 1] === '/') {
      const ended = endTag(source, tag, open);
      at = ended.next;
      addEntity(entities, ended.tag, text);
      continue;
    }
    const started = startTag(source, tag);
    open.push({ ...started.tag, offset: text.length });
    at = started.next;
  }
  const unclosed = open.at(-1);
  if (unclosed !== undefined) throw new MarkupFlaw(`Can't find end tag corresponding to start tag "${unclosed.name}"`);
  return { text, entities: entities.sort((a, b) => a.offset - b.offset || b.length - a.length) };
}

function startTag(source: string, at: number): { readonly tag: Omit<OpenTag, 'offset'>; readonly next: number } {
  const where = `at byte offset ${byteOffset(source, at)}`;
  const name = (/^[^\s>]*/.exec(source.slice(at + 1))?.[0] ?? '').toLowerCase();
  let next = at + 1 + name.length;
  if (next >= source.length) throw new MarkupFlaw(`Unclosed start tag ${where}`);
  if (!(name in simpleTags) && !otherTags.has(name)) throw new MarkupFlaw(`Unsupported start tag "${name}" ${where}`);
  const attributes = new Map<string, string>();
  for (;;) {
    next += spaces(source, next);
    if (source[next] === '>') break;
    if (next >= source.length) throw new MarkupFlaw(`Unclosed start tag "${name}" ${where}`);
    const attribute = readAttribute(source, next, { name, where });
    attributes.set(attribute.name, attribute.value);
    next = attribute.next;
  }
  if (name === 'span' && attributes.get('class') !== 'tg-spoiler')
    throw new MarkupFlaw(`Tag "span" must have class "tg-spoiler" ${where}`);
  return { tag: { name, attributes }, next: next + 1 };
}

function readAttribute(source: string, at: number, tag: { readonly name: string; readonly where: string }) {
  const name = /^[^\s=>]*/.exec(source.slice(at))?.[0] ?? '';
  if (name === '') throw new MarkupFlaw(`Empty attribute name in the tag "${tag.name}" ${tag.where}`);
  let next = at + name.length;
  next += spaces(source, next);
  // A tag may say just "expandable".
  if (source[next] !== '=') {
    if (tag.name === 'blockquote' && name.toLowerCase() === 'expandable')
      return { name: 'expandable', value: '', next };
    throw new MarkupFlaw(`Expected equal sign in declaration of an attribute of the tag "${tag.name}" ${tag.where}`);
  }
  next += 1;
  next += spaces(source, next);
  const quote = source[next];
  if (quote === '"' || quote === "'") {
    const end = source.indexOf(quote, next + 1);
    if (end === -1) throw new MarkupFlaw(`Unclosed start tag ${tag.where}`);
    return { name: name.toLowerCase(), value: decode(source.slice(next + 1, end)), next: end + 1 };
  }
  const token = /^[a-z0-9.-]*/i.exec(source.slice(next))?.[0] ?? '';
  const after = source[next + token.length];
  if (after === undefined) throw new MarkupFlaw(`Unclosed start tag "${tag.name}" ${tag.where}`);
  if (!/[\s>]/.test(after))
    throw new MarkupFlaw(`Unexpected end of name token at byte offset ${byteOffset(source, next)}`);
  return { name: name.toLowerCase(), value: token.toLowerCase(), next: next + token.length };
}

function endTag(source: string, at: number, open: OpenTag[]): { readonly tag: OpenTag; readonly next: number } {
  const where = `at byte offset ${byteOffset(source, at)}`;
  const tag = open.pop();
  if (tag === undefined) throw new MarkupFlaw(`Unexpected end tag ${where}`);
  const name = /^[^\s>]*/.exec(source.slice(at + 2))?.[0] ?? '';
  const next = at + 2 + name.length + spaces(source, at + 2 + name.length);
  if (source[next] !== '>') throw new MarkupFlaw(`Unclosed end tag ${where}`);
  const found = name.toLowerCase();
  if (found !== '' && found !== tag.name)
    throw new MarkupFlaw(`Unmatched end tag ${where}, expected "</${tag.name}>", found "</${found}>"`);
  return { tag, next: next + 1 };
}

function addEntity(entities: MessageEntity[], tag: OpenTag, text: string): void {
  const span = { offset: tag.offset, length: text.length - tag.offset };
  if (span.length === 0) return;
  const simple = simpleTags[tag.name];
  if (simple !== undefined) entities.push({ type: simple, ...span });
  else if (tag.name === 'a') {
    const entity = linkEntity(tag.attributes.get('href') ?? text.slice(tag.offset), span);
    if (entity !== null) entities.push(entity);
  } else if (tag.name === 'blockquote')
    entities.push({ type: tag.attributes.has('expandable') ? 'expandable_blockquote' : 'blockquote', ...span });
  else if (tag.name === 'tg-emoji') {
    const id = tag.attributes.get('emoji-id') ?? '';
    if (!/^[1-9]\d*$/.test(id)) throw new MarkupFlaw('Invalid custom emoji identifier specified');
    entities.push({ type: 'custom_emoji', custom_emoji_id: id, ...span });
  } else addVerbatim(entities, tag, span);
}

/** `pre` around one `code` (or the other way round) is one block, in the language that the `code` names. */
function addVerbatim(
  entities: MessageEntity[],
  tag: OpenTag,
  span: { readonly offset: number; readonly length: number },
): void {
  const inner = entities.at(-1);
  const isAround =
    inner !== undefined &&
    (inner.type === 'code' || inner.type === 'pre') &&
    inner.type !== tag.name &&
    inner.offset === span.offset &&
    inner.length === span.length;
  const language = tag.name === 'code' ? languageOf(tag) : isAround ? languages.get(inner) : undefined;
  if (isAround && language !== undefined) {
    entities.pop();
    entities.push({ type: 'pre', ...span, language });
    return;
  }
  const entity: MessageEntity = tag.name === 'pre' ? { type: 'pre', ...span } : { type: 'code', ...span };
  if (tag.name === 'code' && language !== undefined) languages.set(entity, language);
  entities.push(entity);
}

/** Languages of `code` entities, which show them only when a `pre` lies around. */
const languages = new WeakMap<MessageEntity, string>();

function languageOf(tag: OpenTag): string | undefined {
  return /^language-(.+)$/.exec(tag.attributes.get('class') ?? '')?.[1];
}

function spaces(source: string, at: number): number {
  return /^\s*/.exec(source.slice(at))?.[0].length ?? 0;
}

/** Four named references and all numeric ones; anything else stays as it is. */
function decode(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(lt|gt|amp|quot));?/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return characters[String(name).toLowerCase()] ?? whole;
    const code = hex === undefined ? Number(decimal) : Number.parseInt(String(hex), 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
