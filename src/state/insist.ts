/** For steps that must reach Redis and may be repeated: asks until there is an answer. */
import { sleep } from '../async/abort.ts';
import { type BackoffPolicy, backoffDelay } from '../async/backoff.ts';

const BETWEEN_TRIES: BackoffPolicy = { baseMs: 100, capMs: 1_000, factor: 2 };
/** What Redis itself says while it starts, fails over or is out of memory. Every other reply is an answer. */
const PASSING = /^(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|OOM|NOREPLICAS)/;

/**
 * @param run - safe to repeat: an attempt without an answer may have worked
 * @throws the signal's reason when it aborts
 * @throws ReplyError when Redis answered that the step itself is wrong
 */
export async function insist<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await run();
    } catch (error) {
      if (error instanceof Error && error.name === 'ReplyError' && !PASSING.test(error.message)) throw error;
    }
    await sleep(backoffDelay(BETWEEN_TRIES, attempt, Math.random()), { signal });
  }
}
