/** A forward proxy (CONNECT) that gives up tunnels in which nothing has moved for a while, as many do. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

export interface IdleCuttingProxyOptions {
  /** A tunnel without traffic in either direction is given up after this, ms. */
  readonly idleMs: number;
  /** `reset`: both ends are told; `silent`: what comes later is swallowed, as behind a NAT that has forgotten. */
  readonly how: 'reset' | 'silent';
}

export class IdleCuttingProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cuts = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start({ idleMs, how }: IdleCuttingProxyOptions): Promise<IdleCuttingProxy> {
    const server = createServer();
    const proxy = new IdleCuttingProxy(server);
    server.on('connect', (request, client: Socket) => {
      const [host, port] = (request.url ?? '').split(':');
      const target = connect(Number(port), host);
      const pair = [client, target] as const;
      let given = false;
      let idle: NodeJS.Timeout;
      const end = () => {
        clearTimeout(idle);
        for (const socket of pair) socket.destroy();
      };
      const moved = () => {
        clearTimeout(idle);
        idle = setTimeout(giveUp, idleMs);
      };
      const giveUp = () => {
        given = true;
        proxy.#cuts += 1;
        if (how === 'reset') end();
      };
      target.once('connect', () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        moved();
      });
      for (const [from, to] of [pair, [target, client]] as const) {
        proxy.#sockets.add(from);
        from.on('data', (chunk) => {
          if (given) return;
          moved();
          to.write(chunk);
        });
        from.on('error', end);
        from.on('close', () => {
          proxy.#sockets.delete(from);
          end();
        });
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Tunnels given up so far. */
  get cuts(): number {
    return this.#cuts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
