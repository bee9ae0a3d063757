/**
 * Keeps one platform in trouble from occupying every slot of a delivery worker: a connection whose sends fail one after
 * another (each for as long as a timeout) gets only a few slots until one of them is answered again. Counted per process.
 */
import type { ConnectionId } from '../model.ts';

/** Failures in a row, over all conversations, after which a connection is in trouble. */
const TROUBLED_AFTER = 3;
/** Slots of a connection in trouble. */
const TROUBLED_SLOTS = 4;

export class ConnectionSlots {
  readonly #used = new Map<ConnectionId, number>();
  readonly #failures = new Map<ConnectionId, number>();

  /** @returns false when this connection has all the slots it may have; else {@link leave} must follow */
  enter(id: ConnectionId): boolean {
    const used = this.#used.get(id) ?? 0;
    if ((this.#failures.get(id) ?? 0) >= TROUBLED_AFTER && used >= TROUBLED_SLOTS) return false;
    this.#used.set(id, used + 1);
    return true;
  }

  leave(id: ConnectionId): void {
    const used = (this.#used.get(id) ?? 1) - 1;
    if (used === 0) this.#used.delete(id);
    else this.#used.set(id, used);
  }

  /** The platform gave no usable answer. */
  failed(id: ConnectionId): void {
    this.#failures.set(id, (this.#failures.get(id) ?? 0) + 1);
  }

  /** The platform answered, whatever it said. */
  answered(id: ConnectionId): void {
    this.#failures.delete(id);
  }
}
