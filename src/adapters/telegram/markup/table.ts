/** A table as columns of a fixed-width block: chats have no tables. */
import type { Tokens } from 'marked';

/** A column is not widened beyond this: one long cell would push all others off the screen. */
const WIDEST = 32;

export function columnsOf({ header, rows, align }: Tokens.Table): string {
  const lines = [header, ...rows].map((cells) => cells.map((cell) => plainText(cell)));
  const widths = header.map((_, column) =>
    Math.min(WIDEST, Math.max(...lines.map((cells) => widthOf(cells[column] ?? '')))),
  );
  const lineOf = (cells: readonly string[]) =>
    cells
      .map((cell, column) => pad(cell, widths[column] ?? 0, align[column] === 'right'))
      .join(' | ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(Math.max(1, width))).join('-|-');
  const [first = [], ...others] = lines;
  return [lineOf(first), rule, ...others.map(lineOf)].join('\n');
}

/** Marks mean nothing in a fixed-width block. */
function plainText({ tokens, text }: Tokens.TableCell): string {
  const words = (token: { raw: string; text?: string; tokens?: readonly unknown[] | undefined }): string =>
    token.tokens === undefined ? (token.text ?? token.raw) : (token.tokens as (typeof token)[]).map(words).join('');
  return (tokens.length === 0 ? text : tokens.map((token) => words(token as Parameters<typeof words>[0])).join(''))
    .replace(/\s+/g, ' ')
    .trim();
}

function widthOf(text: string): number {
  return [...text].length;
}

function pad(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return right ? `${space}${text}` : `${text}${space}`;
}
