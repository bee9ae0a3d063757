/**
 * `npm run bench`: measures Holdfast beside its floors and peers, prints the table and keeps it in docs/performance.md.
 * No number makes it fail; the exit code is 1 only when something could not be measured.
 */
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { keep } from './report/keep.ts';
import { tableOf } from './report/terminal.ts';
import type { Row } from './row.ts';
import { ROWS } from './rows/all.ts';
import { runBench } from './run-bench.ts';
import { buildPrograms } from './support/programs.ts';

interface Arguments {
  readonly only?: readonly string[];
  readonly json?: boolean;
  readonly brief?: boolean;
  readonly list?: boolean;
  readonly out: string;
}

const DOCS = fileURLToPath(new URL('../docs/', import.meta.url));

function parse(argv: readonly string[]): Arguments {
  return new Command('npm run bench --')
    .description('Speed, memory and cost of Holdfast beside floors and peers, measured in one run.')
    .option('--only <name...>', 'only these rows (--list names them)')
    .option('--json', 'the result as JSON on stdout instead of the table')
    .option('--brief', 'few events and one round: shows that every row works; nothing is kept')
    .option('--list', 'names the rows')
    .option('--out <folder>', 'where performance.md, performance.json and the plots are kept', DOCS)
    .parse(argv, { from: 'user' })
    .opts<Arguments>();
}

/** @throws Error naming a row that does not exist */
function chosen(only: readonly string[] | undefined): readonly Row[] {
  if (only === undefined) return ROWS.filter((row) => row.onlyWhenAsked !== true);
  return only.map((name) => {
    const row = ROWS.find((each) => each.name === name);
    if (row === undefined) throw new Error(`no row "${name}"; there are ${ROWS.map((each) => each.name).join(', ')}`);
    return row;
  });
}

// What was started is ended by handlers of 'exit', which a signal alone would not run.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => process.exit(130));

const { only, json = false, brief = false, list = false, out } = parse(process.argv.slice(2));
if (list) {
  for (const { name, title, onlyWhenAsked } of ROWS) {
    process.stdout.write(`${name}: ${title}${onlyWhenAsked === true ? ' (only when asked for)' : ''}\n`);
  }
} else {
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const program = await buildPrograms();
  const result = await runBench({ rows: chosen(only), brief, program, say });
  if (!brief)
    await keep(
      result,
      out,
      ROWS.map(({ name }) => name),
    );
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${tableOf(result.rows)}\n`);
}
