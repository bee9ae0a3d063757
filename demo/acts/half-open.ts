import { inWords, markFault, recovered } from '../recovery.ts';
import type { Act } from '../stage.ts';

/** The socket stays open and says nothing, for ever. Nobody tells us: keepalive must find out. */
export const halfOpen: Act = {
  title: 'The socket goes half-open: it stays up, and nothing comes through any more.',
  async play(stage) {
    stage.now('waiting for keepalive to notice');
    const fault = markFault(stage);
    stage.qq.faults.halfOpen();
    const recovery = await recovered(stage, 'half-open socket', fault);
    return { recoveries: [recovery], telling: [inWords(recovery)] };
  },
};
