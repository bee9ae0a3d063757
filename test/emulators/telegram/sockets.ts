/** The TCP connections clients have open: numbered for the journal, and some of them frozen by a fault. */
import type { Socket } from 'node:net';
import type { Journal } from './journal.ts';

export class Sockets {
  readonly #journal: Journal;
  readonly #open = new Map<Socket, number>();
  readonly #frozen = new WeakSet<Socket>();
  #count = 0;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** The socket's number. It is counted at its first request. */
  numberOf(socket: Socket): number {
    const known = this.#open.get(socket);
    if (known !== undefined) return known;
    const number = ++this.#count;
    this.#open.set(socket, number);
    socket.once('close', () => this.#open.delete(socket));
    this.#journal.append({ kind: 'dial', socket: number });
    return number;
  }

  isFrozen(socket: Socket): boolean {
    return this.#frozen.has(socket);
  }

  get count(): number {
    return this.#open.size;
  }

  /** The open ones get no answer any more, nor an end. @returns how many */
  freeze(): number {
    let count = 0;
    for (const socket of this.#open.keys()) {
      if (this.#frozen.has(socket)) continue;
      this.#frozen.add(socket);
      count++;
    }
    return count;
  }

  /** @returns how many were reset */
  reset(): number {
    const { size } = this.#open;
    for (const socket of [...this.#open.keys()]) socket.resetAndDestroy();
    return size;
  }
}
