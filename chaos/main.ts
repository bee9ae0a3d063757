/**
 * `npm run chaos`: kills, freezes, drains and cuts a whole installation at random under traffic, and reports what became
 * of it.
 *
 * Exit codes: 0 nothing lost, doubled or out of order, no old token worked and everything healed; 1 something of that
 * failed (a missed latency target alone does not); 2 it could not run; 130 and 143 when a signal ended it.
 */
import { randomInt } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { Narrator } from '../demo/narrator.ts';
import { interruption, leaveWith, measured, wholeNumber } from './command-line.ts';
import { withKeptHosts } from './hosts/merge.ts';
import { markdownOf } from './report.ts';
import { isGood } from './result.ts';
import { runChaos } from './run-chaos.ts';

interface Arguments {
  readonly seed: number;
  readonly seconds: number;
  readonly kills?: number;
  readonly scaled?: boolean;
  readonly json?: boolean;
  readonly out?: string;
}

const SECONDS = 120;

function parse(argv: readonly string[]): Arguments {
  return new Command('npm run chaos --')
    .description('Random faults of every role under steady traffic, and a report: takeover times, and what users saw.')
    .option('--seed <n>', 'the same faults in the same order again', wholeNumber, randomInt(1, 2 ** 31))
    .option('--seconds <n>', 'how long things are broken', wholeNumber, SECONDS)
    .option('--kills <n>', 'end earlier, after so many killed processes', wholeNumber)
    .option('--scaled', 'short timings: quick to run, no numbers to publish')
    .option('--json', 'the report as one JSON line on stdout, the story on stderr (default: Markdown)')
    .option('--out <folder>', 'also write chaos-report.md and chaos-report.json there')
    .exitOverride()
    .parse(argv, { from: 'user' })
    .opts<Arguments>();
}

async function main(given: Arguments): Promise<number> {
  const { seed, seconds, kills = null, scaled = false, json = false, out } = given;
  using narrator = new Narrator(process.stderr);
  return await measured(seed, narrator, async () => {
    const made = await runChaos({ seed, seconds, kills, scaled, narrator, signal: interruption() });
    const result = out === undefined ? made : await withKeptHosts(out, made);
    const markdown = `${markdownOf(result)}\n`;
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : markdown);
    if (out !== undefined) {
      await mkdir(out, { recursive: true });
      await writeFile(join(out, 'chaos-report.md'), markdown);
      await writeFile(join(out, 'chaos-report.json'), `${JSON.stringify(result, null, 2)}\n`);
    }
    return isGood(result) ? 0 : 1;
  });
}

await leaveWith(() => main(parse(process.argv.slice(2))));
