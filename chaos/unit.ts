/**
 * One foreground command that chaos ends and starts again: a worker with children, an agent worker, a delivery worker,
 * a scheduler. Which children it has is read from its log, so that a child can be hit while its parent lives.
 */
import { waitFor } from '../demo/wait.ts';
import { sleep } from '../src/async/abort.ts';
import type { Installation } from '../test/support/installation.ts';
import { type ServedProcess, signalProcess } from '../test/support/served-process.ts';

/** Starting may meet a Redis that is just away: then it is tried again, ms. */
const START_MS = 45_000;
const RETRY_MS = 250;

export class Unit {
  readonly role: string;
  readonly #installation: Installation;
  readonly #args: readonly string[];
  readonly #onSuddenEnd: (what: string) => void;
  readonly #hit = new Set<number>();
  #process: ServedProcess | undefined;
  #isWanted = false;

  constructor(
    role: string,
    installation: Installation,
    args: readonly string[],
    /** Told of each process that ended and was not ended by us. */
    onSuddenEnd: (what: string) => void,
  ) {
    this.role = role;
    this.#installation = installation;
    this.#args = args;
    this.#onSuddenEnd = onSuddenEnd;
  }

  /** Starts it and waits until it does its work. @throws Error when that takes longer than {@link START_MS} */
  async start(signal: AbortSignal): Promise<void> {
    const until = performance.now() + START_MS;
    for (;;) {
      const started = this.#installation.start(...this.#args);
      const outcome = await waitFor(`${started.name} to be ready`, START_MS, signal, () => {
        if (started.exit !== null) return 'ended';
        return started.lines.some(({ event }) => event === 'ready') ? 'ready' : undefined;
      });
      if (outcome === 'ready') return this.#keep(started);
      if (performance.now() > until) throw new Error(`${started.name} ends at once\n${started.tail(5)}`);
      await sleep(RETRY_MS, { signal });
    }
  }

  #keep(started: ServedProcess): void {
    this.#isWanted = true;
    this.#process = started;
    void started.exited.then(({ code, signal: by }) => {
      if (!this.#isWanted || this.#process !== started) return;
      this.#onSuddenEnd(`${started.name} ended by itself (${by ?? `exit code ${code}`})\n${started.tail(5)}`);
    });
  }

  /** SIGKILL for it and all its children at once. @returns how many processes that were */
  async kill(): Promise<number> {
    const { children } = this;
    this.#isWanted = false;
    for (const pid of children) this.#hit.add(pid);
    this.#process?.kill('SIGKILL', 'group');
    await this.#process?.exited;
    return children.length + 1;
  }

  /** SIGTERM, as an orchestrator sends it. @returns the exit code once it is gone */
  async drain(): Promise<number | null> {
    this.#isWanted = false;
    this.#process?.kill('SIGTERM');
    return (await this.#process?.exited)?.code ?? null;
  }

  /** Its children that do their work, by pid. */
  get children(): number[] {
    const pids = new Set<number>();
    for (const { event, pid } of this.#process?.lines ?? []) {
      if (event === 'child-ready' && pid !== undefined && !this.#hit.has(pid)) pids.add(pid);
    }
    for (const pid of this.#diedChildren()) pids.delete(pid);
    return [...pids];
  }

  /** SIGKILL for one child; its parent lives. */
  killChild(pid: number): void {
    this.#hit.add(pid);
    signalProcess(pid, 'SIGKILL');
  }

  /** Children that ended although nobody killed them, since the last start. */
  childrenLost(): string[] {
    return this.#diedChildren()
      .filter((pid) => !this.#hit.has(pid))
      .map((pid) => `child ${pid} of ${this.#args.join(' ')} ended by itself`);
  }

  #diedChildren(): number[] {
    return (this.#process?.lines ?? []).flatMap(({ event, childPid }) =>
      event === 'child-died' && childPid !== undefined ? [childPid] : [],
    );
  }
}
