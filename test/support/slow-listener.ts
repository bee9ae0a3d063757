/**
 * A way to a server, whose first connection takes about a second to stand, by the kernel's own means: its queue of connections
 * is full, so the first SYN is dropped, and the one that is sent again after a second finds room.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

const PROGRAM = `
const { connect, createServer } = require('node:net');
const { parentPort, workerData } = require('node:worker_threads');
const { gate, host, to } = workerData;
const server = createServer((socket) => {
  const behind = connect(to, '127.0.0.1');
  socket.on('error', () => behind.destroy());
  behind.on('error', () => socket.destroy());
  socket.pipe(behind).pipe(socket);
});
server.listen({ port: 0, host, backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  // Nothing is taken out of the queue until the gate opens.
  setImmediate(() => Atomics.wait(gate, 0, 0));
});
`;

export class SlowListener implements AsyncDisposable {
  readonly port: number;
  readonly #gate: Int32Array;
  readonly #worker: Worker;
  readonly #queued: Socket[];

  private constructor(port: number, gate: Int32Array, worker: Worker, queued: Socket[]) {
    this.port = port;
    this.#gate = gate;
    this.#worker = worker;
    this.#queued = queued;
  }

  /** @param to - port of the server behind it, on 127.0.0.1 */
  static async start(host: string, to: number): Promise<SlowListener> {
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(PROGRAM, { eval: true, workerData: { gate, host, to } });
    const [port] = (await once(worker, 'message')) as [number];
    const queued: Socket[] = [];
    for (;;) {
      const socket = connect({ host, port });
      socket.on('error', () => {});
      queued.push(socket);
      const stands = await Promise.race([
        once(socket, 'connect').then(() => true),
        new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 100)),
      ]);
      if (!stands) break;
    }
    queued.pop()?.destroy();
    return new SlowListener(port, gate, worker, queued);
  }

  /** From now on it takes connections; those whose SYN was dropped stand when it is sent again. */
  open(): void {
    Atomics.store(this.#gate, 0, 1);
    Atomics.notify(this.#gate, 0);
    for (const socket of this.#queued) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.open();
    await this.#worker.terminate();
  }
}
