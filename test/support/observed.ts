/** Builds observations for tests of the pure parts: a healthy connection, changed where the test says. */
import type { ConnectionId, FencingToken } from '../../src/model.ts';
import type { Observation, ObservedConnection } from '../../src/scheduler/observe.ts';
import type { Heartbeat } from '../../src/state/heartbeats.ts';
import type { LeaseRecord } from '../../src/state/leases.ts';

export const REDIS_NOW = 1_800_000_000_000;
export const ID = 'qq-main' as ConnectionId;
export const TOKEN = (REDIS_NOW - 60_000) as FencingToken;
export const OWNER = 'host-a/11';
export const JOB_TOKEN = 'host-a/11.aaa-1';

export const HELD: LeaseRecord = {
  token: TOKEN,
  owner: OWNER,
  incarnation: 'aaa',
  jobToken: JOB_TOKEN,
  until: REDIS_NOW + 5_000,
  grantedAt: REDIS_NOW - 60_000,
  endedAt: null,
  endedBecause: null,
};

export const FREE: LeaseRecord = {
  ...HELD,
  owner: null,
  until: 0,
  endedAt: REDIS_NOW - 10_000,
  endedBecause: 'drained',
};

export function beat(change: Partial<Heartbeat> = {}): Heartbeat {
  return {
    state: 'live',
    reason: null,
    stateAgeMs: 50_000,
    dueInMs: null,
    attempt: 0,
    roundTripAgeMs: 1_000,
    frameAgeMs: 1_000,
    route: 'direct',
    remark: null,
    maxSilenceMs: 12_000,
    ...change,
  };
}

export function connection(change: Partial<ObservedConnection> = {}): ObservedConnection {
  return {
    id: ID,
    desired: {
      id: ID,
      platform: 'qq',
      enabled: true,
      options: {},
      lateReply: 'active',
      fingerprint: 'f1',
      source: 'config',
    },
    wishes: { paused: false, pausedAt: null, restart: 0, placement: null },
    parked: null,
    lease: HELD,
    heartbeat: { token: TOKEN, at: REDIS_NOW - 500, heartbeat: beat() },
    restart: null,
    job: { place: 'active', lockToken: JOB_TOKEN, intact: true },
    ...change,
  };
}

export function observation(
  connections: readonly ObservedConnection[],
  change: Partial<Observation> = {},
): Observation {
  return {
    redisNow: REDIS_NOW,
    runId: 'run-1',
    uptimeMs: 3_600_000,
    connections,
    absent: new Map(),
    ...change,
  };
}
