/**
 * Kills this process when its event loop is blocked past the point where it could still fence itself: the kernel keeps
 * a blocked process's sockets open, and a successor would be live beside it.
 *
 * It runs in a thread of its own and looks at a counter that the main loop bumps. Only a block is punished: after
 * SIGCONT, or after the machine slept, the thread's own ticks were late as well, and the holder fences itself instead.
 */
import { Worker } from 'node:worker_threads';

export interface WatchdogOptions {
  /** How long the main loop may be blocked, ms: below what a lease may be believed. */
  readonly killAfterMs: number;
}

export interface Watchdog {
  stop(): Promise<void>;
}

/** How often the main loop shows that it runs, ms; two of these are well within the margin of a lease. */
const BUMP_EVERY_MS = 100;

/**
 * The thread's program. It must not share anything with the main loop, not even its module graph. It counts only its
 * own regular ticks without a bump, so time in which nobody ran is nobody's fault.
 */
const PROGRAM = `
const { workerData } = require('node:worker_threads');
const bumps = new Int32Array(workerData.shared);
const tickMs = ${BUMP_EVERY_MS};
let seen = -1;
let blockedMs = 0;
let last = performance.now();
setInterval(() => {
  const now = performance.now();
  const elapsed = now - last;
  last = now;
  const bump = Atomics.load(bumps, 0);
  if (bump !== seen || elapsed > 5 * tickMs) {
    seen = bump;
    blockedMs = 0;
    return;
  }
  blockedMs += elapsed;
  if (blockedMs > workerData.killAfterMs) {
    require('node:fs').writeSync(1, JSON.stringify({
      level: 'fatal', time: new Date().toISOString(), event: 'loop-blocked', pid: process.pid, blockedMs: Math.round(blockedMs),
      msg: 'the event loop is blocked: killing this process, its connections go elsewhere',
    }) + '\\n');
    process.kill(process.pid, 'SIGKILL');
  }
}, tickMs);
`;

/** @throws nothing later: a thread that ends by itself is reported to `onFailure` */
export function startWatchdog(options: WatchdogOptions, onFailure: (error: Error) => void): Watchdog {
  const shared = new SharedArrayBuffer(4);
  const bumps = new Int32Array(shared);
  const bumping = setInterval(() => Atomics.add(bumps, 0, 1), BUMP_EVERY_MS);
  let stopping = false;
  const thread = new Worker(PROGRAM, { eval: true, workerData: { shared, killAfterMs: options.killAfterMs } });
  thread.on('error', onFailure);
  thread.on('exit', (code) => {
    if (!stopping) onFailure(new Error(`the watchdog thread ended with code ${code}`));
  });
  // The process may end without it.
  thread.unref();
  bumping.unref();
  return {
    async stop() {
      stopping = true;
      clearInterval(bumping);
      await thread.terminate();
    },
  };
}
