/**
 * `npm run chaos:hosts`: cuts hosts off the network, again and again, and measures how long their connections are away.
 *
 * Exit codes: 0 nothing lost, doubled or out of order, no old token worked and every cut healed; 1 something of that
 * failed; 2 it could not run, as where network namespaces are not allowed; 130 and 143 when a signal ended it.
 */
import { randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { Narrator } from '../../demo/narrator.ts';
import { whyNoNetHosts } from '../../test/support/net-hosts.ts';
import { interruption, leaveWith, measured, wholeNumber } from '../command-line.ts';
import { markdownOf } from '../report.ts';
import { readReport, withHosts } from './merge.ts';
import { type HostsResult, isHostsGood } from './result.ts';
import { runHosts } from './run-hosts.ts';

interface Arguments {
  readonly seed: number;
  readonly cuts: number;
  readonly scaled?: boolean;
  readonly into?: string;
}

const CUTS = 24;

function parse(argv: readonly string[]): Arguments {
  return new Command('npm run chaos:hosts --')
    .description('Hosts cut off without FIN or RST, under steady traffic: takeover times, and what users saw, as JSON.')
    .option('--seed <n>', 'the same moments between two renewals again', wholeNumber, randomInt(1, 2 ** 31))
    .option('--cuts <n>', 'how often a host is cut off', wholeNumber, CUTS)
    .option('--scaled', 'short timings: quick to run, no numbers to publish')
    .option('--into <folder>', 'add the result to the chaos-report.md and chaos-report.json there')
    .exitOverride()
    .parse(argv, { from: 'user' })
    .opts<Arguments>();
}

/** The report's own account of the other faults stays as it is. */
async function addTo(folder: string, result: HostsResult): Promise<void> {
  const earlier = await readReport(folder);
  if (earlier === undefined) throw new Error(`${folder} has no chaos-report.json to add to`);
  const report = withHosts(earlier, result);
  await writeFile(join(folder, 'chaos-report.json'), `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(join(folder, 'chaos-report.md'), `${markdownOf(report)}\n`);
}

async function main({ seed, cuts, scaled = false, into }: Arguments): Promise<number> {
  using narrator = new Narrator(process.stderr);
  const missing = whyNoNetHosts();
  if (missing !== null) {
    narrator.say(`Lost hosts can't be measured here: ${missing}`);
    return 2;
  }
  return await measured(seed, narrator, async () => {
    const result = await runHosts({ seed, cuts, scaled, narrator, signal: interruption() });
    process.stdout.write(`${JSON.stringify(result)}\n`);
    if (into !== undefined) await addTo(into, result);
    return isHostsGood(result) ? 0 : 1;
  });
}

await leaveWith(() => main(parse(process.argv.slice(2))));
