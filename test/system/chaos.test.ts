/** `npm run chaos`, as short as it gets: each report field is there because something happened, and users saw nothing. */
import { mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CauseResult } from '../../chaos/cause-result.ts';
import type { ChaosResult } from '../../chaos/result.ts';

const MAIN = fileURLToPath(new URL('../../chaos/main.ts', import.meta.url));
/** Begins with: child killed, handed over, group killed, Redis killed, drained; beside them an agent worker. */
const SEED = '1815';

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'hf-chaos-')));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function chaos(...args: string[]) {
  const options = { env: { TMPDIR: folder }, reject: false, forceKillAfterDelay: false } as const;
  return execa(process.execPath, ['--import', 'tsx', MAIN, ...args], options);
}

async function leftOvers(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('hf-'));
}

describe('npm run chaos', () => {
  it('kills every role under traffic; nothing is lost, doubled, out of order or written under an old token', async () => {
    const { exitCode, stdout, stderr } = await chaos('--seed', SEED, '--seconds', '5', '--scaled', '--json');
    const result = JSON.parse(stdout) as ChaosResult;
    expect(result, stderr).toMatchObject({
      ...{ lost: [], doubled: [], outOfOrder: [], stray: [], complaints: [] },
      oldTokenWrites: { accepted: 0 },
      identifies: 0,
      timings: 'scaled',
    });
    expect(result.answered).toBe(result.sent);
    expect(result.sent).toBeGreaterThan(100);
    expect(result.killed).toBeGreaterThanOrEqual(2);
    expect(result.oldTokenWrites.tried).toBeGreaterThanOrEqual(3);
    const byCause = (cause: string) => result.causes.find((one) => one.cause === cause) as CauseResult;
    // One sample for each connection that the killed process held, and no percentile that so few could carry.
    expect(byCause('child killed').takeover).toMatchObject({ p99: null });
    expect(byCause('child killed').takeover?.count).toBeGreaterThanOrEqual(1);
    expect(byCause('agent killed').times).toBeGreaterThanOrEqual(1);
    expect(exitCode).toBe(0);
    expect(await leftOvers()).toEqual([]);
  });

  it('leaves nothing behind when it is told to end while its processes start', async () => {
    const running = chaos('--seed', SEED, '--scaled', '--out', join(folder, 'out'));
    await new Promise<void>((resolve) => running.stderr.once('data', () => resolve()));
    running.kill('SIGTERM');
    expect((await running).exitCode).toBe(143);
    expect(await leftOvers()).toEqual([]);
  });
});

describe('docs/chaos-report.md', () => {
  it('is of a run on the default timings in which nothing went wrong', async () => {
    const docs = new URL('../../docs/', import.meta.url);
    const report = JSON.parse(await readFile(new URL('chaos-report.json', docs), 'utf8')) as ChaosResult;
    expect(report).toMatchObject({ timings: 'default', lost: [], doubled: [], outOfOrder: [], stray: [] });
    const text = await readFile(new URL('chaos-report.md', docs), 'utf8');
    expect(text).toContain(report.date);
    expect(text).toContain(`| seed | ${report.seed} |`);
  });
});
