#!/usr/bin/env node
// Makes sure that the programs which tests use are installed: the proxies that they dial through (tinyproxy, squid, dante),
// the browser that shows the pages (Chromium), what containers and services run under (tini, systemd's own check). Says
// nothing when they are. Installs them where that needs no question: as root, with apt-get. Otherwise says what is missing;
// the tests that need it then say that they are skipped. Never fails: Holdfast itself needs none of them.
import { APT_ENV, onPath, run, withoutServices } from './debian.mjs';

/** Program → Debian package. */
const PACKAGES = {
  tinyproxy: 'tinyproxy',
  squid: 'squid',
  danted: 'dante-server',
  chromium: 'chromium',
  tini: 'tini',
  'systemd-analyze': 'systemd',
};
/** A machine without network must not wait for minutes. */
const PATIENCE = ['-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=15'];

const missing = () => Object.keys(PACKAGES).filter((program) => !onPath(program));

function main() {
  const wanted = missing();
  if (wanted.length === 0) return;
  const packages = wanted.map((program) => PACKAGES[program]);
  if (!onPath('apt-get')) {
    console.error(
      `ensure-test-programs: without ${wanted.join(', ')}, and this is no Debian: tests with them are skipped`,
    );
    return;
  }
  if (process.getuid?.() !== 0) {
    console.error(
      `ensure-test-programs: without ${wanted.join(', ')}: tests with them are skipped; sudo apt-get install ${packages.join(' ')}`,
    );
    return;
  }
  const install = ['apt-get', 'install', '-q', '-y', '--no-install-recommends', ...PATIENCE, ...packages];
  withoutServices(['tinyproxy', 'squid', 'danted'], () => {
    run('ensure-test-programs', ['apt-get', 'update', '-q', ...PATIENCE], APT_ENV);
    run('ensure-test-programs', install, APT_ENV);
  });
  const left = missing();
  if (left.length > 0)
    console.error(`ensure-test-programs: still without ${left.join(', ')}: tests with them are skipped`);
}

main();
