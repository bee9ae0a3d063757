/**
 * No regular expression of the source may take long over a text that somebody else chose. Two nets: a checker that finds
 * what is polynomial or exponential, and each expression run over 64 KB of what usually breaks them.
 */
import { createContext, Script } from 'node:vm';
import { checkSync } from 'recheck';
import { describe, expect, it } from 'vitest';
import { builtRegexesBelow, type RegexInSource, regexesBelow } from '../support/regex-literals.ts';

const SIZE = 64 * 1024;
/** One run; the square of the size would take seconds, and a busy machine stands still for a part of one, ms. */
const BOUND_MS = 1_000;

const UNITS = [
  ...[
    'a',
    'A',
    '0',
    ' ',
    '\t',
    '\n',
    '\r\n',
    ':',
    '/',
    '-',
    '_',
    '.',
    ',',
    ';',
    '@',
    '#',
    '?',
    '&',
    '=',
    '+',
    '*',
    '|',
  ],
  ...['"', "'", '`', '~', '\\', '(', ')', '[', ']', '{', '}', '<', '>', '!', '$', '%', '^', '😀', '\u202e', '\ud83d'],
  ...[
    'a-',
    'a.',
    'a:',
    'a ',
    '://',
    'x://',
    '```',
    '~~~',
    '\\"',
    '"a":',
    '<@',
    '<@!',
    '&lt;',
    '127.',
    '::',
    '[::',
    '1.',
  ],
  ...['holder a ', 'secret', 'Bot 1', 'Bearer ', 'bearer ', '"secret":"', 'no such ', 'at ', '${', '${A', 'data: '],
];
const SUFFIXES = ['\u0000', '\n'];

/** Built at run time; each was read, and none of them is run over text that a platform, a person or an agent chose. */
const BUILT = new Map([
  ['src/state/memory-gauge.ts', 1],
  ['src/state/redis-facts.ts', 1],
  ['src/state/redis-setup.ts', 1],
  ['src/state/redis-users.ts', 1],
  ['src/state/redis.ts', 1],
  // Run over adversarial text by text/redact.test.ts.
  ['src/text/redact.ts', 3],
]);

describe('regular expressions of the source (H1)', () => {
  const all = regexesBelow('src');
  const distinct = [...new Map(all.map((regex) => [`/${regex.source}/${regex.flags}`, regex])).entries()];

  it('are found', () => {
    expect(all.length).toBeGreaterThan(80);
  });

  // What the checker does not know (a property of Unicode) or does not finish is left to the second net.
  it.each(distinct)('%s is not vulnerable by the checker', { timeout: 30_000 }, (_name, { where, source, flags }) => {
    const { status } = checkSync(source, flags, { timeout: 3_000 });
    expect([where, status === 'unknown' ? 'safe' : status]).toEqual([where, 'safe']);
  });

  it('take a bounded time over 64 KB of anything', { timeout: 120_000 }, () => {
    const slow: string[] = [];
    for (const [name, regex] of distinct) {
      for (const unit of UNITS) {
        const text = unit.repeat(Math.ceil(SIZE / unit.length));
        for (const suffix of SUFFIXES) {
          if (!isQuick(regex, text + suffix)) slow.push(`${name} over ${JSON.stringify(unit)}`);
        }
      }
    }
    expect(slow).toEqual([]);
  });

  it('that are built at run time are known', () => {
    const counted = new Map<string, number>();
    for (const file of builtRegexesBelow('src')) counted.set(file, (counted.get(file) ?? 0) + 1);
    expect([...counted].sort()).toEqual([...BUILT].sort());
  });
});

/** One context for all runs: making one takes longer than most of them. */
const context = createContext({ pattern: /./, text: '' });
const replaceAll = new Script('text.replace(pattern, "")');

function isQuick({ source, flags }: RegexInSource, text: string): boolean {
  try {
    // As `replace` and `matchAll` would: all matches, not only the first.
    Object.assign(context, { pattern: new RegExp(source, flags.includes('g') ? flags : `${flags}g`), text });
    replaceAll.runInContext(context, { timeout: BOUND_MS });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false;
    throw error;
  }
}
