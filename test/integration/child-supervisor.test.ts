/** A child that dies at once must not be started in a tight loop, and must not keep anybody from leaving. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { superviseChild } from '../../src/run/child-supervisor.ts';
import { waitUntil } from '../support/wait-until.ts';

/** The first starts come quickly; the pauses then double, each drawn up to a bound of 200, 400, 800 … ms. */
const LOOP_MS = 4_000;
const MOST_STARTS = 12;

it('a child that ends at once is started ever later, each death is told, and a drain ends the loop (F20)', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'hf-child-'));
  const script = join(dir, 'dies.mjs');
  // Ready, and dead: what the supervisor sees of a crash loop.
  const ready = { kind: 'ready', worker: 'host/1', incarnation: 'i1' };
  await writeFile(script, `process.send(${JSON.stringify(ready)}, () => process.exit(7));\n`);
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const deaths: string[] = [];
  const child = superviseChild({
    name: 'child 1',
    script,
    args: [],
    execArgv: [],
    restartAfterMs: 0,
    onDeath: async ({ worker }, reason) => void deaths.push(`${worker}: ${reason}`),
    log,
  });
  try {
    await child.ready;
    await delay(LOOP_MS);
    const inLoop = deaths.length;
    await waitUntil('a third death, on a slow machine later', () => deaths.length > 2, { timeoutMs: 30_000 });
    expect(inLoop).toBeLessThanOrEqual(MOST_STARTS);
    expect(new Set(deaths)).toEqual(new Set(['host/1: its process ended (exit code 7)']));
    expect(lines.filter(({ event }) => event === 'child-died').length).toBe(deaths.length);
  } finally {
    await child.drain('the test is over');
    await rm(dir, { recursive: true, force: true });
  }
  const atDrain = deaths.length;
  await delay(500);
  expect(deaths.length).toBe(atDrain);
});
