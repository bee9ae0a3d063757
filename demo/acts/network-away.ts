import { sleep } from '../../src/async/abort.ts';
import { inWords, markFault, recovered } from '../recovery.ts';
import type { Act } from '../stage.ts';

const AWAY_MS = 5_000;

/** Nothing listens any more: every dial and every send is refused, while people go on talking. */
export const networkAway: Act = {
  title: `The network goes away for ${AWAY_MS / 1_000} s: every dial is refused; people go on talking.`,
  async play(stage) {
    const { qq, signal } = stage;
    stage.now('dials are refused');
    const fault = markFault(stage);
    await qq.stop();
    try {
      await sleep(AWAY_MS, { signal });
    } finally {
      await qq.start();
    }
    stage.now('the network is back');
    const recovery = await recovered(stage, 'network away', fault, Date.now());
    return { recoveries: [recovery], telling: [inWords(recovery)] };
  },
};
