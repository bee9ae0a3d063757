/**
 * Who may be at work on a turn that somebody has taken. A job lock that ran out says only that a process did not renew it: it
 * may have died, or its event loop stood still for a while, in which case it goes on with the turn as soon as it can. Only a
 * death is counted, and a turn that somebody is at work on is not given to the agent a second time beside it.
 *
 * A process lives as long as Redis has a connection of it: the kernel closes those of a dead one, and keeps those of one that
 * stands still. Where Redis does not tell (a user without CLIENT LIST), a lock that ran out is taken for a death.
 */
import { randomUUID } from 'node:crypto';

export interface TurnRunnersOptions {
  /** This process, as its connections to Redis are named: `<worker>#<incarnation>`. */
  readonly self: string;
  /** The processes that have any connection to Redis; `null`: Redis does not say. Never throws. */
  connected(): Promise<ReadonlySet<string> | null>;
  /** A process that stands still for longer than this, ms, is taken for dead. @defaultValue 120_000 */
  readonly patienceMs?: number;
}

/** Between the name of a process and what tells its runs apart. */
const MARK = '|';
/** The last start of a turn that may be what kills processes is made alone, for so long at most, ms. */
const ALONE_FOR_MS = 60_000;

export class TurnRunners {
  readonly #options: Required<TurnRunnersOptions>;
  readonly #running = new Set<string>();
  /** Who makes a last start, until when (monotonic ms). */
  #alone: { readonly runner: string; readonly until: number } | null = null;

  constructor(options: TurnRunnersOptions) {
    this.#options = { patienceMs: 120_000, ...options };
  }

  /** A name for one run of a lane; the handle ends it. */
  begin(): { readonly runner: string } & Disposable {
    const runner = `${this.#options.self}${MARK}${randomUUID()}`;
    this.#running.add(runner);
    return {
      runner,
      [Symbol.dispose]: () => {
        this.#running.delete(runner);
        if (this.#alone?.runner === runner) this.#alone = null;
      },
    };
  }

  isRunning(runner: string): boolean {
    return this.#running.has(runner);
  }

  /**
   * Whether the turn is to be left to whoever took it.
   *
   * @param foundForMs - how long it has been found so already
   */
  async isAtWork(runner: string, foundForMs: number): Promise<boolean> {
    const { self, connected, patienceMs } = this.#options;
    if (this.#running.has(runner)) return true;
    // A worker of an earlier release does not say who it is.
    const process = runner.slice(0, Math.max(0, runner.lastIndexOf(MARK)));
    // A run of our own that ended without a word to Redis failed.
    if (process === '' || process === self || foundForMs >= patienceMs) return false;
    const alive = await connected();
    return alive?.has(self) === true && alive.has(process);
  }

  /** A last start is about to be made. @returns false while another one is under way */
  mayStartLast(runner: string): boolean {
    const now = performance.now();
    if (this.#alone !== null && this.#alone.runner !== runner && now < this.#alone.until) return false;
    this.#alone = { runner, until: now + ALONE_FOR_MS };
    return true;
  }
}
