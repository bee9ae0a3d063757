/** Every regular expression that stands in the source, found by a parser: literals, and `new RegExp` of a constant text. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from 'oxc-parser';

export interface RegexInSource {
  /** `file:line` */
  readonly where: string;
  readonly source: string;
  readonly flags: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

const isNode = (it: unknown): it is Node =>
  typeof it === 'object' && it !== null && typeof (it as Node).type === 'string';

export function regexesBelow(folder: string): RegexInSource[] {
  return filesBelow(folder).flatMap((file) => regexesIn(file, readFileSync(file, 'utf8')));
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

function regexesIn(file: string, text: string): RegexInSource[] {
  const found: RegexInSource[] = [];
  const visit = (node: Node): void => {
    const regex = node.type === 'Literal' ? (node.regex as { pattern: string; flags: string } | undefined) : undefined;
    if (regex !== undefined) {
      const line = text.slice(0, node.start).split('\n').length;
      found.push({ where: `${file}:${line}`, source: regex.pattern, flags: regex.flags });
    }
    for (const child of Object.values(node).flat()) if (isNode(child)) visit(child);
  };
  visit(parseSync(file, text).program as unknown as Node);
  return found;
}

/** Places that make a regular expression from a text at run time; each has to be known to the test. */
export function builtRegexesBelow(folder: string): string[] {
  return filesBelow(folder).flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    return [...text.matchAll(/new RegExp\(/g)].map(() => file);
  });
}
