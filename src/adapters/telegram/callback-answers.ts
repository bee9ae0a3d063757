/**
 * Answers pressed buttons once they are stored, so that the user's client stops its spinner; what the agent makes of it
 * comes later. Beside the polls, which wait for none of this. A failure is told and not repeated: the platform takes an
 * answer for some 150 s, and a second press brings a second query.
 */
import type { Logger } from '../../log.ts';
import { inWords, type TelegramApi } from './api.ts';

export interface CallbackAnswersOptions {
  readonly api: TelegramApi;
  readonly log: Logger;
  /** Ends everything, in the middle of a call, too. */
  readonly signal: AbortSignal;
  /** Throws when the lease may have run out. */
  assertHeld(): void;
}

const AT_ONCE = 4;
/** More than this waiting are too late anyway. */
const MOST_WAITING = 500;
const DEADLINE_MS = 10_000;

export class CallbackAnswers {
  readonly #options: CallbackAnswersOptions;
  /** Received, and not yet known to be stored. */
  #received: string[] = [];
  readonly #waiting: string[] = [];
  #running = 0;

  constructor(options: CallbackAnswersOptions) {
    this.#options = options;
  }

  /** They are answered once they are stored. */
  received(ids: readonly string[]): void {
    this.#received.push(...ids);
  }

  /** All that was received is stored. Returns at once. */
  stored(): void {
    this.#waiting.push(...this.#received);
    this.#received = [];
    const late = this.#waiting.splice(0, Math.max(0, this.#waiting.length - MOST_WAITING));
    if (late.length > 0) this.#failed(`${late.length} of them came faster than they could be answered`);
    while (this.#running < AT_ONCE && this.#waiting.length > 0) this.#start();
  }

  #start(): void {
    this.#running += 1;
    this.#work()
      .catch((error: unknown) => {
        // Cut by the end of the hold, or no longer ours to answer.
        this.#options.log.debug({ event: 'callback-cut', err: error }, 'answering buttons was cut off');
      })
      .finally(() => {
        this.#running -= 1;
      });
  }

  async #work(): Promise<void> {
    const { api, signal, assertHeld } = this.#options;
    for (let id = this.#waiting.shift(); id !== undefined; id = this.#waiting.shift()) {
      assertHeld();
      const params = { callback_query_id: id };
      const answer = await api.call('answerCallbackQuery', params, { signal, deadlineMs: DEADLINE_MS });
      if (answer.kind !== 'ok') this.#failed(inWords(answer));
    }
  }

  #failed(reason: string): void {
    this.#options.log.warn({ event: 'callback-unanswered', reason }, 'a pressed button was not answered');
  }
}
