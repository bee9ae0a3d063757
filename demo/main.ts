/**
 * `npm run demo`: shows Holdfast at work while things break, and counts what users saw.
 *
 * Exit codes: 0 nothing lost, doubled or out of order; 1 something was, or an act did not heal; 2 it could not run;
 * 130 and 143 when a signal ended it before the count. The first signal drains, the second one hurries.
 */
import { Command, CommanderError, Option } from 'commander';
import { explain } from '../src/errors.ts';
import { Narrator } from './narrator.ts';
import { isGood, jsonOf, type Result, tableOf, verdictOf } from './report.ts';
import { runDemo } from './run-demo.ts';
import type { Sabotage } from './world.ts';

interface Arguments {
  readonly once?: boolean;
  readonly json?: boolean;
  readonly sabotage?: Sabotage;
  readonly logs?: string;
}

const PARENT_LOOK_MS = 1_000;
/** One Ctrl-C comes twice, ms apart: from the terminal, and from npm, which passes on what it got. */
const ECHO_MS = 500;

class Interrupted extends Error {
  readonly exitCode: number;

  constructor(name: NodeJS.Signals) {
    super(`ended by ${name}`);
    this.exitCode = name === 'SIGTERM' ? 143 : 130;
  }
}

function parse(argv: readonly string[]): Arguments {
  return new Command('npm run demo --')
    .description(
      'Holdfast between two emulated platforms: idle cuts, outages, drops, freezes, kills, and a count of what users saw.',
    )
    .option('--once', 'end after the table; exit code 0 only if nothing was lost, doubled or out of order')
    .option('--json', 'the table as one JSON line on stdout; the story goes to stderr')
    .addOption(new Option('--sabotage <safeguard>', 'switch one off').choices(['cursor', 'dedupe', 'fence']))
    .option('--logs <folder>', 'keep the logs of the processes there')
    .exitOverride()
    .parse(argv, { from: 'user' })
    .opts<Arguments>();
}

/** The first signal stops, the second hurries, more do nothing: what was started is always ended. */
function obeySignals(): { readonly stop: AbortSignal; readonly hurry: AbortSignal } {
  const stop = new AbortController();
  const hurry = new AbortController();
  let first: { readonly name: NodeJS.Signals; readonly at: number } | undefined;
  const obey = (name: NodeJS.Signals) => {
    const isEcho = first?.name === name && performance.now() - first.at < ECHO_MS;
    if (first !== undefined && !isEcho) hurry.abort(new Interrupted(name));
    first ??= { name, at: performance.now() };
    stop.abort(new Interrupted(name));
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, obey);
  // Whoever started us was killed, and could not pass that on: npm does so for some signals only.
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) stop.abort(new Interrupted('SIGTERM'));
  }, PARENT_LOOK_MS).unref();
  // A reader who left (`| head`) is as good as Ctrl-C.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', () => stop.abort(new Interrupted('SIGINT')));
  return { stop: stop.signal, hurry: hurry.signal };
}

async function main({ once = false, json = false, sabotage, logs }: Arguments): Promise<number> {
  const signals = obeySignals();
  using narrator = new Narrator(json ? process.stderr : process.stdout);
  const tellEnd = () => narrator.say('Draining. Ctrl-C again to hurry.');
  signals.stop.addEventListener('abort', tellEnd, { once: true });
  let isReported = false;
  const report = (result: Result) => {
    if (json && !isReported) process.stdout.write(`${jsonOf(result)}\n`);
    if (!json) narrator.say(`${tableOf(result)}\n${verdictOf(result)}`);
    isReported = true;
  };
  try {
    const asked = { once, sabotage: sabotage ?? null, keepLogsIn: logs ?? null };
    const result = await runDemo({ ...asked, narrator, report, ...signals });
    report(result);
    return isGood(result) ? 0 : 1;
  } catch (error) {
    if (error instanceof Interrupted) {
      narrator.say(`Ended early (${error.message}); nothing is left running.`);
      return error.exitCode;
    }
    narrator.say(`The demonstration could not go on: ${explain(error)}`);
    return 2;
  }
}

try {
  process.exitCode = await main(parse(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
