/** docs/field-failures.md promises tests by name: they exist, and the rows that are due have them at the level they need. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

interface Row {
  readonly id: string;
  readonly tests: readonly { readonly file: string; readonly name: string }[];
  readonly result: string;
}

function readRows(): Row[] {
  const lines = readFileSync(join(ROOT, 'docs/field-failures.md'), 'utf8').split('\n');
  return lines
    .filter((line) => /^\| F\d\d \|/.test(line))
    .map((line) => {
      const cells = line.slice(2, -2).split(' | ');
      return { id: cells[0] ?? '', tests: testsIn(cells[3] ?? ''), result: cells[4] ?? '' };
    });
}

function testsIn(cell: string): { file: string; name: string }[] {
  return [...cell.matchAll(/`(test\/[\w./-]+)`: (.*?) \((?:unit|integration|system)\)(?=<br>|$)/g)].map(
    ([, file = '', name = '']) => ({ file, name }),
  );
}

const rows = readRows();
const ids = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `F${String(from + index).padStart(2, '0')}`);

const DUE = [...ids(1, 30), 'F32', 'F33', ...ids(34, 38)];
/** What only real parts can show. */
const NOT_BY_UNITS = new Set([
  ...ids(1, 6),
  'F07',
  'F09',
  'F10',
  'F12',
  ...ids(16, 18),
  ...ids(20, 23),
  'F24',
  'F25',
  'F26',
  'F32',
  'F33',
  'F34',
  'F36',
  'F37',
]);

describe('docs/field-failures.md', () => {
  it('has every row of the catalogue, once', () => {
    expect(rows.map(({ id }) => id)).toEqual(ids(1, 38));
  });

  it.each(rows.filter(({ tests }) => tests.length > 0))('$id names tests that exist', ({ tests }) => {
    for (const { file, name } of tests) expect(readFileSync(join(ROOT, file), 'utf8')).toContain(name);
  });

  it.each(DUE)('%s has a test that bears its id, and one above the unit level where that is needed', (id) => {
    const tests = rows.find((row) => row.id === id)?.tests ?? [];
    const named = tests.filter(({ name }) => name.includes(id));
    const fitting = NOT_BY_UNITS.has(id) ? named.filter(({ file }) => !file.startsWith('test/unit/')) : named;
    expect(fitting.length).toBeGreaterThan(0);
  });

  it.each(rows.filter(({ tests }) => tests.length === 0))('$id, which has no test, says "later"', ({ result }) => {
    expect(result).toContain('later');
  });
});
