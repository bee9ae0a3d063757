/** Measures how long the bot was away, on the platform's side: from the fault (or its end) to READY or RESUMED. */
import type { EntryOf } from '../test/emulators/qq/index.ts';
import { seconds } from './narrator.ts';
import type { Stage } from './stage.ts';
import { waitFor } from './wait.ts';

/** No act may take longer to heal, ms: several times the worst that the scaled timings allow. */
const RECOVERY_MS = 45_000;

/** The moment of a fault: where the journal and the traffic were. */
export interface FaultMark {
  readonly entry: number;
  readonly message: number;
  readonly at: number;
}

export interface Recovery {
  readonly act: string;
  /** From the fault, or its end where it has one, to READY or RESUMED. */
  readonly ms: number;
  /** To the first answer that users saw to a message said after the fault began. */
  readonly answeredMs: number;
  readonly how: 'resumed' | 'identified';
}

export function markFault({ qq, traffic }: Pick<Stage, 'qq' | 'traffic'>): FaultMark {
  return { entry: qq.journal.mark(), message: traffic.said.length, at: Date.now() };
}

/**
 * Waits until the bot has a session again and answers.
 *
 * @param from - instant the time is counted from. @defaultValue the fault's
 * @throws Error when that takes longer than {@link RECOVERY_MS}
 */
export async function recovered(stage: Stage, act: string, fault: FaultMark, from = fault.at): Promise<Recovery> {
  const { qq, traffic, signal } = stage;
  const back = await waitFor('READY or RESUMED', RECOVERY_MS, signal, () => sessionSince(stage, fault.entry));
  const answer = await waitFor('an answer', RECOVERY_MS, signal, () => {
    const asked = traffic.idsSince(fault.message);
    return qq.journal.of('delivered', ({ replyTo }) => replyTo !== null && asked.has(replyTo), back.n)[0];
  });
  return {
    act,
    ms: Math.max(0, back.at - from),
    answeredMs: Math.max(0, answer.at - from),
    how: back.kind === 'resumed' ? 'resumed' : 'identified',
  };
}

function sessionSince({ qq }: Stage, entry: number): EntryOf<'resumed'> | EntryOf<'identify'> | undefined {
  const resumed = qq.journal.of('resumed', undefined, entry)[0];
  const identified = qq.journal.of('identify', ({ outcome }) => outcome === 'accepted', entry)[0];
  if (resumed === undefined || identified === undefined) return resumed ?? identified;
  return resumed.n < identified.n ? resumed : identified;
}

export function inWords({ act, how, ms, answeredMs }: Recovery): string {
  return `${act}: ${how} after ${seconds(ms)}, first answer after ${seconds(answeredMs)}`;
}
