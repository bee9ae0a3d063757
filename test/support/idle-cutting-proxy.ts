/**
 * A forward proxy (CONNECT) that gives up tunnels in which nothing has moved for a while, as many do. It can go away,
 * with all its tunnels, and come back under the same port.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface IdleCuttingProxyOptions {
  /** A tunnel without traffic in either direction is given up after this, ms. */
  readonly idleMs: number;
  /** `reset`: both ends are told; `silent`: what comes later is swallowed, as behind a NAT that has forgotten. */
  readonly how: 'reset' | 'silent';
}

/** One tunnel that was given up. */
export interface IdleCut {
  /** ms since the epoch */
  readonly at: number;
  /** Of the target. */
  readonly port: number;
}

/** While it was closed somebody else may have been given the port for a moment, ms. */
const REOPEN_MS = 5_000;

export class IdleCuttingProxy implements AsyncDisposable {
  readonly #how: IdleCuttingProxyOptions['how'];
  readonly #sockets = new Set<Socket>();
  readonly #cuts: IdleCut[] = [];
  #idleMs: number;
  #server: Server | null = null;
  #port = 0;

  private constructor({ idleMs, how }: IdleCuttingProxyOptions) {
    this.#idleMs = idleMs;
    this.#how = how;
  }

  static async start(options: IdleCuttingProxyOptions): Promise<IdleCuttingProxy> {
    const proxy = new IdleCuttingProxy(options);
    await proxy.restart();
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Tunnels given up so far, oldest first. */
  get cuts(): readonly IdleCut[] {
    return this.#cuts;
  }

  /** Another patience, ms, from the next thing on that moves in a tunnel. */
  cutAfter(idleMs: number): void {
    this.#idleMs = idleMs;
  }

  /** Cuts every tunnel; dials are refused from then on. Safe to call twice. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  /** Listens again, under the port it had. Nothing happens while it listens. @throws Error when somebody keeps the port */
  async restart(): Promise<void> {
    if (this.#server !== null) return;
    const until = performance.now() + REOPEN_MS;
    for (;;) {
      try {
        this.#server = await this.#listen();
        this.#port = (this.#server.address() as AddressInfo).port;
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || performance.now() > until) throw error;
        await delay(20);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #listen(): Promise<Server> {
    const server = createServer();
    server.on('connection', (socket: Socket) => this.#keep(socket));
    server.on('connect', (request, client: Socket) => {
      const [host, port] = (request.url ?? '').split(':');
      this.#tunnel(client, host ?? '', Number(port));
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    return server;
  }

  #tunnel(client: Socket, host: string, port: number): void {
    const target = this.#keep(connect(port, host));
    let phase: 'dialing' | 'open' | 'given up' = 'dialing';
    let idle: NodeJS.Timeout | undefined;
    const moved = () => {
      clearTimeout(idle);
      idle = setTimeout(giveUp, this.#idleMs);
    };
    const giveUp = () => {
      phase = 'given up';
      this.#cuts.push({ at: Date.now(), port });
      if (this.#how === 'reset') end();
    };
    const end = () => {
      clearTimeout(idle);
      client.destroy();
      target.destroy();
    };
    target.once('connect', () => {
      phase = 'open';
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      moved();
    });
    target.on('error', () => {
      if (phase === 'dialing') client.end('HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n');
    });
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      from.on('data', (chunk) => {
        if (phase !== 'open') return;
        moved();
        to.write(chunk);
      });
    }
    client.on('close', end);
    // The client has still to be told that the target does not answer.
    target.on('close', () => (phase === 'dialing' ? clearTimeout(idle) : end()));
  }

  /** What is open must end with us, and what fails has ended. */
  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    return socket;
  }
}
