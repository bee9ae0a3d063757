/**
 * One `holdfast worker` or `holdfast scheduler` as a real process.
 *
 * It has a process group of its own: Ctrl-C in the terminal reaches only the demonstration, which then ends its processes
 * in good order. A demonstration that was killed can't do that: its processes notice, and leave by themselves.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { hostname } from 'node:os';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

export type ProcessName = 'scheduler' | 'worker-1' | 'worker-2';

export interface LaunchOptions {
  readonly name: ProcessName;
  /** Path of `dist/cli.js`. */
  readonly cli: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Gets each line it writes. */
  onLine(line: string): void;
  /** Called when it ends and nobody asked for that. */
  onSuddenEnd(how: string): void;
}

const LEAVE_WITH_DEMO = new URL('leave-with-demo.mjs', import.meta.url).href;
/** Lines kept for error messages. */
const TAIL = 15;
/** An orderly end may take this long, ms: `holdfast` promises 10 s. */
const DRAIN_MS = 11_000;

export class DemoProcess {
  readonly name: ProcessName;
  readonly pid: number;
  /** Resolves when it does its work. @throws Error when it ends before */
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #tail: string[] = [];
  #endIsWanted = false;
  #isOver = false;

  constructor(options: LaunchOptions) {
    this.name = options.name;
    this.#child = spawn(process.execPath, ['--import', LEAVE_WITH_DEMO, options.cli, ...options.args], {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    if (this.#child.pid === undefined) throw new Error(`${this.name} could not be started`);
    this.pid = this.#child.pid;
    this.#exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#isOver = true;
        resolve();
        const how = signal === null ? `exit code ${code}` : signal;
        if (!this.#endIsWanted) options.onSuddenEnd(`${this.name} ended by itself (${how})\n${this.logTail()}`);
      });
    });
    this.ready = new Promise((resolve, reject) => {
      this.#readLines((line) => {
        options.onLine(line);
        if (saysReady(line)) resolve();
      });
      void this.#exited.then(() => reject(new Error(`${this.name} ended before it was ready`)));
    });
    // Whoever waits for it hears of it; and onSuddenEnd is told in any case.
    this.ready.catch(() => undefined);
  }

  /** What status calls it. */
  get worker(): string {
    return `${hostname()}/${this.pid}`;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Sends a signal; nothing happens when the process is over. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    if (!this.#isOver) this.#child.kill(name);
  }

  /** Ends it without any warning. */
  async kill(): Promise<void> {
    this.#endIsWanted = true;
    if (!this.#isOver) this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** SIGTERM, and SIGKILL where that takes too long or `hurry` aborts. @returns whether it left by itself */
  async drain(hurry: AbortSignal): Promise<boolean> {
    this.#endIsWanted = true;
    if (this.#isOver) return true;
    // A frozen process could hear nothing.
    this.#child.kill('SIGCONT');
    this.#child.kill('SIGTERM');
    let killed = false;
    const kill = () => {
      killed = true;
      this.#child.kill('SIGKILL');
    };
    const timer = setTimeout(kill, DRAIN_MS);
    hurry.addEventListener('abort', kill, { once: true });
    if (hurry.aborted) kill();
    await this.#exited;
    clearTimeout(timer);
    hurry.removeEventListener('abort', kill);
    return !killed;
  }

  /** Last resort when our own process ends: nothing to wait for any more. */
  killNow(): void {
    this.#endIsWanted = true;
    if (!this.#isOver) this.#child.kill('SIGKILL');
  }

  /** The end of its log, for error messages. */
  logTail(): string {
    return this.#tail.map((line) => `  ${this.name}: ${line.slice(0, 400)}`).join('\n');
  }

  #readLines(onLine: (line: string) => void): void {
    for (const input of [this.#child.stdout, this.#child.stderr] as Readable[]) {
      createInterface({ input }).on('line', (line) => {
        this.#tail.push(line);
        if (this.#tail.length > TAIL) this.#tail.shift();
        onLine(line);
      });
    }
  }
}

/** The line that every foreground command of `holdfast` logs when it does its work. */
function saysReady(line: string): boolean {
  try {
    return (JSON.parse(line) as { event?: unknown }).event === 'ready';
  } catch {
    return false;
  }
}
