/**
 * A small proxy on a free port that does to each connection what a bad day does. It speaks as little of CONNECT and
 * SOCKS5 as it needs for that; `pass` is a real tunnel.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TlsIdentity } from '../emulators/listener.ts';

export type Misdeed =
  /** Nobody listens. */
  | { readonly do: 'refuse' }
  /** Takes the request for a tunnel and says nothing. */
  | { readonly do: 'hang' }
  | { readonly do: 'reset' }
  | { readonly do: 'close' }
  /** Answers CONNECT with this status. */
  | { readonly do: 'status'; readonly status: number }
  /** Answers with bytes that are no protocol. */
  | { readonly do: 'garbage' }
  /** Grants the tunnel, and then resets it. */
  | { readonly do: 'grant-and-reset' }
  /** Grants the tunnel, and leads it nowhere. */
  | { readonly do: 'grant-and-hang' }
  | { readonly do: 'pass' }
  /** As a SOCKS5 proxy: this reply to the request (RFC 1928 §6). */
  | { readonly do: 'socks-reply'; readonly reply: number }
  /** As a SOCKS5 proxy: refuses user and password (RFC 1929). */
  | { readonly do: 'socks-auth-refused' };

export interface HostileProxy extends AsyncDisposable {
  readonly port: number;
  /** First bytes of each connection, as text. */
  readonly asked: string[];
  /** Connections that are open now. */
  readonly open: number;
}

export async function startHostileProxy(misdeed: Misdeed, tls?: TlsIdentity): Promise<HostileProxy> {
  const sockets = new Set<Socket>();
  const asked: string[] = [];
  const onSocket = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    socket.once('data', (head: Buffer) => {
      asked.push(head.toString('latin1'));
      act(misdeed, socket, head, sockets);
    });
  };
  const server: Server = tls === undefined ? createServer(onSocket) : createTlsServer(tls, onSocket);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  if (misdeed.do === 'refuse') await close();
  return {
    port,
    asked,
    get open() {
      return sockets.size;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      if (misdeed.do !== 'refuse') await close();
    },
  };
}

function act(misdeed: Misdeed, socket: Socket, head: Buffer, sockets: Set<Socket>): void {
  const granted = 'HTTP/1.1 200 Connection established\r\n\r\n';
  switch (misdeed.do) {
    case 'refuse':
    case 'hang':
      return;
    case 'reset':
      socket.resetAndDestroy();
      return;
    case 'close':
      socket.destroy();
      return;
    case 'status':
      socket.end(
        `HTTP/1.1 ${misdeed.status} No\r\nproxy-authenticate: Basic realm="x"\r\ncontent-length: 3\r\n\r\nno\n`,
      );
      return;
    case 'garbage':
      socket.end('SSH-2.0-OpenSSH_9.2\r\n');
      return;
    case 'grant-and-reset':
      socket.write(granted);
      // By then the client has begun to speak through the tunnel.
      socket.once('data', () => socket.resetAndDestroy());
      return;
    case 'grant-and-hang':
      socket.write(granted);
      return;
    case 'pass': {
      const [, host = '', port = ''] = /^CONNECT \[?([^\] ]+?)\]?:(\d+) /.exec(head.toString('latin1')) ?? [];
      const target = connect(Number(port), host, () => socket.write(granted));
      sockets.add(target);
      target.on('close', () => sockets.delete(target)).on('error', () => socket.destroy());
      socket.on('close', () => target.destroy());
      socket.pipe(target).pipe(socket);
      return;
    }
    case 'socks-reply':
      socket.write(Buffer.from([5, 0]));
      socket.once('data', () => socket.end(Buffer.from([5, misdeed.reply, 0, 1, 0, 0, 0, 0, 0, 0])));
      return;
    case 'socks-auth-refused':
      socket.write(Buffer.from([5, 2]));
      socket.once('data', () => socket.end(Buffer.from([1, 1])));
      return;
    default:
      misdeed satisfies never;
  }
}
