/** SECURITY.md promises that what npm installs is what was looked at: every digest is pinned, and no install script runs. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

interface LockedPackage {
  readonly version: string;
  readonly integrity?: string;
  readonly dev?: boolean;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { packages } = JSON.parse(readFileSync(`${ROOT}package-lock.json`, 'utf8')) as {
  packages: Record<string, LockedPackage>;
};
const locked = Object.entries(packages).filter(([path]) => path !== '');

it('pins the digest of every package, also of those for other systems (L6)', () => {
  expect(locked.length).toBeGreaterThan(300);
  expect(locked.filter(([, { dev }]) => dev !== true).length).toBeGreaterThan(100);
  // npm leaves out the digest of an optional package that it did not install: `npm view NAME@VERSION dist.integrity`.
  const open = locked.filter(([, { integrity }]) => !/^sha512-[\w+/]{86}==$/.test(integrity ?? ''));
  expect(open.map(([path, { version }]) => `${path}@${version}`)).toEqual([]);
});

it('runs no install script of a package, whoever calls npm here (L6)', () => {
  const setting = execFileSync('npm', ['config', 'get', 'ignore-scripts'], { cwd: ROOT, encoding: 'utf8' });
  expect(setting.trim()).toBe('true');
});
