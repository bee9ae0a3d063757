/**
 * A wire between a client and Redis that can be broken in the ways that leave an outcome unknown: the command arrives and
 * its answer does not, or the command itself is lost.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

type Mode = 'pass' | 'swallow-answers' | 'swallow-commands';

export class RedisProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #mode: Mode = 'pass';
  #commands = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(redisPath: string): Promise<RedisProxy> {
    const server = createServer();
    const proxy = new RedisProxy(server);
    server.on('connection', (client) => proxy.#join(client, connect(redisPath)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}/0`;
  }

  /** Writes that came from clients since the last change of mode; a command is one or more. */
  get commands(): number {
    return this.#commands;
  }

  /** Redis does what it is told and nobody hears of it. */
  swallowAnswers(): void {
    this.#set('swallow-answers');
  }

  /** Nothing reaches Redis. */
  swallowCommands(): void {
    this.#set('swallow-commands');
  }

  /** Ends all connections and lets new ones through whole. */
  heal(): void {
    this.#set('pass');
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.heal();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #set(mode: Mode): void {
    this.#mode = mode;
    this.#commands = 0;
  }

  #join(client: Socket, redis: Socket): void {
    const pair = [client, redis] as const;
    this.#pairs.add(pair);
    client.on('data', (chunk) => {
      this.#commands += 1;
      if (this.#mode !== 'swallow-commands') redis.write(chunk);
    });
    redis.on('data', (chunk) => {
      if (this.#mode !== 'swallow-answers') client.write(chunk);
    });
    for (const [socket, other] of [pair, [redis, client] as const]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
    }
  }
}
