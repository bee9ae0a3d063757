/** The foreground commands. */
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../config.ts';
import { createLogger } from '../log.ts';
import { notePlace } from '../run/find-storage.ts';
import type { RoleName } from '../run/role.ts';
import { serve } from '../run/serve.ts';
import { ALL_SAFEGUARDS } from '../state/safeguards.ts';

const CLI = fileURLToPath(new URL('../cli.js', import.meta.url));

export async function up(file: string | undefined, capacity: number): Promise<number> {
  const child = ['worker', '--roles', 'connections', '--capacity', String(capacity)];
  return run(
    file,
    ['scheduler', 'agent', 'delivery'],
    capacity,
    file === undefined ? child : ['--config', file, ...child],
  );
}

export async function worker(file: string | undefined, roles: readonly RoleName[], capacity: number): Promise<number> {
  return run(file, roles, capacity, null);
}

export async function scheduler(file: string | undefined): Promise<number> {
  return run(file, ['scheduler'], 0, null);
}

async function run(
  file: string | undefined,
  roles: readonly RoleName[],
  capacity: number,
  child: readonly string[] | null,
): Promise<number> {
  const config = loadConfig({ file });
  const log = createLogger({ level: config.log.level, name: 'holdfast' });
  if (config.sabotage !== null) {
    log.error(
      { event: 'sabotage', off: config.sabotage },
      'a safeguard is switched off: messages WILL be lost or doubled',
    );
  }
  const cwd = process.cwd();
  if (config.redis.url === null && config.file !== null) await notePlace(config.file, cwd).catch(() => undefined);
  return await serve({
    config,
    roles,
    connectionsChild: child === null ? null : { script: CLI, args: child },
    capacity,
    safeguards: { ...ALL_SAFEGUARDS, ...(config.sabotage === null ? {} : { [config.sabotage]: false }) },
    cwd,
    log,
  });
}
