/** docs/performance.md, made from what was measured and a few hand-written sections that say what bounds what. */
import { markdownTable } from 'markdown-table';
import { cellsOf, HEADINGS } from './cells.ts';
import type { BenchResult, RowResult } from './result.ts';

/** @param explained - Markdown that follows the numbers: misses, bounds */
export function documentOf(result: BenchResult, explained: string, plotFolder: string): string {
  const { machine, rows } = result;
  return `${[
    '# Speed, memory and cost',
    'Made by `npm run bench`; the numbers beside it are [performance.json](performance.json). Do not edit: what is said below the table comes from [bench/explained.md](../bench/explained.md).',
    `Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, ${machine.system}, Node ${machine.node}, Redis ${machine.redis}. Everything (Holdfast, Redis, the emulated gateway, floors and peers) shares these cores over loopback.`,
    'Each number is the median over rounds in which both sides took turns (least to most in brackets); the ratio is the median of the ratios of each round. Absolute numbers belong to this machine; read the ratios. Holdfast runs as the built command line with its default log, and its CPU time and memory are read from the kernel.',
    markdownTable([[...HEADINGS], ...cellsOf(rows)]),
    measuredAt(rows),
    ...rows.flatMap(({ notes }) => notes),
    ...rows.flatMap(({ plots }) => plots.map(({ name, title }) => `![${title}](${plotFolder}/${name}.svg)`)),
    explained.trim(),
  ].join('\n\n')}\n`;
}

function measuredAt(rows: readonly RowResult[]): string {
  const lines = rows.map(({ name, at, loadBefore, tookSeconds, brief }) => [
    `\`${name}\``,
    `${at.slice(0, 16).replace('T', ' ')} UTC`,
    loadBefore.toFixed(1),
    `${tookSeconds} s${brief ? ' (brief: no numbers to read)' : ''}`,
  ]);
  return markdownTable([['rows of', 'measured', 'load before', 'took'], ...lines]);
}
