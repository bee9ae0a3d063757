import { setMaxListeners } from 'node:events';
import { TransientError } from '../errors.ts';

/**
 * Waits `ms`, or until `signal` aborts.
 *
 * @throws the signal's own reason, untouched, when it aborts (also when it had before the call)
 */
export function sleep(ms: number, { signal }: { signal: AbortSignal }): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/**
 * Runs `run` with a signal that aborts when `signal` does or after `ms`, whichever is first. The listener on `signal`
 * is removed on every path: `AbortSignal.any` on a signal that lives for days keeps memory (nodejs/node#54614).
 *
 * Does not wait for a `run` that ignores its signal: the deadline holds all the same.
 *
 * @throws TransientError with code `DEADLINE` naming `what` when the time is up
 * @throws the signal's own reason when it aborts
 */
export async function withDeadline<T>(
  what: string,
  ms: number,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const controller = new AbortController();
  let onAbort: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  const cut = new Promise<never>((_, reject) => {
    onAbort = () => {
      controller.abort(signal.reason);
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    timer = setTimeout(() => {
      const late = new TransientError('DEADLINE', `${what}: no answer within ${ms} ms`);
      controller.abort(late);
      reject(late);
    }, ms);
  });
  try {
    return await Promise.race([run(controller.signal), cut]);
  } finally {
    clearTimeout(timer);
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}

/**
 * A controller whose signal many calls may wait on at once: requests, sleeps, a thousand sessions of one worker. Node
 * takes more than ten listeners on one signal for a leak and warns on stderr; ours are removed on every path.
 */
export function controllerForMany(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/**
 * As {@link controllerForMany}; aborts with `parent`, keeping the parent's reason, and lets go of it when disposed.
 */
export function childController(parent: AbortSignal): AbortController & Disposable {
  const controller = controllerForMany();
  const onAbort = () => controller.abort(parent.reason);
  if (parent.aborted) onAbort();
  else parent.addEventListener('abort', onAbort, { once: true });
  return Object.assign(controller, {
    [Symbol.dispose]: () => parent.removeEventListener('abort', onAbort),
  });
}

/** @returns false when `promise` has not settled within `ms`; it goes on then. @throws what it rejects with */
export async function settledWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true as const), late]);
  } finally {
    clearTimeout(timer);
  }
}
