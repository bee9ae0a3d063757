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
/** Batches of Telegram in which every message comes twice, per drop. */
const DUPLICATE_BATCHES = 2;

/** @param times - at most five, each another way to lose a socket */
export function dropSockets(times: number): Act {
  const ways = WAYS.slice(0, times);
  return {
    name: 'drops',
    title: `QQ drops its socket ${times} times and Telegram resets polls; messages come twice, and each Resume repeats old ones.`,
    async play(stage) {
      const drops: Recovery[][] = [];
      for (const [index, way] of ways.entries()) {
        stage.now(`drop ${index + 1} of ${ways.length}: ${way.name}`);
        drops.push(await dropOnce(stage, `drop ${index + 1}: ${way.name}`, way.drop));
      }
      return { recoveries: drops.flat(), telling: drops.map(inWords) };
    },
  };
}

async function dropOnce(stage: Stage, act: string, drop: (qq: QqEmulator) => void): Promise<Recovery[]> {
  const { qq, telegram, traffic } = stage;
  qq.faults.duplicate({ times: DUPLICATES });
  qq.faults.replayOverlap(OVERLAP, { times: 1 });
  telegram.faults.duplicateInBatch({ times: DUPLICATE_BATCHES });
  telegram.faults.reset({ method: 'getUpdates', times: 1 });
  const fault = markFault(stage);
  drop(qq);
  // Said while nobody listens: only Resume and the offset can bring these.
  traffic.burst(1);
  return await recovered(stage, act, fault);
}
