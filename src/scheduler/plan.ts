/**
 * Decides, purely, what a sweep must do. Every action is safe to repeat and to race, so any number of schedulers may
 * plan from the same observation. Nothing is remembered that could not be lost: the memory holds only what *we* saw
 * change, on our own clock, and a fresh scheduler merely takes one look longer.
 */
import type { ConnectionId, FencingToken } from '../model.ts';
import { workerOfJobToken } from '../state/connection-jobs.ts';
import { UNLOCKED_MS } from './abandoned-jobs.ts';
import { wedgedBecause } from './liveness.ts';
import type { Absence, Observation, ObservedConnection } from './observe.ts';
import { presenceName } from './observe.ts';

export type Action =
  | { readonly do: 'ensure-job'; readonly id: ConnectionId; readonly because: string }
  /** Remove a job that ended, lost its data or is not wanted; while it is locked nothing happens. */
  | { readonly do: 'clear-job'; readonly id: ConnectionId; readonly because: string }
  /** `lockToken`: whose lock the job has; `null`: nobody's. */
  | {
      readonly do: 'take-job-back';
      readonly id: ConnectionId;
      readonly lockToken: string | null;
      readonly because: string;
    }
  | {
      readonly do: 'declare-dead';
      readonly id: ConnectionId;
      readonly token: FencingToken;
      readonly owner: string;
      readonly incarnation: string | null;
      /** True when the whole process is gone, not only this connection stuck. */
      readonly processGone: boolean;
      /** The job's lock, when the same holder has it: moved in the same sweep. */
      readonly lockToken: string | null;
      readonly because: string;
    }
  | { readonly do: 'unpark'; readonly id: ConnectionId; readonly because: string }
  /** Try a parked connection once; `probeAt` (Redis ms) is when the next try may be. */
  | { readonly do: 'probe'; readonly id: ConnectionId; readonly probeAt: number };

export interface PlanTimings {
  readonly leaseMs: number;
  /** Between the two looks that presence needs, ms. */
  readonly presenceGapMs: number;
  readonly probeEveryMs: number;
}

export interface Memory {
  /** When this Redis (by run id) was first seen without a break, our monotonic ms. */
  readonly redis: { readonly runId: string; readonly since: number } | null;
  /** Holders seen absent: since when, and the lease they had then. */
  readonly suspects: ReadonlyMap<ConnectionId, { readonly since: number; readonly leaseUntil: number }>;
  /** Active jobs without a lease behind them, by who has their lock: since when. */
  readonly orphans: ReadonlyMap<ConnectionId, { readonly since: number; readonly lockToken: string | null }>;
  /** When each lease was first seen to stand until the instant it stands until now. */
  readonly renewals: ReadonlyMap<ConnectionId, { readonly since: number; readonly until: number }>;
}

export const NO_MEMORY: Memory = { redis: null, suspects: new Map(), orphans: new Map(), renewals: new Map() };

/** After a sweep that failed: whatever was absent before may have come and gone unseen. */
export const BLIND: Memory = { ...NO_MEMORY, redis: { runId: '', since: 0 } };

/** A job was fetched but no lease claimed: after this long its fetcher is taken to be gone, ms. */
const ORPHAN_LOCK_MS = 3_000;
/**
 * A tenure just ended moves its own job within moments; only after this do we, ms. A lease that ran out was ended by
 * nobody: its holder is gone or cut off, and nothing is to be waited for.
 */
const SETTLING_MS = 500;

export interface Plan {
  readonly actions: readonly Action[];
  readonly memory: Memory;
  /** Until the first of the leases that stand now runs out, unless it is renewed, ms; `null`: none stands. */
  readonly leaseEndsInMs: number | null;
}

/** @param now - our monotonic clock, ms */
export function plan(seen: Observation, memory: Memory, now: number, timings: PlanTimings): Plan {
  const redis = redisSince(seen, memory, now);
  // After a restart of Redis every live worker is absent for a moment.
  const presenceCounts = now - redis.since >= timings.leaseMs;
  const suspects = new Map<ConnectionId, { since: number; leaseUntil: number }>();
  const orphans = new Map<ConnectionId, { since: number; lockToken: string | null }>();
  const renewals = new Map<ConnectionId, { since: number; until: number }>();
  const actions: Action[] = [];

  for (const connection of seen.connections) {
    const { id, lease, job } = connection;
    const held = isHeld(connection, seen.redisNow);

    const absence = held ? seen.absent.get(presenceName(lease.owner ?? '', lease.incarnation)) : undefined;
    if (absence !== undefined) {
      const known = memory.suspects.get(id);
      const same = known !== undefined && known.leaseUntil === lease.until;
      suspects.set(id, same ? known : { since: now, leaseUntil: lease.until });
    }
    if (!held && job.place === 'active') {
      const known = memory.orphans.get(id);
      const same = known !== undefined && known.lockToken === job.lockToken;
      orphans.set(id, same ? known : { since: now, lockToken: job.lockToken });
    }
    if (held) {
      const known = memory.renewals.get(id);
      renewals.set(id, known?.until === lease.until ? known : { since: now, until: lease.until });
    }

    const forMs = (at: { readonly since: number } | undefined) => now - (at?.since ?? now);
    const gone = presenceCounts && isGone(absence, forMs(suspects.get(id)), timings);
    actions.push(
      ...(held
        ? judgeHolder(connection, seen.redisNow, { isGone: gone, unrenewedMs: forMs(renewals.get(id)) }, timings)
        : placeJob(connection, seen.redisNow, forMs(orphans.get(id)), timings)),
    );
  }
  return { actions, memory: { redis, suspects, orphans, renewals }, leaseEndsInMs: firstLeaseEnd(seen) };
}

