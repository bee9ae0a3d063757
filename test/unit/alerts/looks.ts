/** A made-up installation, looked at again and again: each look changes what differs from the one before. */
import type { AlertSettings, Notification, Observed } from '../../../src/alerts/alert.ts';
import { judge, type Memory } from '../../../src/alerts/judge.ts';
import type { Trouble } from '../../../src/status/chain.ts';
import type { ConnectionStatus } from '../../../src/status/document.ts';
import { inChain } from '../../support/in-chain.ts';

export const START = Date.parse('2026-11-22T10:00:00.000Z');
export const SECOND = 1_000;

const SETTINGS: AlertSettings = {
  downAfterMs: 60 * SECOND,
  repeatEveryMs: 3_600 * SECOND,
  groupMs: 5 * SECOND,
  recoverAfterMs: 5 * SECOND,
  sweepLateMs: 25 * SECOND,
};

type Change = Partial<Omit<ConnectionStatus, 'counters'>> & {
  readonly counters?: Partial<ConnectionStatus['counters']>;
};

const LIVE: ConnectionStatus = {
  id: '',
  platform: 'qq',
  state: 'live',
  since: new Date(START).toISOString(),
  reason: null,
  owner: 'a/1',
  fencingToken: 1,
  lastRoundTripAgeMs: 100,
  lastEventAgeMs: null,
  nextAttemptAt: null,
  attempt: 0,
  route: 'direct',
  remark: null,
  platformAheadMs: null,
  counters: {
    events: 0,
    duplicates: 0,
    resumed: 0,
    identified: 1,
    gaps: 0,
    takeovers: 0,
    malformed: 0,
    staleWrites: 0,
  },
} as ConnectionStatus;

export class Looks {
  readonly told: Notification[] = [];
  memory: Memory | null = null;
  now = START;
  sweepAgeMs: number | null = 100;
  redis: Observed['redis'] = { usedBytes: 1, maxBytes: null, aof: { enabled: true, healthy: true } };
  budgets: Observed['budgets'] = [];
  clocks: Observed['clocks'] = [];
  troubles: readonly Trouble[] = [];
  readonly deadLetters = new Map<string, number>();
  readonly #connections = new Map<string, ConnectionStatus>();
  readonly #settings: AlertSettings;

  constructor(ids: readonly string[], settings: Partial<AlertSettings> = {}) {
    this.#settings = { ...SETTINGS, ...settings };
    for (const id of ids) this.#connections.set(id, { ...LIVE, id });
  }

  /** A change of state begins now. */
  set(id: string, { counters, ...change }: Change): void {
    const known = this.#connections.get(id) ?? { ...LIVE, id };
    const since = change.state === undefined ? known.since : new Date(this.now).toISOString();
    this.#connections.set(id, { ...known, since, ...change, counters: { ...known.counters, ...counters } });
  }

  lose(id: string, reason = 'connection refused (ECONNREFUSED 10.0.0.1:443)'): void {
    this.set(id, { state: 'waiting', reason });
  }

  restore(id: string, counters: Partial<ConnectionStatus['counters']> = {}): void {
    this.set(id, { state: 'live', reason: null, counters });
  }

  remove(id: string): void {
    this.#connections.delete(id);
  }

  /** Looks every two seconds, as a process does. @returns what was told meanwhile */
  pass(seconds: number): Notification[] {
    const already = this.told.length;
    for (let left = seconds; left > 0; left -= 2) {
      this.now += Math.min(2, left) * SECOND;
      this.look();
    }
    return this.told.slice(already);
  }

  /** Nobody looks. */
  skip(seconds: number): void {
    this.now += seconds * SECOND;
  }

  look(): Notification[] {
    const observed = {
      status: inChain(
        {
          at: new Date(this.now).toISOString(),
          scheduler: { lastSweepAgeMs: this.sweepAgeMs, worker: 'a/1' },
          workers: [],
          connections: [...this.#connections.values()],
        },
        this.troubles,
      ),
      deadLetters: this.deadLetters,
      redis: this.redis,
      budgets: this.budgets,
      clocks: this.clocks,
    } as unknown as Observed;
    // As it comes back from Redis.
    const memory = JSON.parse(JSON.stringify(this.memory)) as Memory | null;
    const judged = judge(memory, observed, this.#settings);
    this.memory = judged.memory;
    this.told.push(...judged.notifications);
    return [...judged.notifications];
  }
}

export function inShort({ kind, rule, subjects }: Notification): string {
  return `${kind} ${rule} ${subjects.map(({ name }) => name).join(',')}`;
}
