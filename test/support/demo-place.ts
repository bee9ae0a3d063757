/** The demonstration as a process of its own, in a temporary folder, and what it may leave behind there. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const MAIN = fileURLToPath(new URL('../../demo/main.ts', import.meta.url));
/** `--once` promises 3 minutes. */
const ONCE_MS = 175_000;

export type RunningDemo = ReturnType<DemoPlace['demo']>;

export class DemoPlace implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(): Promise<DemoPlace> {
    return new DemoPlace(await realpath(await mkdtemp(join(tmpdir(), 'hf-demo-'))));
  }

  demo(...args: string[]) {
    return execa(process.execPath, ['--import', 'tsx', MAIN, ...args], {
      env: { TMPDIR: this.#folder },
      reject: false,
      forceKillAfterDelay: false,
      timeout: ONCE_MS,
    });
  }

  /** Command lines of processes that have a folder of the demonstration in them. Empty where the system has no /proc. */
  processes(): string[] {
    return commandLines().filter((line) => line.includes(`${this.#folder}/holdfast-demo-`));
  }

  /** Folders of the demonstration, and its processes. */
  async leftOvers(): Promise<string[]> {
    const folders = (await readdir(this.#folder)).filter((name) => name.startsWith('holdfast-'));
    return [...folders, ...this.processes()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function commandLines(): string[] {
  try {
    return readdirSync('/proc').flatMap((pid) => (/^\d+$/.test(pid) ? commandLine(pid) : []));
  } catch {
    return [];
  }
}

function commandLine(pid: string): string[] {
  try {
    return [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')];
  } catch {
    // It has ended meanwhile.
    return [];
  }
}
