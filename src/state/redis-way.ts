/**
 * Why a connection ends before Redis has said a word: a client only sees that it was cut, or that nothing came. Asked once,
 * by hand, when that happens: which of the two languages does the port speak, and does it say why it lets nobody in?
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { RedisAddress } from './redis.ts';

const ANSWER_MS = 800;

/** @returns an error in words that {@link troubleOf} knows, or `null`: nothing was found out. Never throws */
export async function whyCut(address: RedisAddress): Promise<Error | null> {
  if ('path' in address || address.sentinels !== undefined) return null;
  const { protocol, hostname, port } = new URL(address.url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const to = { host, port: port === '' ? 6379 : Number(port) };
  const encrypted = protocol === 'rediss:';
  // Who it is does not matter here: nothing is said to it but PING.
  const overTls = () =>
    firstLine(
      connectTls({ ...to, rejectUnauthorized: false, ...(/[a-z]/i.test(host) ? { servername: host } : {}) }),
      'secureConnect',
    );
  const [plain, tls] = await Promise.all([firstLine(connect(to), 'connect'), overTls()]);
  const said = encrypted ? tls : plain;
  // That it wants a password first is no answer to the question.
  if (said !== null) return /max number of clients|^-DENIED/.test(said) ? new Error(said.slice(1, 200)) : null;
  if (encrypted && plain !== null) return new Error('it answers without TLS');
  return !encrypted && tls !== null ? new Error('it answers a TLS handshake') : null;
}

/** What it says, to PING or before; `null`: nothing of Redis's language. */
function firstLine(socket: Socket, opened: 'connect' | 'secureConnect'): Promise<string | null> {
  return new Promise((resolve) => {
    let said = '';
    const finish = () => {
      clearTimeout(deadline);
      socket.destroy();
      const [line = ''] = said.split('\r\n');
      resolve(/^[+-][A-Z]/.test(line) ? line : null);
    };
    const deadline = setTimeout(finish, ANSWER_MS);
    socket.once(opened, () => socket.write('PING\r\n'));
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1');
      if (said.includes('\n') || said.length > 1_000) finish();
    });
    socket.on('error', finish);
    socket.once('close', finish);
  });
}
