/** The foreground commands. */
import { fileURLToPath } from 'node:url';
import { getHeapStatistics } from 'node:v8';
import { loadConfig } from '../config.ts';
import { explain } from '../errors.ts';
import { createLogger } from '../log.ts';
import { consoleToLog } from '../run/console-to-log.ts';
import { notePlace } from '../run/find-storage.ts';
import type { RoleName } from '../run/role.ts';
import { type ChildGroup, serve } from '../run/serve.ts';
import { LogJournal } from '../state/log-journal.ts';
import { ALL_SAFEGUARDS } from '../state/safeguards.ts';

const CLI = fileURLToPath(new URL('../cli.js', import.meta.url));

/** What the options of the foreground commands say. */
export interface ServeFlags {
  readonly capacity: number;
  /** Child processes that hold connections (`up`) or do each of the roles (`worker`); 0: the roles in this process. */
  readonly processes: number;
  readonly maxTenureMs: number | null;
  readonly supervised: boolean;
}

export async function up(file: string | undefined, flags: ServeFlags): Promise<number> {
  return run(file, ['scheduler', 'delivery', 'web'], flags, [
    children(file, ['connections'], flags.processes, flags),
    children(file, ['agent'], 1, flags),
  ]);
}

export async function worker(file: string | undefined, roles: readonly RoleName[], flags: ServeFlags): Promise<number> {
  const [agent, others] = [roles.filter((role) => role === 'agent'), roles.filter((role) => role !== 'agent')];
  const isAlone = agent.length === 0 || others.length === 0;
  if (flags.processes === 0) {
    return isAlone ? run(file, roles, flags, []) : run(file, others, flags, [children(file, agent, 1, flags)]);
  }
  const groups = isAlone ? [roles] : [others, agent];
  return run(
    file,
    [],
    flags,
    groups.map((group) => children(file, group, flags.processes, flags)),
  );
}

export async function scheduler(file: string | undefined): Promise<number> {
  return run(file, ['scheduler'], NO_FLAGS, []);
}

export async function web(file: string | undefined): Promise<number> {
  return run(file, ['web'], NO_FLAGS, []);
}

/** For roles that hold nothing. */
const NO_FLAGS: ServeFlags = { capacity: 0, processes: 0, maxTenureMs: null, supervised: false };

/**
 * An agent's answers take memory that somebody else decides about: a process that only asks agents ends at this rather
 * than taking the machine's, MB.
 */
const AGENT_HEAP_MB = 1_024;

function children(
  file: string | undefined,
  roles: readonly RoleName[],
  count: number,
  { capacity }: ServeFlags,
): ChildGroup {
  const config = file === undefined ? [] : ['--config', file];
  const args = [...config, 'worker', '--supervised', '--roles', roles.join(','), '--capacity', String(capacity)];
  // Ours may be less: the machine is small, or the operator says so.
  const isMore = getHeapStatistics().heap_size_limit > AGENT_HEAP_MB * 1_048_576;
  const execArgv = roles.includes('agent') && isMore ? [`--max-old-space-size=${AGENT_HEAP_MB}`] : [];
  return { roles, count, script: CLI, args, execArgv };
}

async function run(
  file: string | undefined,
  roles: readonly RoleName[],
  flags: ServeFlags,
  children: readonly ChildGroup[],
): Promise<number> {
  const config = loadConfig({ file });
  const journal = new LogJournal();
  const log = createLogger({ level: config.log.level, name: 'holdfast', alsoTo: journal });
  consoleToLog(log);
  if (config.sabotage !== null) {
    log.error(
      { event: 'sabotage', off: config.sabotage },
      'a safeguard is switched off: messages WILL be lost or doubled',
    );
  }
  const cwd = process.cwd();
  if (config.file !== null && !flags.supervised) {
    await notePlace(config.file, cwd).catch((error: unknown) =>
      log.info(
        { event: 'place-unnoted', reason: explain(error) },
        'status and doctor find this installation from its own folder only',
      ),
    );
  }
  return await serve({
    config,
    roles,
    children,
    supervised: flags.supervised,
    capacity: flags.capacity,
    maxTenureMs: flags.maxTenureMs,
    safeguards: { ...ALL_SAFEGUARDS, ...(config.sabotage === null ? {} : { [config.sabotage]: false }) },
    cwd,
    journal,
    log,
  });
}
