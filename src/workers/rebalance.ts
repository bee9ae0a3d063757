/**
 * Gives connections to workers that joined: the newest of a surplus, in small lots, each with its session kept. The next lot
 * goes only when the last one was taken. A worker that nobody takes from, because the others cannot fetch or cannot hold,
 * keeps what it has: it would win its own connections back, and hand them over again, for ever.
 */
import type { Logger } from 'pino';
import { settledWithin, sleep } from '../async/abort.ts';
import type { ConnectionId } from '../model.ts';
import { lotOf } from './fair-share.ts';

/** A connection that is held here and not about to leave. */
export interface Movable {
  readonly id: ConnectionId;
  /** Hands it over. @returns when it is not held here any more; never rejects */
  leave(reason: string): Promise<void>;
}

export interface RebalanceOptions {
  /** Oldest first. */
  movable(): readonly Movable[];
  share(): number;
  /** Who holds each of them now, some worker or nobody. @throws when Redis gives no answer */
  ownersOf(ids: readonly ConnectionId[]): Promise<readonly (string | null)[]>;
  readonly worker: string;
  readonly log: Logger;
  /** Between two lots, ms: a deploy must not become a storm of Resumes. @defaultValue 1000 */
  readonly everyMs?: number;
  /** How long a lot may be without an owner, ms. @defaultValue 5000 */
  readonly takenWithinMs?: number;
}

export interface Rebalance {
  /** Why nothing is moved at the moment though it should be; `null`: all is well. */
  readonly refused: string | null;
  /** Runs until `signal` aborts. @throws the signal's reason */
  run(signal: AbortSignal): Promise<never>;
}

/** The longest wait before the next try after one that nobody took, ms. */
const LONGEST_PAUSE_MS = 60_000;
/** What came back stays for this long, ms. */
const KEPT_MS = 60_000;
const LOOK_EVERY_MS = 100;
/** A hold that does not end in so long, ms, is a matter of others. */
const LEAVES_WITHIN_MS = 12_000;

export function createRebalance(options: RebalanceOptions): Rebalance {
  const { log, everyMs = 1_000 } = options;
  const kept = new Map<ConnectionId, number>();
  let refused: string | null = null;

  const choose = (): readonly Movable[] => {
    const movable = options.movable();
    const most = lotOf(movable.length, options.share());
    if (most === 0) return [];
    const now = performance.now();
    for (const [id, until] of kept) if (until <= now) kept.delete(id);
    // One alone shows whether they are taken again.
    return movable.filter(({ id }) => !kept.has(id)).slice(-(refused === null ? most : 1));
  };

  const moved = (lot: readonly Movable[], left: readonly ConnectionId[]): void => {
    if (left.length === 0) {
      if (refused !== null) log.info({ event: 'rebalance-recovered' }, 'what this worker gives up is taken again');
      refused = null;
      return;
    }
    for (const id of left) kept.set(id, performance.now() + KEPT_MS);
    const words = `${left.length} of ${lot.length} connections that were to move were taken by no other worker`;
    if (refused === null) log.warn({ event: 'rebalance-refused', connections: left }, `${words}: they stay here`);
    refused = words;
  };

  return {
    get refused() {
      return refused;
    },
    async run(signal) {
      let pauseMs = everyMs;
      for (let share = options.share(); ; ) {
        await wait(pauseMs, () => options.share() < share, signal);
        // Somebody joined: whoever that is may be able to take them.
        if (options.share() < share) pauseMs = everyMs;
        share = options.share();
        const lot = choose();
        if (lot.length === 0) continue;
        const held = options.movable().length;
        for (const { id } of lot)
          log.info({ event: 'rebalance', connection: id, held, share }, 'moving it to another worker');
        moved(lot, await notTaken(options, lot, signal));
        pauseMs = refused === null ? everyMs : Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
    },
  };
}

async function wait(ms: number, until: () => boolean, signal: AbortSignal): Promise<void> {
  const since = performance.now();
  while (performance.now() - since < ms && !until()) await sleep(Math.min(LOOK_EVERY_MS, ms), { signal });
}

/** Hands the lot over. @returns those that no other worker took in time */
async function notTaken(
  { ownersOf, worker, movable, takenWithinMs = 5_000 }: RebalanceOptions,
  lot: readonly Movable[],
  signal: AbortSignal,
): Promise<ConnectionId[]> {
  const left = Promise.all(lot.map((each) => each.leave('rebalanced: other workers have room')));
  await settledWithin(left, LEAVES_WITHIN_MS);
  const since = performance.now();
  let open = lot.map(({ id }) => id);
  while (open.length > 0 && performance.now() - since < takenWithinMs) {
    // We have it again: nobody else will.
    const here = new Set(movable().map(({ id }) => id));
    if (open.every((id) => here.has(id))) break;
    const owners = await ownersOf(open).catch(() => null);
    if (owners !== null) open = open.filter((_, index) => owners[index] === null || owners[index] === worker);
    if (open.length > 0) await sleep(LOOK_EVERY_MS, { signal });
  }
  return open;
}
