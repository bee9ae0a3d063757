/** All timings that an operator may change, with their defaults, and the rules between them. */
import type { z } from 'zod';
import { durationMs, keysOf } from './fields.ts';

const shape = {
  leaseMs: durationMs(
    6_000,
    'How long a worker may act for a connection without renewing; a lost host is replaced after this.',
    {
      least: 300,
      most: 600_000,
    },
  ),
  renewEveryMs: durationMs(1_500, 'How often a worker renews its leases and writes its heartbeats.', { least: 50 }),
  sweepEveryMs: durationMs(1_000, 'How often a scheduler compares what should run with what runs.', { least: 50 }),
  presenceGapMs: durationMs(300, 'Time between the two looks by which an absent worker is declared dead.', {
    least: 300,
  }),
  stalledEveryMs: durationMs(1_000, 'How often jobs of dead workers are looked for in the queues.', { least: 50 }),
  jobLockMs: durationMs(30_000, 'Lock of a connection job in BullMQ: the second net below the lease.', {
    least: 1_000,
  }),
  turnLockMs: durationMs(10_000, 'Lock of a turn or delivery job in BullMQ: a crashed one is repeated after this.', {
    least: 500,
  }),
  backoffBaseMs: durationMs(500, 'Upper bound of the first delay before a new attempt to connect.', {
    least: 1,
    most: 600_000,
  }),
  backoffCapMs: durationMs(15_000, 'Upper bound of every delay before a new attempt to connect.', {
    least: 1,
    most: 3_600_000,
  }),
  healthyAfterMs: durationMs(10_000, 'How long a connection must be live before its next failure counts as the first.'),
  dialTimeoutMs: durationMs(5_000, 'Bound of one dial: DNS, TCP, TLS and WebSocket upgrade together.', {
    least: 50,
    most: 120_000,
  }),
  drainMs: durationMs(8_000, 'How long a stopping process may finish what it holds; the process ends within 10 s.', {
    least: 100,
    most: 9_500,
  }),
  probeEveryMs: durationMs(300_000, 'How often a parked connection is tried again.', { least: 1_000 }),
};

export const timingsSchema = keysOf(shape)
  .check((context) => {
    for (const { key, message } of contradictions(context.value)) {
      context.issues.push({ code: 'custom', input: undefined, path: [key], message });
    }
  })
  .prefault({});

/** Durations in ms; meanings and defaults are in docs/configuration.md. */
export type Timings = Readonly<z.output<typeof timingsSchema>>;

/** Rules between timings: each names both values, since either may be the one to change. */
function* contradictions(timings: Timings): Generator<{ key: keyof Timings; message: string }> {
  const below = function* (low: keyof Timings, high: keyof Timings, why: string, factor = 1) {
    if (timings[low] * factor < timings[high]) return;
    const times = factor === 1 ? '' : `${factor} × `;
    const message = `is ${timings[high]}, and must be more than ${times}${low} (${timings[low]}): ${why}; raise ${high} or lower ${low}`;
    yield { key: high, message };
  };
  yield* below('renewEveryMs', 'leaseMs', 'one or two lost renewals must not cost the lease', 3);
  yield* below('leaseMs', 'jobLockMs', 'the lease must run out first, as it alone decides who may act');
  yield* below('presenceGapMs', 'leaseMs', 'else a dead worker is not noticed before its lease runs out');
  yield* below('sweepEveryMs', 'leaseMs', 'else a connection without owner waits longer for a look than for its lease');
  yield* below('stalledEveryMs', 'turnLockMs', 'else the check for dead workers is slower than the lock', 2);
  if (timings.backoffBaseMs > timings.backoffCapMs) {
    const message = `is ${timings.backoffCapMs}, and must be at least backoffBaseMs (${timings.backoffBaseMs}); raise backoffCapMs or lower backoffBaseMs`;
    yield { key: 'backoffCapMs', message };
  }
}
