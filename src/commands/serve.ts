/** The foreground commands. */
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../config.ts';
import { explain } from '../errors.ts';
import { createLogger } from '../log.ts';
import { consoleToLog } from '../run/console-to-log.ts';
import { notePlace } from '../run/find-storage.ts';
import type { RoleName } from '../run/role.ts';
import { serve } from '../run/serve.ts';
import { LogJournal } from '../state/log-journal.ts';
import { ALL_SAFEGUARDS } from '../state/safeguards.ts';

const CLI = fileURLToPath(new URL('../cli.js', import.meta.url));

/** What the options of the foreground commands say. */
export interface ServeFlags {
  readonly capacity: number;
  /** Child processes that hold connections (`up`) or do the roles (`worker`). */
  readonly processes: number;
  readonly maxTenureMs: number | null;
  readonly supervised: boolean;
}

export async function up(file: string | undefined, flags: ServeFlags): Promise<number> {
  return run(file, ['scheduler', 'agent', 'delivery', 'web'], flags, childArguments(file, ['connections'], flags));
}

export async function worker(file: string | undefined, roles: readonly RoleName[], flags: ServeFlags): Promise<number> {
  if (flags.processes === 0) return run(file, roles, flags, null);
  return run(file, [], flags, childArguments(file, roles, flags));
}

export async function scheduler(file: string | undefined): Promise<number> {
  return run(file, ['scheduler'], NO_FLAGS, null);
}

export async function web(file: string | undefined): Promise<number> {
  return run(file, ['web'], NO_FLAGS, null);
}

/** For roles that hold nothing. */
const NO_FLAGS: ServeFlags = { capacity: 0, processes: 0, maxTenureMs: null, supervised: false };

function childArguments(file: string | undefined, roles: readonly RoleName[], flags: ServeFlags): string[] {
  const config = file === undefined ? [] : ['--config', file];
  return [...config, 'worker', '--supervised', '--roles', roles.join(','), '--capacity', String(flags.capacity)];
}

async function run(
  file: string | undefined,
  roles: readonly RoleName[],
  flags: ServeFlags,
  child: readonly string[] | null,
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
    children: child === null ? null : { count: flags.processes, script: CLI, args: child },
    supervised: flags.supervised,
    capacity: flags.capacity,
    maxTenureMs: flags.maxTenureMs,
    safeguards: { ...ALL_SAFEGUARDS, ...(config.sabotage === null ? {} : { [config.sabotage]: false }) },
    cwd,
    journal,
    log,
  });
}
