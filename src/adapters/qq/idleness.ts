/** How long a socket has been without traffic in either direction: what an idle timeout on the way goes by. */
import type { Clock } from '../../async/clock.ts';
import type { Ending } from './state.ts';

/** No close frame came: reset, end of stream. RFC 6455 §7.1.5 */
const NO_CLOSE_FRAME = 1006;

export class Idleness {
  readonly #clock: Clock;
  #movedAt: number;
  /** The silence that the last send of ours ended, while nothing has answered since, ms. */
  #doubtfulMs: number | null = null;
  #outlivedMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#movedAt = clock.monotonic();
  }

  /** The longest time without traffic after which the peer was still heard, ms. */
  get outlivedMs(): number {
    return this.#outlivedMs;
  }

  sent(): void {
    const idleMs = this.#clock.monotonic() - this.#movedAt;
    // Several in a row: the first one met the silence.
    this.#doubtfulMs ??= idleMs;
    this.#movedAt = this.#clock.monotonic();
  }

  received(): void {
    const idleMs = this.#clock.monotonic() - this.#movedAt;
    // What comes in during a silence shows nothing of what a send after it meets, but the way was open.
    this.#outlivedMs = Math.max(this.#outlivedMs, this.#doubtfulMs ?? idleMs);
    this.#doubtfulMs = null;
    this.#movedAt = this.#clock.monotonic();
  }

  /**
   * The silence at which it was cut: the running one when the end was told, the one before our last unanswered send
   * when the way had been dropped without a word. `null` when the platform or we ended it.
   */
  cutAfterMs(ending: Ending): number | null {
    if (ending.cause === 'zombie') return this.#doubtfulMs;
    if (ending.cause !== 'closed' || ending.code !== NO_CLOSE_FRAME) return null;
    return this.#doubtfulMs ?? this.#clock.monotonic() - this.#movedAt;
  }
}
