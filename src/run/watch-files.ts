/**
 * Says when some files may have changed. Folders are watched, not files: editors save by renaming another file into place,
 * and Kubernetes by turning a symbolic link (`..data`). Where the file system says nothing (network shares, some mounts),
 * the caller looks now and then all the same.
 */
import { type FSWatcher, realpathSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** A save comes in several steps, and half a file may be a valid one: only when nothing moves any more it is read, ms. */
const QUIET_MS = 300;

export class FileWatch {
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #onChange: () => void;
  #names: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | undefined;

  /** @param onChange - called when a file may have changed and {@link QUIET_MS} have passed since */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** From now on these files are meant. Folders that cannot be watched are left to the caller's own looks. */
  setFiles(files: readonly string[]): void {
    const all = files.flatMap((file) => [file, targetOf(file)]);
    this.#names = new Set(all.map((file) => basename(file)));
    const folders = new Set(all.map((file) => dirname(file)));
    for (const [folder, watcher] of this.#watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of folders) if (!this.#watchers.has(folder)) this.#open(folder);
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #open(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, (_, name) => {
        // Others may write beside them all the time.
        if (name === null || this.#names.has(name) || name.startsWith('..')) this.#stir();
      });
      watcher.on('error', () => {
        watcher.close();
        this.#watchers.delete(folder);
      });
      this.#watchers.set(folder, watcher);
    } catch {
      // It is gone, or the system has no watches left.
    }
  }

  #stir(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onChange, QUIET_MS).unref();
  }
}

function targetOf(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}
