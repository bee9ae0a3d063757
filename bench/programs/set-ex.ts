/** The floor of a lease: each connection says with a SET EX of its own that it lives, as often as Holdfast renews. */
import { Redis } from 'ioredis';
import { obey } from '../support/child.ts';
import type { SetExOrders, SetExSettings } from '../support/set-ex.ts';

const { redisUrl, connections, everyMs } = JSON.parse(process.argv[2] ?? '{}') as SetExSettings;
const redis = new Redis(redisUrl);
await redis.ping();

for (let n = 0; n < connections; n += 1) {
  const renew = () => {
    redis.set(`floor:lease:${n}`, process.pid, 'EX', 6).catch((error: unknown) => {
      throw error;
    });
  };
  setTimeout(() => setInterval(renew, everyMs), Math.random() * everyMs);
}

obey<SetExOrders>({ ready: () => ({}) });
