import { chmod, chown, lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  assertOwnFolder,
  createPrivateFile,
  preparePrivateFolder,
  readPrivateFile,
  writePrivateFile,
} from '../../../src/files/private-file.ts';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
/** With another user's files: only root can make such. */
const asRoot = isRoot ? it : it.skip;
if (!isRoot) process.stderr.write('private-file: cases with files of another user need root: skipped\n');

let shared: string;
beforeEach(async () => {
  shared = await mkdtemp(join(tmpdir(), 'hf-private-'));
  await chmod(shared, 0o1777);
});
afterEach(() => rm(shared, { recursive: true, force: true }));

const modeOf = async (path: string) => ((await lstat(path)).mode & 0o777).toString(8);

describe('a folder', () => {
  it('is made with all above it, for us alone', async () => {
    const folder = join(shared, 'a', 'b');
    expect(await preparePrivateFolder(folder)).toBe(folder);
    expect(await modeOf(folder)).toBe('700');
  });

  it('is taken away from others where it is ours', async () => {
    const folder = join(shared, 'open');
    await mkdir(folder, { mode: 0o755 });
    await preparePrivateFolder(folder);
    expect(await modeOf(folder)).toBe('700');
  });

  it('may be reached by a link of our own', async () => {
    await mkdir(join(shared, 'disk'));
    await symlink(join(shared, 'disk'), join(shared, 'link'));
    expect(await preparePrivateFolder(join(shared, 'link'))).toBe(join(shared, 'disk'));
  });

  asRoot('of somebody else in a shared place is refused, and nothing of theirs is changed (H4)', async () => {
    const folder = join(shared, 'theirs');
    await mkdir(folder, { mode: 0o755 });
    await chown(folder, NOBODY, NOBODY);
    await expect(preparePrivateFolder(folder)).rejects.toThrow(/theirs belongs to user 65534 and not to us \(user 0\)/);
    expect(await modeOf(folder)).toBe('755');
  });

  asRoot('behind a link of somebody else is refused, and stays as it is (H4)', async () => {
    const ours = join(shared, 'ours');
    await mkdir(ours, { mode: 0o755 });
    await symlink(ours, join(shared, 'name'));
    await execa('chown', ['-h', String(NOBODY), join(shared, 'name')]);
    await expect(preparePrivateFolder(join(shared, 'name'))).rejects.toMatchObject({ code: 'FILES_UNFIT' });
    expect(await modeOf(ours)).toBe('755');
  });

  asRoot('of the user for whom root acts is let pass, where that user alone can make one', async () => {
    const home = join(shared, 'home');
    await mkdir(join(home, '.holdfast'), { recursive: true, mode: 0o700 });
    await chown(home, NOBODY, NOBODY);
    await chown(join(home, '.holdfast'), NOBODY, NOBODY);
    expect(await assertOwnFolder(join(home, '.holdfast'))).toBe(join(home, '.holdfast'));
  });

  it('whose name a file has is told with its name, the problem and the fix (L12)', async () => {
    await writeFile(join(shared, 'file'), '');
    await expect(preparePrivateFolder(join(shared, 'file'))).rejects.toThrow(
      /file is in the way of a folder: move it away/,
    );
    await expect(preparePrivateFolder(join(shared, 'file', 'below'))).rejects.toThrow(/in the way of a folder/);
  });

  it('that the system refuses is told with its name, the problem and the fix (L12)', async () => {
    await expect(preparePrivateFolder('/proc/holdfast')).rejects.toMatchObject({
      code: 'FILES_UNFIT',
      message: expect.stringMatching(/^\/proc\/holdfast cannot be used: .+\(E[A-Z]+\)$/),
    });
  });
});

describe('a file', () => {
  it('is written whole, for us alone, and leaves nothing beside it', async () => {
    const folder = await preparePrivateFolder(join(shared, 'own'));
    const path = join(folder, 'note');
    await writePrivateFile(path, 'one');
    await writePrivateFile(path, 'two');
    expect(await readPrivateFile(path)).toBe('two');
    expect(await modeOf(path)).toBe('600');
    expect(await readdir(folder)).toEqual(['note']);
  });

  it('replaces a link instead of following it (H4)', async () => {
    const victim = join(shared, 'victim');
    await writeFile(victim, 'untouched');
    const folder = await preparePrivateFolder(join(shared, 'own'));
    await symlink(victim, join(folder, 'note'));
    await expect(readPrivateFile(join(folder, 'note'))).rejects.toThrow(/a link is in the way/);
    await writePrivateFile(join(folder, 'note'), 'ours');
    expect(await readFile(victim, 'utf8')).toBe('untouched');
    expect(await readPrivateFile(join(folder, 'note'))).toBe('ours');
  });

  it('is made once, whoever else tries', async () => {
    const folder = await preparePrivateFolder(join(shared, 'own'));
    const path = join(folder, 'token');
    const made = await Promise.all(['a', 'b', 'c', 'd'].map((text) => createPrivateFile(path, text)));
    expect(made.filter((mine) => mine)).toHaveLength(1);
    expect(await readPrivateFile(path)).toBe('abcd'[made.indexOf(true)]);
    expect(await readdir(folder)).toEqual(['token']);
  });

  it('that is missing reads as none', async () => {
    expect(await readPrivateFile(join(shared, 'none'))).toBeUndefined();
    expect(await readPrivateFile(join(shared, 'no', 'folder'))).toBeUndefined();
  });

  it('that others can write to is not believed', async () => {
    const path = join(shared, 'open');
    await writeFile(path, 'anything');
    await chmod(path, 0o666);
    await expect(readPrivateFile(path)).rejects.toThrow(/can be written by other users/);
  });

  it('that is a pipe is refused at once, and not waited for', async () => {
    await execa`mkfifo ${join(shared, 'pipe')}`;
    await expect(readPrivateFile(join(shared, 'pipe'))).rejects.toThrow(/no plain file/);
  });

  asRoot('of somebody else in a shared place is not believed (H4)', async () => {
    const path = join(shared, 'planted');
    await writeFile(path, 'planted', { mode: 0o600 });
    await chown(path, NOBODY, NOBODY);
    await expect(readPrivateFile(path)).rejects.toThrow(/belongs to user 65534/);
  });
});
