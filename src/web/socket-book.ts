/**
 * Which sockets a listener keeps, so that nobody shuts out the others, nor the health checks, by opening many and saying
 * little. A socket *waits* while it has asked for nothing (it is new, sends its request byte by byte, or is kept alive), and
 * is *busy* with each request that is being answered.
 *
 * - Too many wait: the one that waited longest goes, of the same caller or of all. Whoever asks at once is always heard.
 * - Too many are busy: a request whose body still has not come goes first; else the new one is refused.
 * - Health checks have room of their own above the bound of all.
 */
import type { Socket } from 'node:net';
import type { WebRefusal } from '../state/measurements.ts';
import { callerOf } from './callers.ts';

export interface Bounds {
  readonly waitingOfCaller: number;
  readonly waiting: number;
  readonly busyOfCaller: number;
  readonly busy: number;
  /** More that may be busy with health checks. */
  readonly reserve: number;
}

/** A request, as far as it matters here. */
export interface Busy {
  readonly socket: Socket;
  /** All of it has arrived. */
  isWhole(): boolean;
}

interface Caller {
  readonly name: string;
  /** The longest waiting first. */
  readonly waiting: Set<Socket>;
  readonly busy: Set<Busy>;
}

export class SocketBook {
  readonly #bounds: Bounds;
  readonly #onRefused: (why: WebRefusal, caller: string) => void;
  readonly #callers = new Map<string, Caller>();
  readonly #callerOf = new Map<Socket, Caller>();
  /** The longest waiting first. */
  readonly #waiting = new Set<Socket>();
  readonly #busy = new Set<Busy>();
  readonly #served = new WeakSet<Socket>();

  constructor(bounds: Bounds, onRefused: (why: WebRefusal, caller: string) => void) {
    this.#bounds = bounds;
    this.#onRefused = onRefused;
  }

  /** A new socket; it is in the book until it is closed. */
  open(socket: Socket): void {
    const name = callerOf(socket.remoteAddress);
    const caller = this.#callers.get(name) ?? { name, waiting: new Set(), busy: new Set() };
    this.#callers.set(name, caller);
    this.#callerOf.set(socket, caller);
    socket.once('close', () => this.#close(socket, caller));
    this.#wait(socket, caller);
  }

  /** @returns whether it may be answered; then {@link end} must follow */
  begin(busy: Busy, isHealth: boolean): boolean {
    const caller = this.#callerOf.get(busy.socket);
    // Closed already.
    if (caller === undefined) return false;
    const { busyOfCaller, busy: most, reserve } = this.#bounds;
    if (!isHealth && caller.busy.size >= busyOfCaller) this.#cutUnfinished(caller);
    const full = isHealth
      ? this.#busy.size >= most + reserve
      : this.#busy.size >= most || caller.busy.size >= busyOfCaller;
    if (full) {
      this.#onRefused('busy', caller.name);
      return false;
    }
    this.#stopWaiting(busy.socket, caller);
    caller.busy.add(busy);
    this.#busy.add(busy);
    return true;
  }

  /** Its answer is out, or its socket is gone. Safe to call twice. */
  end(busy: Busy): void {
    this.#busy.delete(busy);
    const caller = this.#callerOf.get(busy.socket);
    if (caller === undefined) return;
    caller.busy.delete(busy);
    const another = [...caller.busy].some(({ socket }) => socket === busy.socket);
    this.#served.add(busy.socket);
    if (!another && !busy.socket.destroyed) this.#wait(busy.socket, caller);
  }

  #wait(socket: Socket, caller: Caller): void {
    caller.waiting.add(socket);
    this.#waiting.add(socket);
    if (caller.waiting.size > this.#bounds.waitingOfCaller) this.#cut(caller.waiting);
    else if (this.#waiting.size > this.#bounds.waiting) this.#cut(this.#waiting);
  }

  #stopWaiting(socket: Socket, caller: Caller): void {
    caller.waiting.delete(socket);
    this.#waiting.delete(socket);
  }

  /** The one that waited longest. */
  #cut(waiting: ReadonlySet<Socket>): void {
    const [oldest] = waiting;
    const caller = oldest && this.#callerOf.get(oldest);
    if (oldest === undefined || caller === undefined) return;
    this.#stopWaiting(oldest, caller);
    // One that is only kept alive may go at any time.
    if (!this.#served.has(oldest)) this.#onRefused('waiting', caller.name);
    oldest.destroy();
  }

  #cutUnfinished(caller: Caller): void {
    for (const busy of caller.busy) {
      if (busy.isWhole()) continue;
      caller.busy.delete(busy);
      this.#busy.delete(busy);
      this.#onRefused('busy', caller.name);
      busy.socket.destroy();
      return;
    }
  }

  #close(socket: Socket, caller: Caller): void {
    this.#stopWaiting(socket, caller);
    for (const busy of caller.busy) if (busy.socket === socket) this.end(busy);
    this.#callerOf.delete(socket);
    if (caller.waiting.size + caller.busy.size === 0) this.#callers.delete(caller.name);
  }
}
