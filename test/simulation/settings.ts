/** How large one schedule is and how its parts are set: drawn from the seed. */
import { type ConnectionId, connectionId } from '../../src/model.ts';
import type { Random } from './random.ts';

export interface Settings {
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  readonly sweepEveryMs: number;
  readonly presenceGapMs: number;
  readonly jobLockMs: number;
  readonly turnLockMs: number;
  /** Longer than any freeze. */
  readonly turnPatienceMs: number;
  readonly stalledEveryMs: number;
  readonly dialTimeoutMs: number;
  readonly drainMs: number;
  readonly backoffCapMs: number;
  readonly connections: readonly ConnectionId[];
  readonly chatsPerConnection: number;
  readonly connectionWorkers: number;
  readonly schedulers: number;
  readonly messageWorkers: number;
  /** Messages said while faults happen. */
  readonly messages: number;
  readonly faults: number;
  /** How long faults happen, ms. */
  readonly stormMs: number;
}

export function drawSettings(random: Random): Settings {
  const leaseMs = random.pick([1_200, 1_800, 3_000, 6_000]);
  const connections = random.int(1, 3);
  return {
    leaseMs,
    renewEveryMs: Math.floor(leaseMs / 4),
    sweepEveryMs: random.pick([300, 600, 1_000]),
    presenceGapMs: 300,
    jobLockMs: 2 * leaseMs + random.int(2_000, 10_000),
    turnLockMs: random.pick([2_000, 4_000]),
    turnPatienceMs: 3 * leaseMs + 1_000,
    stalledEveryMs: random.pick([500, 900]),
    dialTimeoutMs: 1_500,
    drainMs: 1_500,
    backoffCapMs: 2_000,
    connections: Array.from({ length: connections }, (_, index) => connectionId(`c${index}`)),
    chatsPerConnection: random.int(1, 3),
    connectionWorkers: random.int(2, 3),
    schedulers: random.int(1, 2),
    messageWorkers: random.int(1, 2),
    messages: random.int(10, 40),
    faults: random.int(2, 10),
    stormMs: random.int(5_000, 10_000),
  };
}
