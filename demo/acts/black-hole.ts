import { sleep } from '../../src/async/abort.ts';
import { inWords, markFault, recovered } from '../recovery.ts';
import type { Act } from '../stage.ts';

const HOLE_MS = 5_000;

/** TCP accepts, and then nothing comes: only a deadline of the dialling side ends such an attempt. */
export const blackHole: Act = {
  name: 'black hole',
  title: `QQ's socket is reset, and dials fall into a black hole for ${HOLE_MS / 1_000} s: accepted, never answered.`,
  async play(stage) {
    const { qq, signal } = stage;
    stage.now('dials are swallowed');
    const hole = qq.faults.blackHoleDials();
    const fault = markFault(stage);
    try {
      qq.faults.dropSockets({ how: 'rst' });
      await sleep(HOLE_MS, { signal });
    } finally {
      hole.clear();
    }
    stage.now('dials are answered again');
    const recoveries = await recovered(stage, 'black-holed dials', fault, { platforms: ['qq'], from: Date.now() });
    return { recoveries, telling: [`${inWords(recoveries)} (${hole.hits} dials were swallowed)`] };
  },
};
