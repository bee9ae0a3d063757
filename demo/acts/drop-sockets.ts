import type { QqEmulator } from '../../test/emulators/qq/index.ts';
import { inWords, markFault, type Recovery, recovered } from '../recovery.ts';
import type { Act, Stage } from '../stage.ts';

const WAYS: readonly { readonly name: string; drop(qq: QqEmulator): void }[] = [
  { name: 'reset', drop: ({ faults }) => void faults.dropSockets({ how: 'rst' }) },
  { name: 'end without a close frame', drop: ({ faults }) => void faults.dropSockets({ how: 'fin' }) },
  { name: 'close code 4009', drop: ({ faults }) => void faults.close(4009) },
  { name: 'reconnect asked for by op 7', drop: ({ faults }) => void faults.op7() },
  { name: 'close frame without a code', drop: ({ faults }) => void faults.dropSockets({ how: 'close', code: null }) },
];

/** Events that Resume repeats although they were handled, and events that are pushed twice, per drop. */
const OVERLAP = 5;
const DUPLICATES = 6;

/** @param times - at most five, each another way to lose a socket */
export function dropSockets(times: number): Act {
  const ways = WAYS.slice(0, times);
  return {
    title: `The platform drops the socket ${times} times; some events are pushed twice, and each Resume repeats old ones.`,
    async play(stage) {
      const recoveries: Recovery[] = [];
      for (const [index, way] of ways.entries()) {
        stage.now(`drop ${index + 1} of ${ways.length}: ${way.name}`);
        recoveries.push(await dropOnce(stage, `drop ${index + 1}: ${way.name}`, way.drop));
      }
      return { recoveries, telling: recoveries.map(inWords) };
    },
  };
}

async function dropOnce(stage: Stage, act: string, drop: (qq: QqEmulator) => void): Promise<Recovery> {
  const { qq, traffic } = stage;
  qq.faults.duplicate({ times: DUPLICATES });
  qq.faults.replayOverlap(OVERLAP, { times: 1 });
  const fault = markFault(stage);
  drop(qq);
  // Said while nobody listens: only Resume can bring these.
  traffic.burst(1);
  return recovered(stage, act, fault);
}
