/** The frame of every hold: one signal for all its waits, and the right end for each way to stop. */
import { childController } from '../async/abort.ts';
import type { HoldContext } from './adapter.ts';

/**
 * Runs `run` with a signal that aborts on drain and on abort. After a drain waits until all that was pushed is stored.
 *
 * @returns only when drained
 * @throws the reason of `context.signal` when it aborts, and whatever `run` throws by itself
 */
export async function untilDrained(
  context: Pick<HoldContext, 'drain' | 'signal' | 'sink'>,
  run: (stop: AbortSignal) => Promise<void>,
): Promise<void> {
  const { drain, signal, sink } = context;
  using stop = childController(signal);
  const onDrain = () => stop.abort(drain.reason);
  if (drain.aborted) onDrain();
  else drain.addEventListener('abort', onDrain, { once: true });
  try {
    await run(stop.signal);
  } catch (error) {
    // A wait that the drain cut short; everything else is what it is.
    if (!drain.aborted || error !== drain.reason) throw error;
  } finally {
    drain.removeEventListener('abort', onDrain);
  }
  signal.throwIfAborted();
  await sink.flush({ signal });
}