/**
 * Absence alone fences nobody who renews. Where Redis says that a process has no connection left, two looks without a
 * renewal in between suffice; where it does not, two renewals must have been missed.
 */
function isGone(absence: Absence | undefined, suspectFor: number, { presenceGapMs }: PlanTimings): boolean {
  if (absence === undefined) return false;
  return suspectFor >= (absence.disconnected ? presenceGapMs : Math.max(presenceGapMs, 2 * absence.renewEveryMs));
}

/** A scheduler that just started trusts Redis's own uptime; one that went blind, or saw another run id, counts anew. */
function redisSince(seen: Observation, memory: Memory, now: number): { runId: string; since: number } {
  if (memory.redis === null) return { runId: seen.runId, since: now - seen.uptimeMs };
  return memory.redis.runId === seen.runId ? memory.redis : { runId: seen.runId, since: now };
}

function firstLeaseEnd({ connections, redisNow }: Observation): number | null {
  const ends = connections.flatMap((one) => (isHeld(one, redisNow) ? [one.lease.until - redisNow] : []));
  return ends.length === 0 ? null : ends.reduce((first, end) => Math.min(first, end));
}

function isHeld({ lease }: ObservedConnection, redisNow: number): boolean {
  return lease.owner !== null && lease.until > redisNow;
}

interface Watched {
  /** The whole process, as far as its presence tells. */
  readonly isGone: boolean;
  /** How long its lease was not renewed, by our clock. */
  readonly unrenewedMs: number;
}

/** Somebody holds it: is that somebody alive, and does it make progress? */
function judgeHolder(
  connection: ObservedConnection,
  redisNow: number,
  { isGone, unrenewedMs }: Watched,
  { leaseMs }: PlanTimings,
): Action[] {
  const { id, lease, heartbeat, parked, job } = connection;
  if (lease.token === null || lease.owner === null) return [];
  const mine = heartbeat !== null && heartbeat.token === lease.token ? heartbeat : null;
  // An hour set back, and a lease that nobody renews would stand for an hour more.
  const ranOut = unrenewedMs > lengthOf(connection, leaseMs);
  const because = isGone
    ? 'its connections to Redis are gone: the process died'
    : ranOut
      ? `its lease was not renewed for ${Math.round(unrenewedMs)} ms, and stands only because Redis's clock was set back`
      : mine === null
        ? null
        : wedgedBecause(mine.heartbeat, redisNow - mine.at);
  if (because !== null) {
    const lockToken = job.place === 'active' && job.lockToken === lease.jobToken ? job.lockToken : null;
    const { token, owner, incarnation } = lease;
    return [{ do: 'declare-dead', id, token, owner, incarnation, processGone: isGone, lockToken, because }];
  }
  if (parked !== null && mine?.heartbeat.state === 'live') return [{ do: 'unpark', id, because: 'it is live again' }];
  return [];
}

/** What the holder's lease lasts from one renewal on, ms, by the two instants that one step wrote. */
function lengthOf({ lease, heartbeat }: ObservedConnection, leaseMs: number): number {
  const renewedAt = heartbeat !== null && heartbeat.token === lease.token ? heartbeat.at : lease.grantedAt;
  return Math.max(leaseMs, renewedAt === null ? 0 : lease.until - renewedAt);
}

/** Nobody holds it: should its job exist, and where is it? */
function placeJob(connection: ObservedConnection, redisNow: number, orphanFor: number, timings: PlanTimings): Action[] {
  const { id, desired, wishes, parked, job, lease } = connection;
  if (desired === null || !desired.enabled || wishes.paused) {
    return job.place === 'absent' || job.place === 'active'
      ? []
      : [{ do: 'clear-job', id, because: 'the connection should not run' }];
  }
  if (parked !== null) {
    if (parked.fingerprint !== desired.fingerprint) {
      return [{ do: 'unpark', id, because: 'its configuration or credential changed' }, ensure(id, 'unparked')];
    }
    if (job.place === 'ended') return [{ do: 'clear-job', id, because: 'the connection is parked' }];
    return job.place === 'absent' && redisNow >= parked.probeAt
      ? [{ do: 'probe', id, probeAt: redisNow + timings.probeEveryMs }]
      : [];
  }
  switch (job.place) {
    case 'absent':
      return mustWait(connection, redisNow) ? [] : [ensure(id, 'it should run and has no job')];
    case 'ended':
      return mustWait(connection, redisNow)
        ? []
        : [{ do: 'clear-job', id, because: 'its job ended' }, ensure(id, 'its job ended')];
    case 'waiting':
    case 'delayed':
      return job.intact
        ? []
        : [{ do: 'clear-job', id, because: 'its job lost its data' }, ensure(id, 'its job lost its data')];
    case 'active': {
      if (job.lockToken === null) {
        const because = 'it is active, and nobody has its lock';
        return orphanFor < UNLOCKED_MS ? [] : [{ do: 'take-job-back', id, lockToken: null, because }];
      }
      const settlingMs = lease.owner === null ? SETTLING_MS : 0;
      const ended =
        job.lockToken === lease.jobToken && redisNow - Math.max(lease.until, lease.endedAt ?? 0) > settlingMs;
      if (!ended && orphanFor < ORPHAN_LOCK_MS) return [];
      const who = workerOfJobToken(job.lockToken)?.worker ?? 'an unknown worker';
      return [{ do: 'take-job-back', id, lockToken: job.lockToken, because: `${who} has its job but no lease` }];
    }
    default:
      return job.place satisfies never;
  }
}

/** A connection that ended by a defect is not started again at once. */
function mustWait({ restart }: ObservedConnection, redisNow: number): boolean {
  return restart !== null && redisNow < restart.notBefore;
}

function ensure(id: ConnectionId, because: string): Action {
  return { do: 'ensure-job', id, because };
}
