/** What clients ask of a Redis, as the server sees it. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Commands that clients send in `ms`, those that scripts run not counted. Whoever shall not count must be silent. By a
 * socket of its own: ioredis 6.0 gives up when lines of MONITOR come in quick succession.
 */
export async function networkCalls(redisUrl: string, ms: number): Promise<number> {
  const { hostname, port } = new URL(redisUrl);
  const socket = connect({ host: hostname, port: Number(port) });
  await once(socket, 'connect');
  let calls = 0;
  createInterface(socket).on('line', (line) => {
    // +1795955210.609362 [0 127.0.0.1:41834] "set" …; commands of scripts come from [0 lua].
    if (/^\+[\d.]+ \[\d+ (?!lua\])/.test(line)) calls += 1;
  });
  socket.write('MONITOR\r\n');
  await delay(ms);
  socket.destroy();
  return calls;
}
