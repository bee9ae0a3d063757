/** Keeps what was measured: the JSON, the document made from it, and its plots. Rows that were not run keep their numbers. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { documentOf } from './markdown.ts';
import { svgOf } from './plots.ts';
import type { BenchResult } from './result.ts';

const EXPLAINED = fileURLToPath(new URL('../explained.md', import.meta.url));
const PLOTS = 'performance';

/**
 * @param order - names of all rows, as they stand in the document
 * @returns what is kept now
 */
export async function keep(result: BenchResult, folder: string, order: readonly string[]): Promise<BenchResult> {
  const file = join(folder, 'performance.json');
  const before = await readKept(file);
  const rows = new Map([...(before?.rows ?? []), ...result.rows].map((row) => [row.name, row]));
  const kept = { machine: result.machine, rows: order.flatMap((name) => rows.get(name) ?? []) };
  await mkdir(join(folder, PLOTS), { recursive: true });
  await writeFile(file, `${JSON.stringify(kept, null, 2)}\n`);
  for (const plot of kept.rows.flatMap(({ plots }) => plots)) {
    await writeFile(join(folder, PLOTS, `${plot.name}.svg`), svgOf(plot));
  }
  await writeFile(join(folder, 'performance.md'), documentOf(kept, await readFile(EXPLAINED, 'utf8'), PLOTS));
  return kept;
}

async function readKept(file: string): Promise<BenchResult | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as BenchResult;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
