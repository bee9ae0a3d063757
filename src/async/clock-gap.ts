/**
 * Notices time that went by unseen: the machine slept, or the process was frozen. What was waiting on a socket meanwhile
 * waits for a peer that has forgotten it.
 *
 * Two clocks tell: the wall clock went on while the monotonic one stood still (sleep), or the timer came far too late on
 * both (SIGSTOP, a blocked event loop).
 */
import type { Clock } from './clock.ts';

/** How often to look, ms. */
const EVERY_MS = 1_000;
/** A look that comes later than this is a gap, ms. */
const GAP_MS = 5_000;

/**
 * One timer for all who watch by the same clock: with a timer each, ten thousand connections would wake the process ten
 * thousand times a second, more often than everything else they do while idle.
 */
interface Looking {
  readonly looks: Set<() => void>;
  readonly timer: NodeJS.Timeout;
}

const watched = new WeakMap<Clock, Looking>();

/**
 * Calls `onGap` with the length of each gap (ms) until disposed. A wall clock that is set back is no gap; one that is set
 * forward looks like one.
 */
export function watchForGaps({ clock }: { readonly clock: Clock }, onGap: (ms: number) => void): Disposable {
  // Of each watcher its own: who began to watch after a gap has not missed it.
  let last = { wall: clock.now(), monotonic: clock.monotonic() };
  const look = () => {
    const now = { wall: clock.now(), monotonic: clock.monotonic() };
    const passedMs = Math.max(now.wall - last.wall, now.monotonic - last.monotonic);
    last = now;
    if (passedMs - EVERY_MS >= GAP_MS) onGap(passedMs);
  };
  const looking = watched.get(clock) ?? startLooking(clock);
  looking.looks.add(look);
  return {
    [Symbol.dispose]() {
      if (!looking.looks.delete(look) || looking.looks.size > 0) return;
      clearInterval(looking.timer);
      watched.delete(clock);
    },
  };
}

function startLooking(clock: Clock): Looking {
  const looks = new Set<() => void>();
  const timer = setInterval(() => {
    for (const look of looks) look();
  }, EVERY_MS);
  const looking = { looks, timer };
  watched.set(clock, looking);
  return looking;
}
