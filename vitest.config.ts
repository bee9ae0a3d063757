import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

const isLong = process.env.HOLDFAST_TEST_LONG === '1';
/** Of the last level, those that keep a core busy or judge by the clock: three at a time made them late on two cores. */
const NEEDS_ROOM = ['bench', 'chaos', 'crash-loop', 'flood', 'many-connections', 'moving', 'takeover'];
const fileOf = (name: string) => `test/system/${name}.test.ts`;

/**
 * Three levels (ARCHITECTURE.md): pure parts, real Redis in one process, several processes; each adapter against the suite
 * that all of them must pass; and the corpus of what the field and an attacker found. The levels run one after the other, since the outages of the last must not be
 * stretched by the load of the others.
 */
export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 10_000,
          maxWorkers: 2,
          // Pure parts, which share nothing: to load them anew for each file took most of the time.
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.test.ts'],
          testTimeout: 60_000,
          maxWorkers: 3,
          // Scenarios of one adapter run side by side: mostly they wait for deadlines of their own.
          maxConcurrency: 8,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // Mostly waiting for deadlines, on disks and for other processes.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'fuzz',
          include: ['test/fuzz/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          exclude: [...NEEDS_ROOM.map(fileOf), ...(isLong ? [] : [fileOf('demo-sabotage')])],
          testTimeout: 180_000,
          hookTimeout: 60_000,
          // Mostly waiting for outages to pass. At full length one at a time, for numbers worth keeping; what the demo shows
          // when a safeguard is off is then run, too.
          maxWorkers: isLong ? 1 : 3,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'field',
          include: ['test/field/rows/*.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: isLong ? 1 : 3,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'system-with-room',
          include: NEEDS_ROOM.map(fileOf),
          testTimeout: 180_000,
          hookTimeout: 60_000,
          maxWorkers: isLong ? 1 : 2,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
