/**
 * Timers that go off together. What thousands of idle connections do every few seconds costs little; that the process
 * wakes up for each of them by itself costs most of it. So they share one timer, and come a little early.
 */
import type { Clock } from './clock.ts';

/** How much too early one may come, ms. */
export const ROUND_MS = 250;
/** Shorter ones are exact, and by themselves: for them a round would be much. */
const EXACT_BELOW_MS = 8 * ROUND_MS;

/** Of one clock. */
interface Rounds {
  /** What is due in a round, by the number of the round: ms of the clock / {@link ROUND_MS}. */
  readonly due: Map<number, Set<() => void>>;
  /** Runs while anything is due. */
  timer: NodeJS.Timeout | undefined;
}

const roundsOf = new WeakMap<Clock, Rounds>();

/** Calls `run` once, after `ms` or up to {@link ROUND_MS} sooner, unless disposed before. `run` must not throw. */
export function coarseTimer({ clock }: { readonly clock: Clock }, ms: number, run: () => void): Disposable {
  if (ms < EXACT_BELOW_MS) {
    const timer = setTimeout(run, ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }
  const rounds = roundsOf.get(clock) ?? { due: new Map(), timer: undefined };
  roundsOf.set(clock, rounds);
  const number = Math.floor((clock.monotonic() + ms) / ROUND_MS);
  // Of its own, so that two timers with one function are two.
  const due = () => run();
  const round = rounds.due.get(number) ?? new Set();
  rounds.due.set(number, round.add(due));
  if (rounds.timer === undefined) awaitRound(clock, rounds);
  return {
    [Symbol.dispose]() {
      round.delete(due);
      if (round.size > 0 || rounds.due.get(number) !== round) return;
      rounds.due.delete(number);
      if (rounds.due.size > 0) return;
      clearTimeout(rounds.timer);
      rounds.timer = undefined;
    },
  };
}

function awaitRound(clock: Clock, rounds: Rounds): void {
  rounds.timer = setTimeout(
    () => {
      holdRounds(clock, rounds);
      rounds.timer = undefined;
      if (rounds.due.size > 0) awaitRound(clock, rounds);
    },
    // Node's timers come up to a ms early by this clock.
    ROUND_MS - (clock.monotonic() % ROUND_MS) + 1,
  );
}

/** The round that begins now, and those that were slept through. */
function holdRounds(clock: Clock, rounds: Rounds): void {
  const now = Math.floor(clock.monotonic() / ROUND_MS);
  for (const number of [...rounds.due.keys()].filter((each) => each <= now).toSorted((one, other) => one - other)) {
    const round = rounds.due.get(number) ?? [];
    rounds.due.delete(number);
    for (const run of round) run();
  }
}
