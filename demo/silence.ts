/** How long people waited without seeing anything: the number that the founding incident was about. Pure. */

export interface Moment {
  /** Which message of the crowd. */
  readonly place: number;
  /** ms since the epoch */
  readonly at: number;
}

export interface Window {
  readonly from: number;
  readonly to: number;
}

/**
 * The longest time in which somebody had something unanswered and nobody saw an answer, ms. A pause in which nobody waits
 * for anything is no silence.
 *
 * @param said - oldest first
 * @param answers - first and further answers, oldest first
 * @param window - only silences that ended within it
 */
export function longestSilenceMs(said: readonly Moment[], answers: readonly Moment[], window: Window): number {
  const waiting = new Set<number>();
  const next = said.values();
  let coming = next.next();
  let since = 0;
  let longest = 0;
  for (const { place, at } of answers) {
    for (; !coming.done && coming.value.at <= at; coming = next.next()) {
      if (waiting.size === 0) since = Math.max(since, coming.value.at);
      waiting.add(coming.value.place);
    }
    if (!waiting.delete(place)) continue;
    if (at >= window.from && at <= window.to) longest = Math.max(longest, at - since);
    since = at;
  }
  return longest;
}
