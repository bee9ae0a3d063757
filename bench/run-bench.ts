/** Runs rows one after the other, so that nothing else of ours is on the machine; in brief, side by side. */

import { execFile } from 'node:child_process';
import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { promisify } from 'node:util';
import PQueue from 'p-queue';
import type { BenchResult, Machine, RowResult } from './report/result.ts';
import type { Row } from './row.ts';

export interface RunOptions {
  readonly rows: readonly Row[];
  readonly brief: boolean;
  program(name: string): string;
  say(text: string): void;
}

/** Mostly they wait for processes to start. */
const BRIEF_AT_ONCE = 3;

export async function runBench(options: RunOptions): Promise<BenchResult> {
  const queue = new PQueue({ concurrency: options.brief ? BRIEF_AT_ONCE : 1 });
  const rows = await Promise.all(
    options.rows.map((row, n) => {
      const say = (text: string) => options.say(`[${n + 1}/${options.rows.length}] ${row.title}: ${text}`);
      return queue.add(() => runRow(row, { ...options, say }));
    }),
  );
  return { machine: await machine(), rows };
}

async function runRow(row: Row, { brief, program, say }: Omit<RunOptions, 'rows'>): Promise<RowResult> {
  const at = new Date().toISOString();
  const loadBefore = Math.round((loadavg()[0] ?? 0) * 10) / 10;
  const startedAt = performance.now();
  const { comparisons, plots = [], notes = [] } = await row.run({ brief, program, say });
  const tookSeconds = Math.round((performance.now() - startedAt) / 1_000);
  say(`done in ${tookSeconds} s`);
  return { name: row.name, title: row.title, at, loadBefore, tookSeconds, brief, comparisons, plots, notes };
}

async function machine(): Promise<Machine> {
  const { stdout } = await promisify(execFile)('redis-server', ['--version']);
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
    redis: /v=(\S+)/.exec(stdout)?.[1] ?? 'unknown',
  };
}
