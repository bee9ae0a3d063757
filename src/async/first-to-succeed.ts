export interface Attempts<Candidate, Result> {
  /** Rejects with anything; obeys its signal. */
  attempt(candidate: Candidate, options: { signal: AbortSignal }): Promise<Result>;
  /** The next candidate gets its turn after this, or when one failed, ms. Nobody is cut for being slow. */
  readonly everyMs: number;
  /** Takes back what an attempt brought although another was first. */
  discard(result: Result): void;
  readonly signal: AbortSignal;
}

/**
 * Tries candidates in order and side by side, and takes the first that succeeds; the signals of the others abort then.
 *
 * @param candidates - at least one
 * @throws what the earliest candidate failed with, when all have failed
 * @throws the signal's reason when it aborts
 */
export function firstToSucceed<Candidate, Result>(
  candidates: readonly Candidate[],
  { attempt, everyMs, discard, signal }: Attempts<Candidate, Result>,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const out = new Set<AbortController>();
    const failures = new Map<number, unknown>();
    let next = 0;
    let over = false;
    let timer: NodeJS.Timeout | undefined;

    const finish = (settle: () => void, reason: unknown) => {
      over = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      for (const controller of out) controller.abort(reason);
      settle();
    };
    const onAbort = () => finish(() => reject(signal.reason), signal.reason);
    const succeed = (result: Result) => {
      if (over) discard(result);
      else finish(() => resolve(result), new Error('another attempt was first'));
    };
    const fail = (index: number, error: unknown) => {
      if (over) return;
      failures.set(index, error);
      if (next < candidates.length) start();
      else if (out.size === 0) finish(() => reject(failures.get(Math.min(...failures.keys()))), error);
    };
    const start = () => {
      clearTimeout(timer);
      const index = next;
      next += 1;
      const controller = new AbortController();
      out.add(controller);
      if (next < candidates.length) timer = setTimeout(start, everyMs);
      attempt(candidates[index] as Candidate, { signal: controller.signal })
        .finally(() => out.delete(controller))
        .then(succeed, (error: unknown) => fail(index, error));
    };

    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    start();
  });
}
