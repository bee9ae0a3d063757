import { withDeadline } from '../async/abort.ts';
import { GatewayError, TransientError } from '../errors.ts';

/** A person waits for it, ms. */
const ANSWER_MS = 2_000;

/**
 * Bounds what a request asks of Redis, and tells a Redis that does not answer from a defect of ours.
 *
 * @throws TransientError when there was no answer in time
 */
export async function askRedis<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  try {
    return await withDeadline('Redis', ANSWER_MS, signal, run);
  } catch (error) {
    if (error instanceof GatewayError || isDefect(error)) throw error;
    throw new TransientError('REDIS_UNAVAILABLE', 'Redis does not answer', { cause: error });
  }
}

/** The Redis client throws plain Errors and classes of its own; these are thrown by code that is wrong. */
function isDefect(error: unknown): boolean {
  return [TypeError, RangeError, SyntaxError, ReferenceError].some((kind) => error instanceof kind);
}
