/** A foreground command (`up`, `worker`, `scheduler`) as a real child process, with its log read line by line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { waitUntil } from './wait-until.ts';

export const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const READY_DEADLINE_MS = 30_000;

export interface LogLine {
  readonly level: string;
  readonly event?: string;
  readonly msg?: string;
  readonly pid?: number;
  readonly childPid?: number;
  readonly [key: string]: unknown;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Time since the last signal we sent it, or since its start, ms. */
  readonly afterMs: number;
}

export interface ServedOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** A command that becomes ours by `exec`, so that the pid is ours, e.g. `['ip', 'netns', 'exec', 'host-a']`. */
  readonly via?: readonly string[];
}

export class ServedProcess {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the process has ended and all its output was read. */
  readonly exited: Promise<Exit>;
  /** Parsed lines of stdout. */
  readonly lines: LogLine[] = [];
  #stdout = '';
  #stderr = '';
  #exit: Exit | null = null;
  #askedAt = performance.now();

  /** A process group of its own, so that a signal to the group means what Ctrl-C in a terminal means. */
  constructor(args: readonly string[], options: ServedOptions) {
    this.name = args.join(' ');
    const { cwd, env, via = [] } = options;
    const [command = '', ...rest] = [...via, process.execPath, CLI, ...args];
    const child = spawn(command, rest, {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (child.pid === undefined) throw new Error(`${this.name} could not be started`);
    this.pid = child.pid;
    running.add(this.pid);
    this.#read(child);
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        running.delete(this.pid);
        this.#exit = { code, signal, afterMs: performance.now() - this.#askedAt };
        resolve(this.#exit);
      });
    });
  }

  get exit(): Exit | null {
    return this.#exit;
  }

  /** Everything it has said. */
  get output(): string {
    return `${this.#stdout}${this.#stderr}`;
  }

  /** Waits for `"event":"ready"`. @throws Error with its output when it ends or takes too long */
  async ready(): Promise<this> {
    await this.waitForLine(({ event }) => event === 'ready', READY_DEADLINE_MS);
    return this;
  }

  /** @returns the first line that fits, an old one too. @throws Error when it ends or takes too long */
  async waitForLine(fits: (line: LogLine) => boolean, timeoutMs = 10_000): Promise<LogLine> {
    let found: LogLine | undefined;
    await waitUntil(
      `a line of "${this.name}"`,
      () => {
        found = this.lines.find(fits);
        if (found === undefined && this.#exit !== null) throw new Error(`"${this.name}" ended\n${this.tail()}`);
        return found !== undefined;
      },
      { timeoutMs, explain: () => this.tail() },
    );
    return found as LogLine;
  }

  /** @param whom - the process itself, or its whole group as a terminal or a container's end does */
  kill(signal: NodeJS.Signals, whom: 'process' | 'group' = 'process'): void {
    if (this.#exit !== null) return;
    this.#askedAt = performance.now();
    signalProcess(whom === 'group' ? -this.pid : this.pid, signal);
  }

  /** SIGTERM, and the way it ends; SIGKILL for the group when it takes more than 15 s. */
  async stop(): Promise<Exit> {
    this.kill('SIGTERM');
    const tooLate = setTimeout(() => this.kill('SIGKILL', 'group'), 15_000);
    try {
      return await this.exited;
    } finally {
      clearTimeout(tooLate);
    }
  }

  /** The last lines, for error messages. */
  tail(lines = 25): string {
    return `${this.#stdout.trimEnd().split('\n').slice(-lines).join('\n')}\n${this.#stderr.slice(-2_000)}`;
  }

  #read(child: ChildProcess): void {
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#stdout += chunk;
      const pieces = (rest + chunk).split('\n');
      rest = pieces.pop() ?? '';
      for (const piece of pieces) this.lines.push(parseLine(piece));
    });
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#stderr += chunk;
    });
  }
}

/** What is no JSON is kept as a line of level `unreadable`: a foreground command must print none. */
function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { level: 'unreadable', msg: text };
  }
}

/** @returns false when there is no such process */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** A test run that ends early leaves no group behind. */
const running = new Set<number>();
process.once('exit', () => {
  for (const pid of running) signalProcess(-pid, 'SIGKILL');
});
