#!/usr/bin/env node
// Makes sure a `redis-server` of version 7.0 or newer is on PATH, because Holdfast's embedded Redis and the tests run
// a real one. Says nothing when it is there. Installs it when that needs no question: as root with apt-get, dnf or apk,
// or through Homebrew. Otherwise prints the command to run and exits 1.
import { spawnSync } from 'node:child_process';
import { APT_ENV, onPath, run, withoutServices } from './debian.mjs';

const NEEDED = [7, 0];

/**
 * A way to install Redis. `needsRoot` installers are only run by root; `commands` are tried in order and the first that
 * leaves a usable server wins; `before` refreshes package lists and may fail (an offline mirror may still have the package).
 */
const INSTALLERS = [
  {
    tool: 'apt-get',
    needsRoot: true,
    before: ['apt-get', 'update', '-q'],
    commands: [['apt-get', 'install', '-q', '-y', '--no-install-recommends', 'redis-server']],
    env: APT_ENV,
    // It would start on port 6379.
    guard: (install) => withoutServices(['redis-server'], install),
  },
  {
    tool: 'dnf',
    needsRoot: true,
    commands: [
      ['dnf', 'install', '-y', 'redis'],
      // Fedora 41 and later ship Valkey, with the old names in a package of its own.
      ['dnf', 'install', '-y', 'valkey', 'valkey-compat-redis'],
    ],
  },
  { tool: 'apk', needsRoot: true, commands: [['apk', 'add', '--no-cache', 'redis']] },
  { tool: 'brew', needsRoot: false, commands: [['brew', 'install', 'redis']] },
];

/** @returns {number[] | undefined} major and minor of the `redis-server` on PATH; undefined without one */
function installedVersion() {
  const answer = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  const match = /\bv=(\d+)\.(\d+)/.exec(answer.stdout ?? '');
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}

function isNewEnough(version) {
  if (version === undefined) return false;
  const [major, minor] = version;
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
}

function install({ before, commands, env, guard = (work) => work() }) {
  guard(() => {
    if (before !== undefined) run('ensure-redis', before, env);
    for (const command of commands) {
      if (isNewEnough(installedVersion())) return;
      run('ensure-redis', command, env);
    }
  });
}

/** @returns {string} what a person should type on this machine */
function advice(installer) {
  if (installer === undefined)
    return 'install redis-server 7.0 or newer: https://redis.io/docs/latest/operate/oss_and_stack/install/';
  const sudo = installer.needsRoot && process.getuid?.() !== 0 ? 'sudo ' : '';
  const steps = [installer.before, installer.commands[0]].filter((step) => step !== undefined);
  return `run: ${steps.map((step) => sudo + step.join(' ')).join(' && ')}`;
}

function main() {
  if (isNewEnough(installedVersion())) return 0;
  const installer = INSTALLERS.find(({ tool }) => onPath(tool));
  const mayInstall = installer !== undefined && (!installer.needsRoot || process.getuid?.() === 0);
  if (mayInstall) install(installer);
  const version = installedVersion();
  if (isNewEnough(version)) return 0;
  const problem = version === undefined ? 'redis-server was not found' : `redis-server ${version.join('.')} is too old`;
  const hint =
    mayInstall && version !== undefined
      ? 'the packages of this system have no newer one; see https://redis.io/docs/latest/operate/oss_and_stack/install/'
      : advice(installer);
  console.error(`ensure-redis: ${problem} (needed: ${NEEDED.join('.')} or newer); ${hint}`);
  return 1;
}

process.exitCode = main();
