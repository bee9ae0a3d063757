import { createConnection } from 'node:net';

/**
 * What a unix socket says to PING.
 * - `ready`: PONG.
 * - `loading`: a server that still reads its data.
 * - `silent`: accepted, and no answer in time: frozen, or very busy.
 * - `absent`: nobody listens (or the server just closed).
 */
export type Probe = 'ready' | 'loading' | 'silent' | 'absent';

/** Asks once; never throws, and takes at most `deadlineMs`. Spoken by hand, so that a probe is one packet each way. */
export function probeRedis(path: string, deadlineMs: number): Promise<Probe> {
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    let answer = '';
    const finish = (probe: Probe) => {
      clearTimeout(deadline);
      socket.destroy();
      resolve(probe);
    };
    const deadline = setTimeout(() => finish('silent'), deadlineMs);
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      // Any complete answer but PONG is an error line: LOADING, or MASTERDOWN and the like, which also passes.
      if (answer.includes('\n')) finish(answer.startsWith('+PONG') ? 'ready' : 'loading');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => finish(error.code === 'EAGAIN' ? 'silent' : 'absent'));
    socket.once('close', () => finish('absent'));
  });
}
