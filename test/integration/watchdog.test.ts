import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const program = fileURLToPath(new URL('../support/blocked-process.ts', import.meta.url));

function start(mode: string, killAfterMs: number) {
  const child = spawn(process.execPath, ['--import', 'tsx', program, mode, String(killAfterMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  return { child, output: () => output, ended: once(child, 'exit') as Promise<[number | null, string | null]> };
}
const within = { timeout: 20_000, interval: 20 };

describe('the watchdog', () => {
  it('kills a process whose event loop is blocked, and says why (F22)', async () => {
    const { ended, output } = start('block', 1_000);
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(output()).toContain('"event":"loop-blocked"');
  });

  it('leaves a process alone that was stopped and continued', async () => {
    const { child, ended, output } = start('idle', 1_000);
    try {
      await expect.poll(() => output().includes('alive'), within).toBe(true);
      child.kill('SIGSTOP');
      const until = performance.now() + 2_500;
      await expect.poll(() => performance.now() > until, within).toBe(true);
      child.kill('SIGCONT');
      const seen = output().length;
      // Well beyond the bound: it goes on saying that it is alive.
      await expect.poll(() => output().length - seen > 60 * 'alive\n'.length, within).toBe(true);
      expect(child.exitCode ?? child.signalCode).toBeNull();
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  });
});
