/**
 * Files and folders that are ours alone, also where others may write beside them. In a shared folder such as /tmp whoever
 * comes first may put a link, a pipe or a folder of their own under the name that we are about to use; so nothing is
 * followed, nothing is overwritten in place, and what somebody else could have written is not read.
 *
 * Root is let into a folder of another user (`sudo holdfast status`), unless that folder stands where everybody may make
 * one.
 */
import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, open, readdir, realpath, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FatalError } from '../errors.ts';

/** Nothing of ours is larger, bytes. */
const MAX_BYTES = 4 * 1024 * 1024;

const FOR_OTHERS = 0o077;
const WRITABLE_FOR_OTHERS = 0o022;

/**
 * Makes `folder` where it is missing (and what is missing above it), and takes it away from others where it is ours.
 *
 * @returns its real path: a link that we made ourselves may lead there
 * @throws FatalError `FILES_UNFIT` when it is somebody else's, no folder, or cannot be made
 */
export async function preparePrivateFolder(folder: string): Promise<string> {
  try {
    await makeFolder(resolve(folder));
    const real = await assertOwnFolder(folder);
    const handle = await open(real, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      const { mode } = await handle.stat();
      if ((mode & FOR_OTHERS) !== 0) await handle.chmod(0o700);
    } finally {
      await handle.close();
    }
    return real;
  } catch (error) {
    throw unfit(folder, error);
  }
}

/** Not by `recursive`: where the system says ENOENT for ever, as below /proc, Node 20 asks it for ever. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, 0o700);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // What is there already is looked at by the caller.
    if (code === 'EEXIST') return;
    const above = dirname(folder);
    if (code !== 'ENOENT' || above === folder || (await lstat(above).catch(orMissing)) !== undefined) throw error;
    await makeFolder(above);
    await mkdir(folder, 0o700);
  }
}

/**
 * Touches nothing.
 *
 * @returns its real path
 * @throws FatalError `FILES_UNFIT` when it is somebody else's or no folder; the system's error when it is missing
 */
export async function assertOwnFolder(folder: string): Promise<string> {
  const above = await lstat(dirname(resolve(folder)));
  assertOwner(folder, await lstat(folder), isShared(above));
  const real = await realpath(folder);
  const found = await lstat(real);
  assertOwner(real, found, isShared(await lstat(dirname(real))));
  if (!found.isDirectory()) throw new FatalError('FILES_UNFIT', `${real} is in the way of a folder: move it away`);
  return real;
}

/**
 * @param path - in a folder that is ours ({@link preparePrivateFolder})
 * @returns `undefined` when there is none
 * @throws FatalError `FILES_UNFIT` when it is a link or no plain file, when others can write to it, or when it is too large
 */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  const folder = await lstat(dirname(path)).catch(orMissing);
  if (folder === undefined) return undefined;
  let handle: FileHandle;
  try {
    // A pipe would be waited for.
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unfit(path, error);
  }
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw new FatalError('FILES_UNFIT', `${path} is no plain file: move it away`);
    assertOwner(path, found, isShared(folder));
    if ((found.mode & WRITABLE_FOR_OTHERS) !== 0) {
      throw new FatalError('FILES_UNFIT', `${path} can be written by other users: chmod 600 it, or move it away`);
    }
    if (found.size > MAX_BYTES) throw new FatalError('FILES_UNFIT', `${path} is larger than 4 MiB: move it away`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

/**
 * Puts `text` in the place of whatever was under this name, at once: a crash leaves the old file or the new one.
 *
 * @param path - in a folder that is ours
 * @throws FatalError `FILES_UNFIT` when it cannot be written
 */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await putBeside(path, text, (next) => rename(next, path));
}

/**
 * Like {@link writePrivateFile}, unless there is something under this name already. Of several who try, one succeeds.
 *
 * @returns whether it was us
 */
export async function createPrivateFile(path: string, text: string): Promise<boolean> {
  return await putBeside(path, text, async (next) => {
    try {
      await link(next, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    } finally {
      await unlink(next);
    }
  });
}

async function putBeside<T>(path: string, text: string, put: (next: string) => Promise<T>): Promise<T> {
  const next = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    const handle = await open(
      next,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      0o600,
    );
    try {
      await handle.writeFile(text);
      // Else a power loss can leave the new name with nothing in it.
      await handle.sync();
    } finally {
      await handle.close();
    }
    return await put(next);
  } catch (error) {
    await unlink(next).catch(() => undefined);
    throw unfit(path, error);
  }
}

/**
 * Takes all that is in `folder`, which is ours, away from others: copies and archives keep modes, but not the closed folder
 * above. What comes or goes meanwhile, or is not ours, is left alone: doctor tells of it.
 *
 * @returns how many files and folders were open
 */
export async function closeToOthers(folder: string): Promise<number> {
  let closed = 0;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isFile() || entry.isDirectory()) closed += (await closeOne(path).catch(() => false)) ? 1 : 0;
    if (entry.isDirectory()) closed += await closeToOthers(path);
  }
  return closed;
}

async function closeOne(path: string): Promise<boolean> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { mode } = await handle.stat();
    if ((mode & FOR_OTHERS) === 0) return false;
    await handle.chmod(mode & 0o700);
    return true;
  } finally {
    await handle.close();
  }
}

/** @param shared - it stands where everybody may make one: then root does not trust just any owner either */
function assertOwner(path: string, { uid }: Stats, shared: boolean): void {
  const own = process.geteuid?.();
  if (own === undefined || uid === own || (own === 0 && !shared)) return;
  const fix = 'move it away, or start Holdfast as that user';
  throw new FatalError('FILES_UNFIT', `${path} belongs to user ${uid} and not to us (user ${own}): ${fix}`);
}

function isShared(folder: Stats): boolean {
  return (folder.mode & WRITABLE_FOR_OTHERS) !== 0;
}

function orMissing(error: unknown): undefined {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
  throw error;
}

const FIXES: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'this user may not write there: change its owner, or start Holdfast in a folder of its own'],
  ['EPERM', 'this user may not change it: change its owner, or start Holdfast in a folder of its own'],
  ['EROFS', 'the file system is read-only: mount a writable folder there, or start Holdfast in another one'],
  ['ENOSPC', 'the disk is full: make room'],
  ['EDQUOT', 'the quota of this user is used up: make room'],
  ['EEXIST', 'a file of that name is in the way: move it away'],
  ['ENOENT', 'nothing can be made there: start Holdfast in another folder'],
  ['ENOTDIR', 'a file is in the way of a folder: move it away'],
  ['ELOOP', 'a link is in the way: remove it'],
]);

/** @returns `cause` in words that name `path`, the problem and the fix; what is no error of the system as it is */
export function unfit(path: string, cause: unknown): unknown {
  if (cause instanceof FatalError) return cause;
  const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
  return new FatalError('FILES_UNFIT', `${path} cannot be used: ${FIXES.get(code) ?? 'see the cause'} (${code})`, {
    cause,
  });
}
