/** A turn worker in a process of its own, to be killed: `turn-child.ts <redis socket> <prefix>`. Says `ready` on stdout. */
import { EchoAgent } from '../../src/agents/echo.ts';
import { createKeys } from '../../src/state/keys.ts';
import { type LaneJobData, openQueue } from '../../src/state/queues.ts';
import { createTurnWorker } from '../../src/workers/turn-worker.ts';
import { credentialsWith } from './credentials.ts';
import { openDirect } from './direct-transport.ts';
import { quiet, splittingAdapter } from './inbound.ts';

const [path = '', prefix = ''] = process.argv.slice(2);
const keys = createKeys(prefix);
const address = { path };
const worker = createTurnWorker({
  address,
  keys,
  agent: new EchoAgent({ delayMs: [0, 5] }),
  adapters: new Map([['test', splittingAdapter()]]),
  credentialsOf: credentialsWith(),
  openTransport: openDirect,
  turns: openQueue<LaneJobData>('turns', keys, address, () => {}),
  deliveries: openQueue<LaneJobData>('deliveries', keys, address, () => {}),
  log: quiet,
  lockMs: 1_500,
  stalledCheckMs: 500,
});
await worker.ready;
process.stdout.write('ready\n');
