/** One at a time, in the order they came. */
export class Turnstile {
  #last: Promise<unknown> = Promise.resolve();

  /** @throws what `run` throws; the signal's reason where it aborted before its turn */
  async through<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => {
      signal.throwIfAborted();
      return run();
    });
    this.#last = turn.catch(() => undefined);
    return await turn;
  }
}
