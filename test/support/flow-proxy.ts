/**
 * A relay before Redis that knows its flows by the names that clients give them, and can leave some of them open on our
 * side only: nothing goes either way any more, every byte is acknowledged, and nobody hears of an end.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface Flow {
  /** As CLIENT SETNAME had it; empty until then. */
  name: string;
  /** It waited for jobs at some time. */
  blocks: boolean;
}

const NAME = /setname\r\n\$\d+\r\n([^\r]+)\r\n/i;

export class FlowProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isOpen: (flow: Flow) => boolean = () => true;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(redisPath: string): Promise<FlowProxy> {
    const server = createServer();
    const proxy = new FlowProxy(server);
    server.on('connection', (client) => proxy.#join(client, connect(redisPath)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}/0`;
  }

  /** From now on these flows, those to come among them, are half-open. */
  halfOpen(which: (flow: Flow) => boolean): void {
    this.#isOpen = (flow) => !which(flow);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, redis: Socket): void {
    const flow: Flow = { name: '', blocks: false };
    client.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      flow.name = NAME.exec(text)?.[1] ?? flow.name;
      flow.blocks ||= /bzpopmin/i.test(text);
      if (this.#isOpen(flow)) redis.write(chunk);
    });
    redis.on('data', (chunk: Buffer) => {
      if (this.#isOpen(flow)) client.write(chunk);
    });
    for (const [socket, other] of [
      [client, redis],
      [redis, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
