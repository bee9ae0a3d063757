/**
 * `npm run simulate -- --seeds 5000 [--from N] [--seed X] [--jobs N] [--mutate GUARD] [--trace]`
 *
 * Runs schedules in as many processes as there are processors. A failing seed is printed with what to run to see it again;
 * `--seed X` runs that one twice and compares. Exit code: 0 all promises kept, 1 one was broken, 2 wrong options.
 */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { MUTATIONS, type Mutation } from './mutations.ts';
import { runSeed, type SeedResult } from './run-seed.ts';

interface Job {
  readonly from: number;
  readonly count: number;
  readonly step: number;
  readonly mutation: Mutation | null;
}

const OPTIONS = {
  seeds: { type: 'string', default: '1000' },
  from: { type: 'string', default: '1' },
  seed: { type: 'string' },
  jobs: { type: 'string', default: String(availableParallelism()) },
  mutate: { type: 'string' },
  trace: { type: 'boolean', default: false },
  child: { type: 'boolean', default: false },
} as const;

function readOptions() {
  const { values } = parseArgs({ options: OPTIONS });
  const mutation = MUTATIONS.find((one) => one === values.mutate) ?? null;
  if (values.mutate !== undefined && mutation === null)
    throw new RangeError(`--mutate: one of ${MUTATIONS.join(', ')}`);
  const number = (name: 'seeds' | 'from' | 'seed' | 'jobs', least: number) => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < least) throw new RangeError(`--${name}: a whole number from ${least}`);
    return value;
  };
  return {
    seeds: number('seeds', 1),
    from: number('from', 0),
    seed: values.seed === undefined ? null : number('seed', 0),
    jobs: number('jobs', 1),
    mutation,
    trace: values.trace,
    child: values.child,
  };
}

/** @returns exit code */
async function showOne(seed: number, mutation: Mutation | null, trace: boolean): Promise<number> {
  const first = await runSeed(seed, { mutation, keepLines: true });
  const second = await runSeed(seed, { mutation });
  if (trace) console.log(first.trace?.join('\n'));
  console.log(`seed ${seed}: ${first.messages} messages, ${first.events} events, trace ${first.hash}`);
  for (const violation of first.violations) console.log(`  ${violation}`);
  if (first.hash !== second.hash)
    console.log(`  run again it was trace ${second.hash}: the simulation is not deterministic`);
  return first.violations.length > 0 || first.hash !== second.hash ? 1 : 0;
}

/** @returns exit code */
async function showMany({ seeds, from, jobs, mutation }: ReturnType<typeof readOptions>): Promise<number> {
  const startedAt = performance.now();
  const count = { done: 0, messages: 0, events: 0, failed: [] as number[], slowest: 0 };
  const seconds = () => ((performance.now() - startedAt) / 1_000).toFixed(0);
  const onResult = (result: SeedResult) => {
    count.done += 1;
    count.messages += result.messages;
    count.events += result.events;
    count.slowest = Math.max(count.slowest, result.recoveryMs);
    if (result.violations.length === 0) return;
    count.failed.push(result.seed);
    const again = `npm run simulate -- --seed ${result.seed}${mutation === null ? '' : ` --mutate ${mutation}`}`;
    console.log(`seed ${result.seed} failed (trace ${result.hash}); again: ${again}`);
    for (const violation of result.violations) console.log(`  ${violation}`);
  };
  const progress = setInterval(() => {
    console.log(`${count.done}/${seeds} schedules, ${count.failed.length} failed, ${seconds()} s`);
  }, 5_000);
  try {
    const share = (index: number) => Math.ceil((seeds - index) / jobs);
    const all = Array.from({ length: Math.min(jobs, seeds) }, (_, index) =>
      runChild({ from: from + index, count: share(index), step: jobs, mutation }, onResult),
    );
    await Promise.all(all);
  } finally {
    clearInterval(progress);
  }
  const { done, messages, events, failed, slowest } = count;
  console.log(
    `${done} schedules (seeds ${from} to ${from + seeds - 1}), ${messages} messages, ${events} events in ${seconds()} s; ` +
      `slowest recovery ${(slowest / 1_000).toFixed(1)} s (virtual); ${failed.length} failed`,
  );
  return failed.length > 0 || done < seeds ? 1 : 0;
}

function runChild(job: Job, onResult: (result: SeedResult) => void): Promise<void> {
  const child = fork(new URL(import.meta.url), ['--child'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  return new Promise((resolve, reject) => {
    child.on('message', (result) => onResult(result as SeedResult));
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`a process of the simulation ended with code ${code}`));
    });
    child.send(job);
  });
}

async function work({ from, count, step, mutation }: Job): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const result = await runSeed(from + i * step, { mutation });
    await new Promise<void>((resolve) => process.send?.(result, () => resolve()));
  }
  process.disconnect();
}

const options = (() => {
  try {
    return readOptions();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
})();

if (options.child) process.once('message', (job) => work(job as Job));
else if (options.seed !== null) process.exitCode = await showOne(options.seed, options.mutation, options.trace);
else process.exitCode = await showMany(options);
