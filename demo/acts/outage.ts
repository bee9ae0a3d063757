import { sleep } from '../../src/async/abort.ts';
import { inWords, markFault, recovered } from '../recovery.ts';
import type { Act } from '../stage.ts';

const AWAY_MS = 5_000;
/** After this the first attempts have failed, and status shows what is made of it, ms. */
const LOOK_AFTER_MS = 2_500;

/** The network of both bots is gone: no proxy, no platform. What people say meanwhile waits at the platforms. */
export const outage: Act = {
  name: 'outage',
  title: `Proxy and platforms are out of reach for ${AWAY_MS / 1_000} s: every dial is refused; people go on talking.`,
  async play(stage) {
    const { qq, telegram, proxy, world, signal } = stage;
    stage.now('dials are refused');
    const fault = markFault(stage);
    let meanwhile: string[];
    try {
      await proxy.stop();
      await Promise.all([qq.stop(), telegram.stop()]);
      const away = sleep(AWAY_MS, { signal });
      // Its end is waited for below.
      away.catch(() => undefined);
      await sleep(LOOK_AFTER_MS, { signal });
      const { connections } = await world.status();
      meanwhile = connections.map(({ id, state, reason }) => `status meanwhile: ${id} is ${state}, ${reason ?? ''}`);
      await away;
    } finally {
      await Promise.all([qq.start(), telegram.start()]);
      await proxy.restart();
    }
    stage.now('the network is back');
    const recoveries = await recovered(stage, 'outage', fault, { from: Date.now() });
    return { recoveries, telling: [...meanwhile, inWords(recoveries)] };
  },
};
