/** What users read about losses is what the adapters declare. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { lossPage } from '../../../src/adapters/loss-table.ts';
import { createAdapters } from '../../../src/run/adapters.ts';

const adapters = [...createAdapters().values()];
const page = lossPage(adapters);

describe('docs/what-can-be-lost.md', () => {
  it('is current (npm run capabilities)', () => {
    expect(readFileSync(new URL('../../../docs/what-can-be-lost.md', import.meta.url), 'utf8')).toBe(page);
  });

  it('has a column for every platform, and a cell in each row of it', () => {
    const rows = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| ---'));
    const [head = ''] = rows;
    for (const { platform } of adapters) expect(head).toContain(`| ${platform} |`);
    const cells = (line: string) => line.slice(2, -2).split(' | ');
    const tables = rows.slice(0, rows.indexOf('| | |'));
    expect(tables.length).toBeGreaterThan(10);
    for (const row of tables) expect(cells(row)).toHaveLength(1 + adapters.length);
  });

  it('names every occasion of a loss', () => {
    for (const { capabilities } of adapters) {
      for (const loss of [...capabilities.gaps, ...capabilities.silentLosses]) expect(page).toContain(loss);
    }
  });
});
