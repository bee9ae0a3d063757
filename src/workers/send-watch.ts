/**
 * How sends go, connection by connection, in one process: a bot that may not send any more is live all the same, and each of
 * its answers becomes a dead letter. One refused send is nothing; several in a row with none taken in between are told.
 */
import type { Clock } from '../async/clock.ts';
import type { ConnectionId, SendOutcome } from '../model.ts';

export interface FailingSends {
  readonly connection: ConnectionId;
  /** In a row. */
  readonly count: number;
  /** Of the last one. */
  readonly code: string;
  readonly reason: string;
  /** Since the first and since the last of them, ms. */
  readonly forMs: number;
  readonly agoMs: number;
}

/** Instants are monotonic ms. */
type Kept = Pick<FailingSends, 'count' | 'code' | 'reason'> & { readonly since: number; readonly lastAt: number };

/** Fewer happen to any bot: a person who blocked it, a text that the platform does not like. */
const TOLD_FROM = 3;
/** Reported at most. */
const MOST = 20;
const REASON_CHARS = 300;

export class SendWatch {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #failing = new Map<ConnectionId, Kept>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** A wait that the platform asked for says nothing either way: it is told as what it is. */
  saw(connection: ConnectionId, outcome: SendOutcome): void {
    switch (outcome.kind) {
      case 'retry':
      case 'rejected':
      case 'unknown': {
        const known = this.#failing.get(connection);
        const reason = outcome.reason.slice(0, REASON_CHARS);
        const lastAt = this.#clock.monotonic();
        const since = known?.since ?? lastAt;
        this.#failing.set(connection, { count: (known?.count ?? 0) + 1, code: outcome.code, reason, since, lastAt });
        return;
      }
      case 'sent':
      case 'duplicate':
      case 'pending-audit':
        this.#failing.delete(connection);
        return;
      case 'blank':
      case 'rate-limited':
      case 'too-late':
      case 'too-long':
        return;
      default:
        outcome satisfies never;
    }
  }

  /** The worst first, a bounded number of them. */
  failing(): FailingSends[] {
    const now = this.#clock.monotonic();
    return [...this.#failing]
      .filter(([, { count }]) => count >= TOLD_FROM)
      .sort(([, a], [, b]) => b.count - a.count)
      .slice(0, MOST)
      .map(([connection, { since, lastAt, ...rest }]) => {
        return { connection, ...rest, forMs: Math.round(now - since), agoMs: Math.round(now - lastAt) };
      });
  }
}
