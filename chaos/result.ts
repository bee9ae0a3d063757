/** The result of a run: what was done, how long takeovers took, and what users saw. The JSON report is this, as it is. */
import type { Tally } from '../demo/tally.ts';
import type { StatusDocument } from '../src/status/document.ts';
import type { EmulatedBot, QqEmulator } from '../test/emulators/qq/index.ts';
import { type CauseResult, causeResult } from './cause-result.ts';
import { CAUSES, type Cause } from './faults/fault.ts';
import type { HostsResult } from './hosts/result.ts';
import type { Machine } from './machine.ts';
import type { Tallies } from './tallies.ts';

export interface ChaosResult {
  readonly date: string;
  readonly seed: number;
  readonly timings: 'default' | 'scaled';
  readonly leaseMs: number;
  readonly machine: Machine;
  /** Of the process that breaks, talks, emulates the platform and measures: its own share of every number, ms. */
  readonly driverLagMs: { readonly p99: number; readonly max: number };
  readonly tookMs: number;
  readonly faults: number;
  readonly killed: number;
  readonly causes: readonly CauseResult[];
  readonly sent: number;
  readonly answered: number;
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  readonly outOfOrder: readonly string[];
  /** Answers that nobody asked for. */
  readonly stray: readonly string[];
  /** Refused by Redis, those that the run tried on purpose left out. */
  readonly staleWritesRefused: number;
  /** Writes under overtaken tokens that the run tried, and how many of them Redis took. */
  readonly oldTokenWrites: { readonly tried: number; readonly accepted: number };
  readonly overlap: { readonly peak: number; readonly ms: number };
  /** Sockets that the platform closed because a Resume replaced them: their holder had not. */
  readonly displaced: number;
  /** Sessions created after the first of each bot. */
  readonly identifies: number;
  readonly duplicatesDropped: number;
  readonly gaps: number;
  readonly complaints: readonly string[];
  /** The run about lost hosts, which is one of its own; `null` until it was made. */
  readonly hosts: HostsResult | null;
}

interface Findings {
  readonly seed: number;
  readonly scaled: boolean;
  readonly startedAt: Date;
  readonly tookMs: number;
  readonly timings: { readonly leaseMs: number };
  readonly machine: Machine;
  readonly driverLagMs: ChaosResult['driverLagMs'];
  readonly qq: QqEmulator;
  readonly bots: readonly EmulatedBot[];
  readonly tallies: Tallies;
  readonly tally: Tally;
  readonly status: StatusDocument;
  readonly suddenEnds: readonly string[];
}

/** Close code of a socket whose session was resumed on another one. */
const RESET_BY_RESUME = 4902;

export function resultOf(findings: Findings): ChaosResult {
  const { qq, bots, tallies, tally, status } = findings;
  const overlaps = bots.map((bot) => bot.overlap());
  const counted = (name: 'staleWrites' | 'duplicates' | 'gaps') =>
    status.connections.reduce((sum, { counters }) => sum + counters[name], 0);
  const texts = (said: readonly { readonly text: string }[]) => said.map(({ text }) => text);
  return {
    date: findings.startedAt.toISOString(),
    seed: findings.seed,
    timings: findings.scaled ? 'scaled' : 'default',
    leaseMs: findings.timings.leaseMs,
    machine: findings.machine,
    driverLagMs: { p99: Math.round(findings.driverLagMs.p99), max: Math.round(findings.driverLagMs.max) },
    tookMs: findings.tookMs,
    faults: tallies.faults,
    killed: tallies.killed,
    causes: (Object.keys(CAUSES) as Cause[]).map((cause) =>
      causeResult(cause, tallies.strikes.get(cause) ?? 0, tallies.takeovers),
    ),
    sent: tally.sent,
    answered: tally.answered,
    lost: texts(tally.lost),
    doubled: texts(tally.doubled),
    outOfOrder: texts(tally.outOfOrder),
    stray: texts(tally.stray),
    staleWritesRefused: counted('staleWrites') - tallies.staleWrites.counted,
    oldTokenWrites: { tried: tallies.staleWrites.tried, accepted: tallies.staleWrites.accepted },
    overlap: {
      peak: Math.max(...overlaps.map(({ peak }) => peak)),
      ms: Math.round(overlaps.reduce((sum, { overlapMs }) => sum + overlapMs, 0)),
    },
    displaced: qq.journal.count('close', ({ by, code }) => by === 'platform' && code === RESET_BY_RESUME),
    identifies: qq.journal.count('identify', ({ outcome }) => outcome === 'accepted') - bots.length,
    duplicatesDropped: counted('duplicates'),
    gaps: counted('gaps'),
    complaints: [...tallies.complaints, ...findings.suddenEnds],
    hosts: null,
  };
}

/** Nothing lost, doubled, out of order or unasked for; no old token worked; everything healed in time. */
export function isGood(result: ChaosResult): boolean {
  const { lost, doubled, outOfOrder, stray, complaints, oldTokenWrites } = result;
  return (
    [lost, doubled, outOfOrder, stray, complaints].every(({ length }) => length === 0) && oldTokenWrites.accepted === 0
  );
}
