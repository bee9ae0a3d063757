/** Loaded into a process that is measured: writes on SIGUSR2 how late its event loop was since the last time, p99, ms. */
import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 5;
const lag = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
lag.enable();
process.on('SIGUSR2', () => {
  const file = process.env.BENCH_LAG_FILE ?? '';
  writeFileSync(`${file}.new`, String(Math.max(0, lag.percentile(99) / 1e6 - RESOLUTION_MS)));
  renameSync(`${file}.new`, file);
  lag.reset();
});
