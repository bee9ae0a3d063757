/**
 * Files that are mounted by themselves, as container engines do with single files. Such a mount holds on to what was there
 * when it was made: when the file is replaced on the host by renaming another one into its place, as most editors save,
 * nothing of that is seen here.
 */
import { readFile, realpath, stat } from 'node:fs/promises';

export interface MountedFile {
  readonly path: string;
  /** Another file stands in its place on the host. */
  readonly replaced: boolean;
}

/** @returns those of `files` that are mounted alone; none where the system does not say (it has no /proc) */
export async function mountedAlone(files: readonly string[]): Promise<MountedFile[]> {
  const mounts = mountPoints(await readFile('/proc/self/mountinfo', 'utf8').catch(() => ''));
  const found = await Promise.all(
    files.map(async (path) => {
      const mount = mounts.get(await realpath(path).catch(() => path));
      if (mount === undefined) return [];
      const links = await stat(path).then(
        ({ nlink }) => nlink,
        () => 1,
      );
      return [{ path, replaced: links === 0 || mount.endsWith('//deleted') }];
    }),
  );
  return found.flat();
}

/**
 * @returns where something is mounted → what part of its file system
 * @see https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html (fields 4 and 5; space, tab, line break and backslash are written
 *   in octal), read 2026-11-30
 */
export function mountPoints(mountinfo: string): ReadonlyMap<string, string> {
  const lines = mountinfo.split('\n').map((line) => line.split(' '));
  return new Map(lines.flatMap(([, , , root, at]) => (root && at ? [[unescaped(at), unescaped(root)]] : [])));
}

function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** What to do about it. */
export const MOUNT_THE_FOLDER =
  'a change that is saved by renaming, as most editors do, is not seen here: after one, recreate the container (docker compose up -d --force-recreate); or mount the folder that holds the file instead';
