/** `npm run bench`, as short as it gets: every row still measures something. How much is nobody's business here. */
import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import type { BenchResult } from '../../bench/report/result.ts';
import { ROWS } from '../../bench/rows/all.ts';

/** Hundreds of connections, a takeover of them, and a soak take minutes however brief: they run with the bench alone. */
const TOO_LONG = new Set(['connections', 'chats', 'takeover', 'soak']);
const BRIEF = ROWS.map(({ name }) => name).filter((name) => !TOO_LONG.has(name));

const MAIN = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));

it('the rows of the bench that can be brief give numbers, and leave nothing behind', async () => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'hf-brief-')));
  try {
    const args = ['--import', 'tsx', MAIN, '--brief', '--json', '--only', ...BRIEF];
    const options = { env: { TMPDIR: folder }, reject: false, forceKillAfterDelay: false } as const;
    const { exitCode, stdout, stderr } = await execa(process.execPath, args, options);
    expect(exitCode, stderr).toBe(0);
    const { rows } = JSON.parse(stdout) as BenchResult;
    expect(rows.map(({ name }) => name)).toEqual(BRIEF);
    for (const { name, comparisons } of rows) {
      expect(comparisons, name).not.toEqual([]);
      for (const { what, subject } of comparisons) expect(subject.median, what).toBeGreaterThan(0);
    }
    expect((await readdir(folder)).filter((name) => name.startsWith('hf-'))).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
