/** The demonstration as a newcomer runs it: real processes, exit codes, and nothing left behind. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Recovery } from '../../demo/recovery.ts';
import { DemoPlace, type RunningDemo } from '../support/demo-place.ts';
import { waitUntil } from '../support/wait-until.ts';

let place: DemoPlace;
beforeEach(async () => {
  place = await DemoPlace.open();
});
afterEach(async () => {
  await place[Symbol.asyncDispose]();
});

describe('npm run demo', () => {
  it('loses nothing, doubles nothing and keeps the order on both platforms through cuts, outage, freeze and kill', async () => {
    const { exitCode, stdout, stderr } = await place.demo('--once', '--json');
    expect(stdout.split('\n'), stderr).toHaveLength(1);
    const result = JSON.parse(stdout);
    expect(result, stderr).toMatchObject({ lost: 0, doubled: 0, outOfOrder: 0, stray: 0, failures: [] });
    // Telegram has no key that would tell a repeated send: what is cut in the middle is told, and not repeated.
    expect(result.answered + result.unknown).toBe(result.sent);
    expect(result.platforms.qq).toMatchObject({ answered: result.platforms.qq.sent, unknown: 0 });
    expect(result.platforms.qq.sent).toBeGreaterThan(200);
    expect(result.platforms.telegram.answered).toBeGreaterThan(100);
    // Every recovery is a Resume: the one Identify is the first.
    expect(result).toMatchObject({ identified: 1 });
    const of = (platform: string) => result.recoveries.filter((each: Recovery) => each.platform === platform);
    expect(of('qq').map(({ how }: Recovery) => how)).toEqual(Array(11).fill('resumed'));
    // Whether the frozen worker held Telegram's connection as well is chance; the killed one holds both.
    const acts = of('telegram').map(({ act }: Recovery) => act);
    expect(acts).toEqual(expect.arrayContaining(['idle cuts', 'outage', 'half-open', 'killed worker']));
    expect(result.silences).toHaveLength(7);
    expect(result.takeovers).toBeGreaterThanOrEqual(2);
    expect(exitCode).toBe(0);
    expect(await place.leftOvers()).toEqual([]);
  });

  it('leaves nothing running when it is killed: its processes drain, and the last one stops Redis', async () => {
    const running = place.demo('--once');
    await sees(running, '▶ 1/');
    const ours = place.processes();
    expect(ours.length).toBeGreaterThan(2);
    running.kill('SIGKILL');
    await running;
    const left = () => place.processes();
    await waitUntil('its processes to leave', () => left().length === 0, {
      timeoutMs: 15_000,
      explain: () => left().join('\n'),
    });
  });

  it('leaves nothing running either when it is told twice to end, while its processes start', async () => {
    const running = place.demo();
    await sees(running, 'Starting');
    running.kill('SIGTERM');
    await sees(running, 'again to hurry');
    running.kill('SIGINT');
    expect((await running).exitCode).toBe(143);
    expect(await place.leftOvers()).toEqual([]);
  });
});

/** Waits until the output contains `text`. @throws Error when it ends without */
function sees(running: RunningDemo, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    running.stdout.on('data', (chunk) => {
      output += chunk;
      if (output.includes(text)) resolve();
    });
    running.stdout.once('close', () => reject(new Error(`"${text}" was never said:\n${output}`)));
  });
}
