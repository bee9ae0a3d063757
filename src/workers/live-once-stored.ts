/**
 * A connection is called live once its session is in Redis. Between the platform's READY and that moment a crash loses
 * the session, and with it what users write until the next Identify: nobody should be told that all is well by then.
 */
import type { HealthReporter, InboundSink } from '../adapters/adapter.ts';
import { withDeadline } from '../async/abort.ts';
import { TransientError } from '../errors.ts';
import type { HealthRecorder } from './health-recorder.ts';

export interface LiveOnceStoredOptions {
  readonly sink: Pick<InboundSink, 'flush'>;
  /** Redis stores nothing for so long, ms: then it is live all the same, and the pump says what is wrong. */
  readonly deadlineMs: number;
  /** The end of the tenure. */
  readonly signal: AbortSignal;
}

/** @returns what the adapter reports to: `health`, but its `live` waits until all that was pushed before is stored */
export function liveOnceStored(
  health: HealthRecorder,
  { sink, deadlineMs, signal }: LiveOnceStoredOptions,
): HealthReporter {
  const storeFirst = async (how: 'identified' | 'resumed') => {
    const before = health.state;
    try {
      await withDeadline('the session in Redis', deadlineMs, signal, (inTime) => sink.flush({ signal: inTime }));
    } catch (error) {
      // Fenced or over: nothing is live any more.
      if (!(error instanceof TransientError)) return;
    }
    // Lost meanwhile?
    if (health.state === before) health.live(how);
  };
  return {
    connecting: (phase, deadlineAt) => health.connecting(phase, deadlineAt),
    live: (how) => {
      health.roundTrip();
      // Every outcome is handled inside.
      void storeFirst(how);
    },
    lost: (reason) => health.lost(reason),
    roundTrip: () => health.roundTrip(),
    frame: () => health.frame(),
    remark: (text) => health.remark(text),
    route: (route) => health.route(route),
    maxSilence: (ms) => health.maxSilence(ms),
  };
}
