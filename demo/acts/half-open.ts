import { inWords, markFault, recovered } from '../recovery.ts';
import type { Act } from '../stage.ts';

/** Everything stays open and says nothing, for ever. Nobody tells us: keepalive and deadlines must find out. */
export const halfOpen: Act = {
  name: 'half-open',
  title: "QQ's socket and Telegram's poll go half-open: they stay up, and nothing comes through any more.",
  async play(stage) {
    stage.now('waiting for somebody to notice');
    const fault = markFault(stage);
    const hang = stage.telegram.faults.pollHang({ times: 1 });
    try {
      stage.qq.faults.halfOpen();
      const recoveries = await recovered(stage, 'half-open', fault);
      return { recoveries, telling: [inWords(recoveries)] };
    } finally {
      hang.clear();
    }
  },
};
