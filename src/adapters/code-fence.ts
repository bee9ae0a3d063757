/**
 * Fences of Markdown code blocks, line by line: enough to say whether a block is open after a line, also in lists and
 * quotations. Lists are not tracked: a fence may stand at any indentation, and what closes it at most three columns deeper.
 *
 * @see https://spec.commonmark.org/0.31.2/#fenced-code-blocks, read 2026-11-30
 */

/** A code block that is open. */
export interface Fence {
  /** What its lines begin with: signs of quotations, and blanks where the opening line has the mark of a list. */
  readonly indent: string;
  /** Three or more of one sign. */
  readonly mark: string;
  /** The first word after the fence, if it can be the name of a language; else empty. */
  readonly language: string;
}

/** Deeper is no fence for us: its indentation stands in each part, twice, and leaves room in a message of 100 units. */
const LONGEST_INDENT = 20;
const LONGEST_LANGUAGE = 32;
/** Signs of quotations and lists, and blanks around them. */
const CONTAINERS = /^[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t][ \t>]*)*/;
const MARK = /^(?:`{3,}|~{3,})/;
/** How much deeper than the opening fence a closing one may stand. */
const DEEPER = 3;

/** The block that is open after `line`, when `open` was before it. `line` has no line feed. */
export function fenceAfter(line: string, open: Fence | null): Fence | null {
  if (open === null) return opensWith(line);
  const inside = withinQuotes(line, open);
  // Where the quotation ends, the block that was in it ends.
  if (inside === null) return opensWith(line);
  return closes(inside, open) ? null : open;
}

/** The block that is open at the end of `text`. */
export function fenceAtEnd(text: string): Fence | null {
  return text.split('\n').reduce<Fence | null>((open, line) => fenceAfter(line, open), null);
}

/** The block that `line` opens, when none is open before it. */
export function opensWith(line: string): Fence | null {
  const prefix = CONTAINERS.exec(line.slice(0, LONGEST_INDENT))?.[0] ?? '';
  const rest = line.slice(prefix.length);
  const mark = MARK.exec(rest)?.[0];
  if (mark === undefined) return null;
  const info = rest.slice(mark.length);
  if (mark.startsWith('`') && info.includes('`')) return null;
  return { indent: prefix.replaceAll(/[^ \t>]/g, ' '), mark, language: languageOf(info) };
}

/** The line that closes it. */
export function closingLine({ indent, mark }: Fence): string {
  return `${indent}${mark}`;
}

/** The line that opens it, or opens it again. */
export function openingLine(fence: Fence): string {
  return `${closingLine(fence)}${fence.language}`;
}

/** The line without the signs of the quotations that the block is in; `null`: it is not in them. */
function withinQuotes(line: string, { indent }: Fence): string | null {
  let at = 0;
  for (let depth = indent.split('>').length - 1; depth > 0; depth -= 1) {
    while (line[at] === ' ' || line[at] === '\t') at += 1;
    if (line[at] !== '>') return null;
    at += 1;
  }
  return line.slice(at);
}

function closes(inside: string, { indent, mark }: Fence): boolean {
  const bare = inside.trimStart();
  if (!bare.startsWith(mark)) return false;
  const ownIndent = indent.length - (indent.lastIndexOf('>') + 1);
  if (inside.length - bare.length > ownIndent + DEEPER) return false;
  const after = bare.trimEnd();
  return after === after.charAt(0).repeat(after.length);
}

function languageOf(info: string): string {
  const word =
    info
      .slice(0, 2 * LONGEST_LANGUAGE)
      .trimStart()
      .split(/\s/, 1)[0] ?? '';
  return word.length <= LONGEST_LANGUAGE && /^[\w+#.-]+$/.test(word) ? word : '';
}
