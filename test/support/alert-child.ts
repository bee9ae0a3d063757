/** A process that judges alerts, to be killed: `alert-child.ts <redis socket> <prefix> <webhook URL> <secret>`. */
import { runAlerting } from '../../src/alerts/alerting.ts';
import { createKeys } from '../../src/state/keys.ts';
import { openRedis } from '../../src/state/redis.ts';
import { BENCH_BACKOFF, BENCH_SETTINGS, BENCH_TIMINGS, webhookTo } from './alert-bench.ts';
import { quiet } from './inbound.ts';

const [path = '', prefix = '', url = '', secret = ''] = process.argv.slice(2);
await runAlerting(
  {
    client: openRedis({ path }, 'fenced', 'alert-child', () => {}),
    keys: createKeys(prefix),
    who: `child/${process.pid}#incarnation`,
    sinks: [webhookTo({ url, secret })],
    settings: BENCH_SETTINGS,
    timings: BENCH_TIMINGS,
    everyMs: 30,
    leaseMs: 1_000,
    backoff: BENCH_BACKOFF,
    log: quiet,
  },
  new AbortController().signal,
);
