/**
 * One process at a time, on one machine, through a lock file (a directory, in fact: mkdir is atomic). The holder touches
 * it every second; a lock nobody touched for {@link STALE_MS} belonged to a dead process and is taken over.
 *
 * The file's time is an instant of the wall clock. Set that back, and what a dead process left looks fresh for as long; so
 * a time in the future that stands still, on our own clock, is as stale.
 */
import { rmSync, statSync } from 'node:fs';
import lockfile from 'proper-lockfile';
import { sleep, withDeadline } from '../async/abort.ts';
import { TransientError } from '../errors.ts';
import { unfit } from '../files/private-file.ts';

/** A dead holder's lock clears after this, ms. */
const STALE_MS = 3_000;
const TOUCH_EVERY_MS = 1_000;
const RETRY_EVERY_MS = 50;

export interface HeldLock {
  /**
   * Call right before what must not happen twice. A holder that was frozen longer than {@link STALE_MS} may have been
   * overtaken without having noticed yet.
   *
   * @throws TransientError when the lock is no longer ours
   */
  assertHeld(): void;
}

/**
 * Runs `work` while holding the lock, which is released on every path.
 *
 * @param path - the lock; its folder must exist
 * @param waitMs - how long to wait for another holder, ms
 * @throws TransientError with code `DEADLINE` when the lock was not free in time
 * @throws FatalError `FILES_UNFIT` when the folder is read-only, full or not ours
 */
export async function withFileLock<T>(
  path: string,
  waitMs: number,
  signal: AbortSignal,
  work: (lock: HeldLock) => Promise<T>,
): Promise<T> {
  const { release, lock } = await withDeadline(`lock ${path}`, waitMs, signal, (inTime) => acquire(path, inTime));
  try {
    return await work(lock);
  } finally {
    // Fails when we were overtaken: then there is nothing of ours to remove.
    await release().catch(() => {});
  }
}

async function acquire(path: string, signal: AbortSignal) {
  const future = new FutureTouch(path);
  for (;;) {
    signal.throwIfAborted();
    let overtaken = false;
    try {
      const release = await lockfile.lock(path, {
        lockfilePath: path,
        realpath: false,
        stale: STALE_MS,
        update: TOUCH_EVERY_MS,
        // The default throws out of a timer and would end the process.
        onCompromised: () => {
          overtaken = true;
        },
      });
      if (signal.aborted) {
        // Nobody waits for it any more.
        await release();
        throw signal.reason;
      }
      const { ino } = statSync(path);
      return { release, lock: { assertHeld: () => assertHeld(path, ino, overtaken) } };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw unfit(path, error);
      future.clearWhenStale();
      await sleep(RETRY_EVERY_MS, { signal });
    }
  }
}

/** Watches a lock that was last touched in the future: before the clock was set back, or by somebody who touches it still. */
class FutureTouch {
  readonly #path: string;
  #seen: { readonly ino: number; readonly mtimeMs: number; readonly since: number } | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** Removes it once nobody has touched it for {@link STALE_MS} of our own clock. */
  clearWhenStale(): void {
    const found = statSync(this.#path, { throwIfNoEntry: false });
    if (found === undefined || found.mtimeMs <= Date.now()) {
      this.#seen = null;
      return;
    }
    const { ino, mtimeMs } = found;
    const now = performance.now();
    if (this.#seen?.ino !== ino || this.#seen.mtimeMs !== mtimeMs) this.#seen = { ino, mtimeMs, since: now };
    else if (now - this.#seen.since > STALE_MS) rmSync(this.#path, { recursive: true, force: true });
  }
}

function assertHeld(path: string, ino: number, overtaken: boolean): void {
  const now = statSync(path, { throwIfNoEntry: false });
  const fresh = now !== undefined && now.ino === ino && Date.now() - now.mtimeMs < STALE_MS - RETRY_EVERY_MS;
  if (overtaken || !fresh) throw new TransientError('REDIS_UNAVAILABLE', `the lock ${path} was lost while it was held`);
}
