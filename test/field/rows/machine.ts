/** What another user of the machine, its disks, its service manager and its port can do to an installation. */
import { createHash } from 'node:crypto';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { replay } from '../row.ts';

const NOBODY = 65_534;
const needsRoot = process.getuid?.() === 0 ? null : 'files of another user: only root can make them';

/** A folder as /tmp is. */
async function sharedFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'hf-shared-')));
  await chmod(folder, 0o1777);
  return folder;
}

replay('on the machine', [
  {
    id: 'H4',
    must: 'overwrite no file through a link that another user put into /tmp, and be found by status all the same',
    cannot: needsRoot,
    async run(stage) {
      const temporary = await sharedFolder();
      stage.defer(() => rm(temporary, { recursive: true }));
      const installation = await stage.install({ connections: [], env: { TMPDIR: temporary } });
      const victim = join(installation.dir, 'victim');
      await writeFile(victim, 'untouched', { mode: 0o600 });
      const name = createHash('sha256')
        .update(await realpath(installation.configFile))
        .digest('hex')
        .slice(0, 24);
      const planted = join(temporary, 'holdfast-places-0');
      await mkdir(planted);
      await symlink(victim, join(planted, `${name}.json`));
      await chown(planted, NOBODY, NOBODY);

      await installation.up();
      expect(await readFile(victim, 'utf8')).toBe('untouched');
      const status = await installation.run(['-c', installation.configFile, 'status'], { cwd: '/' });
      expect([status.stderr, status.code]).toEqual(['', 0]);
      expect(await readdir(temporary)).toEqual(['holdfast-places-0']);
    },
  },
  {
    id: 'H4b',
    must: 'start no Redis in a folder that another user made first, and name it',
    cannot: needsRoot,
    async run(stage) {
      const installation = await stage.install({ connections: [] });
      await chmod(installation.dir, 0o1777);
      await mkdir(join(installation.dir, '.holdfast'));
      await chown(join(installation.dir, '.holdfast'), NOBODY, NOBODY);
      const refused = await installation.run(['up']);
      expect(refused.code).toBe(2);
      expect(refused.stdout).toMatch(/\.holdfast belongs to user 65534 and not to us \(user 0\): move it away/);
      expect(await readdir(join(installation.dir, '.holdfast'))).toEqual([]);
    },
  },
  {
    id: 'L4',
    must: 'keep what Redis writes from other users, also once it is copied out of its folder',
    async run(stage) {
      const installation = await stage.install({ connections: [] });
      await installation.up();
      const data = join(installation.dir, '.holdfast', 'redis');
      const files = await readdir(data, { recursive: true });
      expect(files.length).toBeGreaterThan(2);
      for (const file of files) expect((await stat(join(data, file))).mode & 0o077, file).toBe(0);
    },
  },
]);
