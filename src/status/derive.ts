/**
 * What a connection's state is, computed from evidence at read time and never stored: so it is right when the worker
 * that would have said so is dead. Pure; all instants are Redis ms.
 */
import { ownValue } from '../model.ts';
import type { DesiredConnection, Wishes } from '../state/desired.ts';
import type { HeartbeatRecord } from '../state/heartbeats.ts';
import type { LeaseRecord } from '../state/leases.ts';
import type { ParkedRecord } from '../state/parking.ts';
import { bounded } from '../text/bounded.ts';
import { REASON_CHARS } from '../text/foreign-text.ts';
import type { ConnectionStateName, ConnectionStatus } from './document.ts';

export interface ConnectionEvidence {
  readonly desired: DesiredConnection;
  readonly wishes: Wishes;
  readonly parked: ParkedRecord | null;
  readonly lease: LeaseRecord;
  readonly heartbeat: HeartbeatRecord | null;
  readonly restart: { readonly notBefore: number; readonly reason: string } | null;
  /** Why workers said they can't hold it, newest evidence only. */
  readonly unfit: readonly string[];
  readonly counters: Readonly<Record<string, string>>;
}

export interface ReadMoment {
  readonly now: number;
  /** When the next sweep is due; `null` when no scheduler was ever seen. */
  readonly nextSweepAt: number | null;
  /** A heartbeat older than this proves nothing any more, ms. */
  readonly staleAfterMs: number;
}

interface Verdict {
  readonly state: ConnectionStateName;
  readonly since: number | null;
  readonly reason: string | null;
  readonly nextAttemptAt: number | null;
}

export function deriveConnection(evidence: ConnectionEvidence, moment: ReadMoment): ConnectionStatus {
  const { desired, lease, counters } = evidence;
  const held = lease.owner !== null && lease.until > moment.now;
  const beat = held ? currentBeat(evidence) : null;
  const verdict = judge(evidence, moment, held);
  const count = (name: string) => Number(ownValue(counters, name) ?? 0);
  const beatAge = beat === null ? 0 : moment.now - beat.at;
  const aged = (age: number | null | undefined) => (age == null ? null : Math.max(0, age + beatAge));
  return {
    id: desired.id,
    platform: desired.platform,
    state: verdict.state,
    since: iso(verdict.since),
    // Whoever could write it into Redis could write any length.
    reason: verdict.reason === null ? null : bounded(verdict.reason, 2 * REASON_CHARS),
    owner: held ? lease.owner : null,
    fencingToken: held ? lease.token : null,
    lastRoundTripAgeMs: aged(beat?.heartbeat.roundTripAgeMs),
    lastEventAgeMs: counters.lastEventAt === undefined ? null : Math.max(0, moment.now - count('lastEventAt')),
    nextAttemptAt: iso(verdict.nextAttemptAt),
    attempt: beat?.heartbeat.attempt ?? 0,
    route: beat?.heartbeat.route ?? null,
    remark: beat?.heartbeat.remark ?? clockRemark(beat?.heartbeat.platformAheadMs ?? null),
    platformAheadMs: beat?.heartbeat.platformAheadMs ?? null,
    counters: {
      events: count('events'),
      duplicates: count('duplicates'),
      resumed: count('resumed'),
      identified: count('identified'),
      gaps: count('gaps'),
      takeovers: count('takeovers'),
      malformed: count('malformed'),
      staleWrites: count('staleWrites'),
    },
  };
}

/** More is worth a word, and an alert, ms. */
export const PLATFORM_CLOCK_OFF_MS = 30_000;

function clockRemark(platformAheadMs: number | null): string | null {
  if (platformAheadMs === null || Math.abs(platformAheadMs) <= PLATFORM_CLOCK_OFF_MS) return null;
  const way = platformAheadMs > 0 ? 'behind' : 'ahead of';
  return `the clock of its host is ${Math.round(Math.abs(platformAheadMs) / 1_000)} s ${way} the platform's`;
}

/** The state alone. */
export function stateOf(evidence: ConnectionEvidence, moment: ReadMoment): ConnectionStateName {
  const { lease } = evidence;
  return judge(evidence, moment, lease.owner !== null && lease.until > moment.now).state;
}

function currentBeat({ lease, heartbeat }: ConnectionEvidence): HeartbeatRecord | null {
  return heartbeat !== null && heartbeat.token === lease.token ? heartbeat : null;
}

function judge(evidence: ConnectionEvidence, moment: ReadMoment, held: boolean): Verdict {
  const { desired, wishes, parked, lease } = evidence;
  if (wishes.paused) {
    return { state: 'paused', since: wishes.pausedAt, reason: 'paused by the operator', nextAttemptAt: null };
  }
  if (!desired.enabled) {
    return {
      state: 'paused',
      since: null,
      reason: 'disabled in the configuration (enabled: false)',
      nextAttemptAt: null,
    };
  }
  const beat = currentBeat(evidence);
  const isProven = beat !== null && !isStale(beat, moment);
  const live = held && isProven && beat.heartbeat.state === 'live';
  if (parked !== null && !live) {
    return { state: 'parked', since: parked.since, reason: parked.reason, nextAttemptAt: parked.probeAt };
  }
  if (!held) return unowned(evidence, moment);
  if (beat === null) {
    const due = (lease.grantedAt ?? moment.now) + moment.staleAfterMs;
    return { state: 'connecting', since: lease.grantedAt, reason: 'just taken over', nextAttemptAt: due };
  }
  if (!isProven) return silent(beat, lease, moment);
  const { state, reason, stateAgeMs, dueInMs } = beat.heartbeat;
  return {
    state,
    since: beat.at - stateAgeMs,
    // Without a failure before it there is nothing to quote; why it is not live is still said.
    reason: state === 'live' ? null : (reason ?? 'first attempt of its holder'),
    nextAttemptAt: dueInMs === null ? null : beat.at + dueInMs,
  };
}

/** One from the future was written before Redis's clock was set back: a holder that lives will soon write another. */
function isStale({ at }: HeartbeatRecord, { now, staleAfterMs }: ReadMoment): boolean {
  return Math.abs(now - at) > staleAfterMs;
}

function silent({ at }: HeartbeatRecord, { owner, until }: LeaseRecord, { now }: ReadMoment): Verdict {
  const age = now - at;
  const reason =
    age < 0
      ? `its holder ${owner} has not been heard of since Redis's clock was set back`
      : `its holder ${owner} has been silent for ${age} ms; the lease ends in ${until - now} ms`;
  return { state: 'unowned', since: Math.min(at, now), reason, nextAttemptAt: age < 0 ? now : until };
}

function unowned({ lease, restart, unfit }: ConnectionEvidence, moment: ReadMoment): Verdict {
  const since = Math.max(lease.endedAt ?? 0, lease.owner === null ? 0 : lease.until) || null;
  const nextSweep = Math.max(moment.nextSweepAt ?? moment.now, moment.now);
  if (restart !== null && restart.notBefore > moment.now) {
    return {
      state: 'unowned',
      since,
      reason: `a defect ended it: ${restart.reason}`,
      nextAttemptAt: Math.max(restart.notBefore, nextSweep),
    };
  }
  const reason =
    unfit.length > 0
      ? `no worker can hold it: ${unfit.join('; ')}`
      : moment.nextSweepAt === null
        ? 'no scheduler has looked at it yet'
        : lease.owner !== null
          ? `the lease of ${lease.owner} ran out`
          : (lease.endedBecause ?? 'waiting for a worker');
  return { state: 'unowned', since, reason, nextAttemptAt: nextSweep };
}

function iso(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
