/** Text with its entities, as a call gives it: by a parse mode, by a list of entities, or plain. */
import type { MessageEntity } from '@grammyjs/types';
import { badRequest } from './answers.ts';
import type { CallArguments } from './arguments.ts';
import { findEntities, overlap } from './entities.ts';
import { MarkupFlaw } from './markup-flaw.ts';
import { parseHtml } from './markup-html.ts';
import { parseMarkdown } from './markup-markdown.ts';
import { parseMarkdownV2 } from './markup-markdown-v2.ts';

/** Bytes before parsing. */
const longestRaw = 32_768;

export interface FormattedText {
  readonly text: string;
  /** In order; those given, and those the platform finds in between. */
  readonly entities: MessageEntity[];
}

const parsers: Readonly<Record<string, (text: string) => FormattedText>> = {
  markdown: parseMarkdown,
  markdownv2: parseMarkdownV2,
  html: parseHtml,
};

/** @throws ApiRefusal 400 for markup that cannot be parsed, among others */
export function formattedText(args: CallArguments, textField: string, entitiesField: string): FormattedText {
  const raw = args.text(textField);
  if (!raw.isWellFormed()) throw badRequest('strings must be encoded in UTF-8');
  if (Buffer.byteLength(raw) > longestRaw) throw badRequest('text is too long');
  const mode = args.text('parse_mode').toLowerCase();
  const { text, entities } =
    raw === '' || mode === '' || mode === 'none'
      ? { text: raw, entities: entitiesIn(args.json(entitiesField, 'entities')) }
      : parsed(raw, mode);
  const found = findEntities(text).filter((entity) => !entities.some((given) => overlap(entity, given)));
  return { text, entities: [...entities, ...found].sort((a, b) => a.offset - b.offset || b.length - a.length) };
}

function parsed(raw: string, mode: string): FormattedText {
  const parse = parsers[mode];
  if (parse === undefined) throw badRequest('unsupported parse_mode');
  try {
    return parse(raw);
  } catch (error) {
    if (error instanceof MarkupFlaw) throw badRequest(`can't parse entities: ${error.message}`);
    throw error;
  }
}

function entitiesIn(list: unknown): MessageEntity[] {
  if (!Array.isArray(list)) return [];
  for (const entity of list as Partial<MessageEntity>[]) {
    if (typeof entity?.type !== 'string') throw badRequest('can\'t parse MessageEntity: Can\'t find field "type"');
    if (!Number.isInteger(entity.offset)) throw badRequest('can\'t parse MessageEntity: Can\'t find field "offset"');
    if (!Number.isInteger(entity.length)) throw badRequest('can\'t parse MessageEntity: Can\'t find field "length"');
  }
  return list as MessageEntity[];
}
