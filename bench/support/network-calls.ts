/** What clients ask of a Redis, as the server sees it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';

/** Commands that clients send in `ms`, those that scripts run not counted. Whoever shall not count must be silent. */
export async function networkCalls(client: Redis, ms: number): Promise<number> {
  const monitor = await client.monitor();
  let calls = 0;
  monitor.on('monitor', (_at: string, _command: readonly string[], source: string) => {
    if (source !== 'lua') calls += 1;
  });
  await delay(ms);
  monitor.disconnect();
  return calls;
}
