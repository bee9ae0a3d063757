/**
 * Keeps one child process alive: `up` holds its connections in a child and asks the agent in another, so that neither an
 * agent's work nor a scheduler's can starve a keepalive, no agent can stop the judge, and the judge survives the judged.
 *
 * The child's life hangs on the IPC channel: when the parent is gone (even by SIGKILL) the channel closes, and the
 * child hands its connections over and leaves.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Logger } from 'pino';
import { sleep } from '../async/abort.ts';
import { backoffDelay } from '../async/backoff.ts';

/** First message of a child: it does its work. */
export interface ChildReady {
  readonly kind: 'ready';
  readonly worker: string;
  readonly incarnation: string;
}

/** To the child: hand over and leave. */
export interface DrainChild {
  readonly kind: 'drain';
  readonly reason: string;
}

/** To the child: read the configuration again. */
export interface ReloadChild {
  readonly kind: 'reload';
}

export type ToChild = DrainChild | ReloadChild;

export interface ChildSupervisorOptions {
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
  /** Beside those of this process, for Node itself. */
  readonly execArgv: readonly string[];
  /** How long its end is followed by nothing, ms: with siblings, which take over first and need the cores for that. */
  readonly restartAfterMs: number;
  /** Called after each unexpected end, before the next start: fence what it held. Must not throw. */
  onDeath(identity: { worker: string; incarnation: string }, reason: string): Promise<void>;
  readonly log: Logger;
}

export interface SupervisedChild {
  /** Resolves when the first child is ready. */
  readonly ready: Promise<void>;
  drain(reason: string): Promise<void>;
  /** Has the child read its configuration again; one that is just being started has it new anyway. */
  reload(): void;
}

/** A child that dies young is started again more and more slowly. */
const RESTART_BACKOFF = { baseMs: 200, capMs: 30_000, factor: 2 };
const YOUNG_MS = 30_000;

export function superviseChild(options: ChildSupervisorOptions): SupervisedChild {
  const { log } = options;
  const stopping = new AbortController();
  let current: ChildProcess | undefined;
  let tellReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    tellReady = resolve;
  });

  const liveOnce = async () => {
    const child = fork(options.script, options.args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [...process.execArgv, ...options.execArgv],
    });
    current = child;
    let identity: ChildReady | undefined;
    child.on('message', (message: ChildReady) => {
      identity = message;
      tellReady();
    });
    const reason = await new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
    });
    current = undefined;
    return { pid: child.pid, identity, reason };
  };

  /** @returns how long its end is followed by nothing, ms */
  const afterEnd = async ({ pid, identity, reason }: Awaited<ReturnType<typeof liveOnce>>, young: number) => {
    const delayMs = young <= 1 ? 0 : backoffDelay(RESTART_BACKOFF, young - 2, Math.random());
    const startsInMs = Math.max(options.restartAfterMs, delayMs);
    log.error(
      { event: 'child-died', child: options.name, childPid: pid, reason, startsInMs },
      'a child process ended; it is started again',
    );
    if (identity !== undefined) await options.onDeath(identity, `its process ended (${reason})`);
    return startsInMs;
  };

  const loop = async (): Promise<void> => {
    let young = 0;
    while (!stopping.signal.aborted) {
      const startedAt = performance.now();
      const life = await liveOnce();
      young = performance.now() - startedAt < YOUNG_MS ? young + 1 : 0;
      if (stopping.signal.aborted) return;
      const startsInMs = await afterEnd(life, young);
      if (startsInMs > 0) await sleep(startsInMs, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  const done = loop();

  const tell = (message: ToChild): void => {
    if (current?.connected === true) current.send(message);
  };

  return {
    ready,
    async drain(reason) {
      stopping.abort();
      tell({ kind: 'drain', reason });
      await done;
    },
    reload: () => tell({ kind: 'reload' }),
  };
}
