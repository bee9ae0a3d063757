// What the ensure-* scripts share: looking for programs, and Debian packages installed without their services.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const POLICY = '/usr/sbin/policy-rc.d';
export const APT_ENV = { DEBIAN_FRONTEND: 'noninteractive' };

/** Debian keeps daemons in sbin, which is not on everybody's PATH. */
export function onPath(tool) {
  return [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'].some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}

/** The packages' scripts would start system services that nobody asked for; policy-rc.d forbids it. */
export function withoutServices(services, install) {
  const ours = !existsSync(POLICY);
  if (ours) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    install();
  } finally {
    if (ours) rmSync(POLICY, { force: true });
  }
  // Also not at the next boot.
  if (onPath('systemctl')) spawnSync('systemctl', ['disable', ...services], { stdio: 'ignore' });
}

/** The output goes to stderr, so that stdout stays clean for commands that print JSON. */
export function run(who, command, env = {}) {
  console.error(`${who}: ${command.join(' ')}`);
  spawnSync(command[0], command.slice(1), { stdio: ['ignore', 2, 2], env: { ...process.env, ...env } });
}
