/**
 * What commands show to people. Everything that is filled in may be somebody else's words, out of Redis or from a chat:
 * none of it reaches a terminal as more than one harmless line. With `--json` the values are whole, and only spelled so
 * that a terminal obeys none of them.
 */
import Table, { type TableConstructorOptions } from 'cli-table3';
import { foreignText } from '../text/foreign-text.ts';
import { printable, printableJson } from '../text/printable.ts';

/** Longest value that is shown, UTF-16 units; `--json` has it whole. */
const MAX_VALUE = 1_000;
const MAX_LINES = 8_000;

function shown(value: unknown): string {
  return printable(foreignText(String(value), MAX_VALUE));
}

/** A template whose text is ours, and whose values may be anybody's. Texts made with it must not be filled into another. */
export function line(ours: TemplateStringsArray, ...values: readonly unknown[]): string {
  return ours.reduce((text, part, n) => `${text}${shown(values[n - 1])}${part}`);
}

/** A table as text, without colours. @param widths - of columns whose text is wrapped, characters; null: as wide as its text */
export function table(
  rows: readonly (readonly unknown[])[],
  { head, widths }: { readonly head?: readonly string[]; readonly widths?: readonly (number | null)[] } = {},
): string {
  const options: TableConstructorOptions = { style: { head: [], border: [] } };
  if (head !== undefined) options.head = [...head];
  if (widths !== undefined) Object.assign(options, { wordWrap: true, colWidths: [...widths] });
  const drawn = new Table(options);
  drawn.push(...rows.map((row) => row.map(shown)));
  return drawn.toString();
}

/** A document for programs, on one line of stdout. */
export function writeJson(value: unknown): void {
  process.stdout.write(`${printableJson(JSON.stringify(value))}\n`);
}

/** Text made by {@link line} and {@link table}, on stdout. */
export function write(text: string): void {
  process.stdout.write(text);
}

/** For stderr: several lines of somebody's (a stack), each of them harmless. */
export function lines(text: string): string {
  return foreignText(text, MAX_LINES).split('\n').map(printable).join('\n');
}

/** Why something was not done, on stderr. */
export function refuse(ours: TemplateStringsArray, ...values: readonly unknown[]): void {
  process.stderr.write(`holdfast: ${line(ours, ...values)}\n`);
}
