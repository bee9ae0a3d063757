/**
 * A delivery worker in a process of its own, to be killed in mid-send: `delivery-child.ts <redis socket> <prefix>`.
 *
 * Without further environment its sender says `sending <ordinal>` on stdout and never comes back; with `QQ_CLIENT_SECRET`
 * it is the QQ adapter's, which needs no options here because they lie in the connection's record.
 */
import { pino } from 'pino';
import { createQqAdapter } from '../../src/adapters/qq/index.ts';
import { createKeys } from '../../src/state/keys.ts';
import { createDeliveryWorker } from '../../src/workers/delivery-worker.ts';
import { credentialsWith } from './credentials.ts';
import { scriptedSender } from './delivery-bench.ts';
import { openDirect } from './direct-transport.ts';

const [path = '', prefix = ''] = process.argv.slice(2);
const clientSecret = process.env.QQ_CLIENT_SECRET;
const hanging = scriptedSender((part) => {
  process.stdout.write(`sending ${part.ordinal}\n`);
  return new Promise(() => {});
});
const adapter = clientSecret === undefined ? hanging.adapter : createQqAdapter();
const worker = createDeliveryWorker({
  address: { path },
  keys: createKeys(prefix),
  adapters: new Map([[adapter.platform, adapter]]),
  credentialsOf: credentialsWith(clientSecret === undefined ? {} : { clientSecret }),
  openTransport: openDirect,
  log: pino({ level: 'silent' }),
  lockMs: 1_500,
});
await worker.ready;
