/** The end of a run: what is unanswered then is lost. */
import type { Narrator } from '../demo/narrator.ts';
import { waitFor } from '../demo/wait.ts';
import { sleep } from '../src/async/abort.ts';
import type { QqEmulator } from '../test/emulators/qq/index.ts';
import type { Crowd } from './crowd.ts';

/** Without any answer for so long, what is unanswered is lost: longer than the lock of a killed turn, ms. */
const PATIENCE_MS = 30_000;
/** After the last answer: time for a second one that nobody wants, ms. */
const AFTERMATH_MS = 2_000;
const SETTLE_MS = 180_000;

/** Everybody falls silent; ends when all is answered and nothing more comes, or when nothing has come for long. */
export async function settle(qq: QqEmulator, crowd: Crowd, narrator: Narrator, signal: AbortSignal): Promise<void> {
  crowd.stop();
  narrator.say('Waiting for the last answers.');
  let seen = -1;
  let since = performance.now();
  await waitFor('silence', SETTLE_MS, signal, async () => {
    await sleep(200, { signal });
    const count = qq.journal.count('delivered');
    if (count !== seen) since = performance.now();
    seen = count;
    return performance.now() - since > (crowd.count().lost.length === 0 ? AFTERMATH_MS : PATIENCE_MS);
  });
}
