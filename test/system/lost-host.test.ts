/** `npm run chaos:hosts`, as short as it gets: a host is cut off, its connections come back within the bound, and it is told. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import type { HostsResult } from '../../chaos/hosts/result.ts';
import { SCALED_TIMINGS } from '../support/installation.ts';
import { whyNoNetHosts } from '../support/net-hosts.ts';

const MAIN = fileURLToPath(new URL('../../chaos/hosts/main.ts', import.meta.url));
/** A takeover is done within the lease and this, ms. */
const AFTER_LEASE_MS = 1_500;

const missing = whyNoNetHosts();
if (missing !== null) console.warn(`lost-host.test.ts is skipped: ${missing}`);

it.skipIf(missing !== null)(
  'a host that is cut off without a word is replaced within its lease and 1.5 s, and the numbers are kept (F22, F37)',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hf-hosts-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const published = JSON.parse(await readFile(new URL('../../docs/chaos-report.json', import.meta.url), 'utf8'));
    const earlier = { ...published, timings: 'scaled', leaseMs: SCALED_TIMINGS.leaseMs, hosts: null };
    await writeFile(join(folder, 'chaos-report.json'), JSON.stringify(earlier));
    const args = ['--scaled', '--cuts', '1', '--seed', '4', '--into', folder];
    const { exitCode, stdout, stderr } = await execa(process.execPath, ['--import', 'tsx', MAIN, ...args], {
      reject: false,
      forceKillAfterDelay: false,
    });
    const result = JSON.parse(stdout) as HostsResult;
    expect(result, stderr).toMatchObject({
      ...{ lost: [], doubled: [], outOfOrder: [], stray: [], complaints: [] },
      ...{ oldTokenWrites: { accepted: 0 }, identifies: 0, timings: 'scaled' },
    });
    expect(result.answered).toBe(result.sent);
    expect(result.cause.times).toBe(1);
    // The host that held more of eight.
    expect(result.cause.takeover?.count).toBeGreaterThanOrEqual(4);
    expect(result.cause.takeover?.max).toBeLessThanOrEqual(result.leaseMs + AFTER_LEASE_MS);
    expect(result.oldTokenWrites.tried).toBeGreaterThanOrEqual(12);
    expect(exitCode, stderr).toBe(0);
    const report = JSON.parse(await readFile(join(folder, 'chaos-report.json'), 'utf8'));
    expect(report.hosts).toEqual(result);
    expect(report.causes).toContainEqual(result.cause);
    expect(await readFile(join(folder, 'chaos-report.md'), 'utf8')).toContain('## Lost hosts');
  },
);
