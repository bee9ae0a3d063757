/**
 * Shows people that an answer is being written, for as long as a turn runs. It is a courtesy: it never delays, blocks or
 * fails a turn, and where it fails it rests.
 *
 * @see NousResearch/hermes-agent #111727: a typing call stuck on a dead socket blocked whole bots
 */
import type { Logger } from 'pino';
import type { Sender } from '../adapters/adapter.ts';
import { childController, sleep, withDeadline } from '../async/abort.ts';
import { explain } from '../errors.ts';
import type { ReplyHandle } from '../model.ts';

export interface TypingOptions {
  readonly log: Logger;
  /** Turns that end sooner show nothing, ms. @defaultValue 300 */
  readonly afterMs?: number;
  /** A little less than platforms show it for, ms. @defaultValue 4500 */
  readonly everyMs?: number;
  /** After a failure, per conversation, ms. @defaultValue 30_000 */
  readonly restMs?: number;
  /** Bound of one call, ms. @defaultValue 4000 */
  readonly deadlineMs?: number;
}

/** So many conversations that rest are remembered. */
const MOST_RESTING = 10_000;

/** One per process: the rests are remembered over turns. */
export class Typing {
  readonly #options: Required<TypingOptions>;
  /** Conversation → until when it rests, monotonic ms; oldest first. */
  readonly #resting = new Map<string, number>();

  constructor(options: TypingOptions) {
    this.#options = { afterMs: 300, everyMs: 4_500, restMs: 30_000, deadlineMs: 4_000, ...options };
  }

  /**
   * Shows it until the returned handle is disposed or `signal` aborts; a call that is out is cut then.
   *
   * @param conversation - names what rests after a failure
   */
  show(
    sender: Pick<Sender, 'typing'>,
    reply: ReplyHandle | null,
    conversation: string,
    { signal }: { signal: AbortSignal },
  ): Disposable {
    if (sender.typing === undefined || reply === null || signal.aborted) return { [Symbol.dispose]() {} };
    const over = childController(signal);
    // It ends with the signal and by nothing else; a failure is dealt with inside.
    this.#repeat(sender, reply, conversation, over.signal).catch(() => undefined);
    return {
      [Symbol.dispose]() {
        over[Symbol.dispose]();
        over.abort(new Error('the turn is over'));
      },
    };
  }

  /** @throws the signal's reason */
  async #repeat(
    sender: Pick<Sender, 'typing'>,
    reply: ReplyHandle,
    conversation: string,
    signal: AbortSignal,
  ): Promise<never> {
    const { afterMs, everyMs, deadlineMs, log } = this.#options;
    for (let waitMs = afterMs; ; waitMs = everyMs) {
      await sleep(Math.max(waitMs, this.#restsForMs(conversation)), { signal });
      try {
        await withDeadline('typing', deadlineMs, signal, async (inner) => sender.typing?.(reply, { signal: inner }));
      } catch (error) {
        signal.throwIfAborted();
        this.#rest(conversation);
        log.debug({ event: 'typing-failed', reason: explain(error) }, 'typing was not shown');
      }
    }
  }

  #restsForMs(conversation: string): number {
    return Math.max(0, (this.#resting.get(conversation) ?? 0) - performance.now());
  }

  #rest(conversation: string): void {
    this.#resting.delete(conversation);
    this.#resting.set(conversation, performance.now() + this.#options.restMs);
    const [oldest] = this.#resting.keys();
    if (this.#resting.size > MOST_RESTING && oldest !== undefined) this.#resting.delete(oldest);
  }
}
