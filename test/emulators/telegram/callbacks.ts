/** Presses of inline buttons that wait for answerCallbackQuery: 150 s, as long as the update itself lives. */
import { badRequest } from './answers.ts';
import type { PlatformClock } from './clock.ts';
import { lifetimeOf } from './update-types.ts';

export class Callbacks {
  readonly #clock: PlatformClock;
  readonly #expiresAt = new Map<string, number>();

  constructor(clock: PlatformClock) {
    this.#clock = clock;
  }

  open(id: string): void {
    this.#expiresAt.set(id, this.#clock.now() + lifetimeOf('callback_query'));
  }

  /** @throws ApiRefusal 400 for an id that is unknown or too old */
  answer(id: string): void {
    const expiresAt = this.#expiresAt.get(id);
    if (expiresAt === undefined || expiresAt < this.#clock.now())
      throw badRequest('query is too old and response timeout expired or query ID is invalid');
  }
}
