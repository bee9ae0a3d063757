/** A process with a watchdog whose loop the test blocks, or that the test stops and continues. Spawned by watchdog.test.ts. */
import { startWatchdog } from '../../src/workers/watchdog.ts';

const [mode, killAfterMs] = process.argv.slice(2);
startWatchdog({ killAfterMs: Number(killAfterMs) }, (error) => {
  throw error;
});
setTimeout(() => {
  process.stdout.write('running\n');
  if (mode === 'block') for (;;) performance.now();
  setInterval(() => process.stdout.write('alive\n'), 50);
}, 300);
