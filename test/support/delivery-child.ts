/**
 * A delivery worker in a process of its own, to be killed in mid-send: `delivery-child.ts <redis socket> <prefix>`. Its
 * sender says `sending <ordinal>` on stdout and never comes back.
 */

import { pino } from 'pino';
import { createKeys } from '../../src/state/keys.ts';
import { createDeliveryWorker } from '../../src/workers/delivery-worker.ts';
import { scriptedSender } from './delivery-bench.ts';

const [path = '', prefix = ''] = process.argv.slice(2);
const { adapter } = scriptedSender((part) => {
  process.stdout.write(`sending ${part.ordinal}\n`);
  return new Promise(() => {});
});
const worker = createDeliveryWorker({
  address: { path },
  keys: createKeys(prefix),
  adapters: new Map([[adapter.platform, adapter]]),
  secretsOf: () => ({}),
  log: pino({ level: 'silent' }),
  lockMs: 1_500,
});
await worker.ready;
