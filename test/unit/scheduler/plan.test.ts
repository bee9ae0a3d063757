import { describe, expect, it } from 'vitest';
import { type Action, BLIND, type Memory, NO_MEMORY, plan } from '../../../src/scheduler/plan.ts';
import type { LeaseRecord } from '../../../src/state/leases.ts';
import {
  beat,
  connection,
  FREE,
  HELD,
  ID,
  JOB_TOKEN,
  OWNER,
  observation,
  REDIS_NOW,
  TOKEN,
} from '../../support/observed.ts';

const timings = { leaseMs: 6_000, presenceGapMs: 300, probeEveryMs: 300_000 };
const ABSENT = { place: 'absent', lockToken: null, intact: true } as const;

function actionsFor(change: Parameters<typeof connection>[0], seen: Parameters<typeof observation>[1] = {}): Action[] {
  return [...plan(observation([connection(change)], seen), NO_MEMORY, 1_000_000, timings).actions];
}

describe('a connection that nobody holds', () => {
  it('gets a job when it has none (F01, F29: only a recorded wish keeps it down)', () => {
    expect(actionsFor({ lease: FREE, heartbeat: null, job: ABSENT })).toMatchObject([{ do: 'ensure-job', id: ID }]);
  });

  it('gets a new job when its job ended, whichever way it ended', () => {
    const job = { place: 'ended', lockToken: null, intact: true } as const;
    expect(actionsFor({ lease: FREE, heartbeat: null, job }).map((action) => action.do)).toEqual([
      'clear-job',
      'ensure-job',
    ]);
  });

  it('gets a new job when its job is a phantom without data', () => {
    const job = { place: 'waiting', lockToken: null, intact: false } as const;
    expect(actionsFor({ lease: FREE, heartbeat: null, job }).map((action) => action.do)).toEqual([
      'clear-job',
      'ensure-job',
    ]);
  });

  it('waits for the restart delay that a defect left in Redis, and no longer (F27)', () => {
    const change = { lease: FREE, heartbeat: null, job: ABSENT };
    expect(actionsFor({ ...change, restart: { notBefore: REDIS_NOW + 1, reason: 'a defect' } })).toEqual([]);
    expect(actionsFor({ ...change, restart: { notBefore: REDIS_NOW, reason: 'a defect' } })).toMatchObject([
      { do: 'ensure-job' },
    ]);
  });

  it('leaves a waiting or delayed job alone', () => {
    for (const place of ['waiting', 'delayed'] as const) {
      expect(actionsFor({ lease: FREE, heartbeat: null, job: { place, lockToken: null, intact: true } })).toEqual([]);
    }
  });

  it('loses its job when it is paused, disabled or gone', () => {
    const job = { place: 'waiting', lockToken: null, intact: true } as const;
    const idle = { lease: FREE, heartbeat: null, job };
    for (const change of [
      { ...idle, wishes: { paused: true, pausedAt: REDIS_NOW, restart: 0, placement: null } },
      { ...idle, desired: null },
    ]) {
      expect(actionsFor(change)).toMatchObject([{ do: 'clear-job' }]);
    }
  });
});

describe('a job that is active without a lease behind it', () => {
  it('is taken back from a holder whose lease ended a while ago, without its cooperation (F28)', () => {
    expect(actionsFor({ lease: FREE, heartbeat: null })).toMatchObject([
      { do: 'take-job-back', id: ID, lockToken: JOB_TOKEN },
    ]);
  });

  it('is left to a holder that is just settling', () => {
    expect(actionsFor({ lease: { ...FREE, endedAt: REDIS_NOW - 100 }, heartbeat: null })).toEqual([]);
  });

  it('is taken back at once when its lease ran out: nobody is left to settle it (F22)', () => {
    const ranOut = { ...HELD, until: REDIS_NOW - 1 };
    expect(actionsFor({ lease: ranOut, heartbeat: null })).toMatchObject([{ do: 'take-job-back', id: ID }]);
  });

  it('is taken back from a fetcher that never claimed, after a few seconds', () => {
    const job = { place: 'active', lockToken: 'host-b/9.bbb-4', intact: true } as const;
    const seen = observation([connection({ lease: FREE, heartbeat: null, job })]);
    const first = plan(seen, NO_MEMORY, 0, timings);
    expect(first.actions).toEqual([]);
    const second = plan(seen, first.memory, 2_999, timings);
    expect(second.actions).toEqual([]);
    expect(plan(seen, second.memory, 3_000, timings).actions).toMatchObject([
      { do: 'take-job-back', because: 'host-b/9 has its job but no lease' },
    ]);
  });

  it('is put back when nobody has had its lock for a second of our own clock (H7)', () => {
    const job = { place: 'active', lockToken: null, intact: true } as const;
    const look = (memory: Memory, now: number) =>
      plan(observation([connection({ lease: FREE, heartbeat: null, job })]), memory, now, timings);
    const first = look(NO_MEMORY, 0);
    const second = look(first.memory, 999);
    expect([...first.actions, ...second.actions]).toEqual([]);
    expect(look(second.memory, 1_000).actions).toMatchObject([{ do: 'take-job-back', id: ID, lockToken: null }]);
  });
});

describe('a lease that stands far in the future', () => {
  const look = (lease: LeaseRecord, memory: Memory, now: number) =>
    plan(observation([connection({ lease, heartbeat: null })]), memory, now, timings);
  const until = REDIS_NOW + 3_600_000;
  const granted = { ...HELD, until, grantedAt: until - timings.leaseMs };

  it('ends when it was not renewed for its length by our own clock: Redis was set back (H7)', () => {
    const first = look(granted, NO_MEMORY, 0);
    expect(look(granted, first.memory, 6_000).actions).toEqual([]);
    const [action] = look(granted, first.memory, 6_001).actions;
    expect(action).toMatchObject({ do: 'declare-dead', token: TOKEN, processGone: false, lockToken: JOB_TOKEN });
  });

  it('stands while it is renewed, and as long as its own holder gave it', () => {
    const first = look(granted, NO_MEMORY, 0);
    const renewed = { ...granted, until: until + 1 };
    expect(look(renewed, first.memory, 6_001).actions).toEqual([]);
    const longer = { ...granted, grantedAt: until - 60_000 };
    expect(look(longer, look(longer, NO_MEMORY, 0).memory, 59_999).actions).toEqual([]);
  });
});

describe('the next look', () => {
  const endsIn = (...leases: readonly LeaseRecord[]) =>
    plan(observation(leases.map((lease) => connection({ lease }))), NO_MEMORY, 0, timings).leaseEndsInMs;

  it('is worth having when the first of the standing leases may run out', () => {
    const sooner = { ...HELD, until: REDIS_NOW + 700 };
    const over = { ...HELD, until: REDIS_NOW - 700 };
    expect(endsIn(HELD, sooner, over, FREE)).toBe(700);
  });

  it('is the regular one while no lease stands', () => {
    expect(endsIn()).toBeNull();
    expect(endsIn(FREE, { ...HELD, until: REDIS_NOW })).toBeNull();
  });
});

describe('a holder whose presence vanished', () => {
  const gone = { absent: new Map([[`${OWNER}#aaa`, { disconnected: true, renewEveryMs: 1_500 }]]) };

  it('is declared dead at the second look, with its token and the job it locked', () => {
    const seen = observation([connection()], gone);
    const first = plan(seen, NO_MEMORY, 1_000_000, timings);
    expect(first.actions).toEqual([]);
    expect(plan(seen, first.memory, 1_000_299, timings).actions).toEqual([]);
    expect(plan(seen, first.memory, 1_000_300, timings).actions).toMatchObject([
      { do: 'declare-dead', id: ID, token: TOKEN, owner: OWNER, lockToken: JOB_TOKEN },
    ]);
  });

  it('is declared dead only after missed renewals where Redis does not say which processes are connected (G01, M7)', () => {
    const unheard = { absent: new Map([[`${OWNER}#aaa`, { disconnected: false, renewEveryMs: 1_500 }]]) };
    const seen = observation([connection()], unheard);
    const first = plan(seen, NO_MEMORY, 1_000_000, timings);
    const looks = [300, 1_499, 2_999].map((ms) => plan(seen, first.memory, 1_000_000 + ms, timings).actions);
    expect(looks).toEqual([[], [], []]);
    expect(plan(seen, first.memory, 1_003_000, timings).actions).toMatchObject([{ do: 'declare-dead', id: ID }]);
  });

  it('is left alone when it renewed its lease between the looks', () => {
    const first = plan(observation([connection()], gone), NO_MEMORY, 1_000_000, timings);
    const renewed = connection({ lease: { ...HELD, until: HELD.until + 1_500 } });
    expect(plan(observation([renewed], gone), first.memory, 1_001_000, timings).actions).toEqual([]);
  });

  it('is not judged by presence for one lease after Redis restarted', () => {
    const restarted = { ...gone, runId: 'run-2', uptimeMs: 100 };
    const first = plan(observation([connection()], restarted), NO_MEMORY, 0, timings);
    expect(plan(observation([connection()], restarted), first.memory, 1_000, timings).actions).toEqual([]);
    expect(plan(observation([connection()], restarted), first.memory, 6_000, timings).actions).toHaveLength(1);
  });

  it('is not judged by presence for one lease after this scheduler was blind', () => {
    const first = plan(observation([connection()], gone), BLIND, 500_000, timings);
    expect(plan(observation([connection()], gone), first.memory, 505_999, timings).actions).toEqual([]);
    expect(plan(observation([connection()], gone), first.memory, 506_000, timings).actions).toHaveLength(1);
  });
});

describe('a holder that renews', () => {
  it('is left alone while it makes round trips, however quiet its users are (F07)', () => {
    const heartbeat = { token: TOKEN, at: REDIS_NOW, heartbeat: beat({ frameAgeMs: 86_400_000 }) };
    expect(actionsFor({ heartbeat })).toEqual([]);
  });

  it('is fenced when it completes no round trip within twice its own bound', () => {
    const wedged = (age: number) => ({ token: TOKEN, at: REDIS_NOW, heartbeat: beat({ roundTripAgeMs: age }) });
    expect(actionsFor({ heartbeat: wedged(24_000) })).toEqual([]);
    expect(actionsFor({ heartbeat: wedged(24_001) })).toMatchObject([
      { do: 'declare-dead', because: 'wedged: no round trip for 24001 ms (bound 24000 ms)' },
    ]);
  });

  it('is fenced when an attempt overran its own deadline by a minute (F27)', () => {
    const stuck = (dueInMs: number) => ({
      token: TOKEN,
      at: REDIS_NOW,
      heartbeat: beat({ state: 'connecting', dueInMs, roundTripAgeMs: null }),
    });
    expect(actionsFor({ heartbeat: stuck(-60_000) })).toEqual([]);
    expect(actionsFor({ heartbeat: stuck(-60_001) })).toMatchObject([{ do: 'declare-dead' }]);
  });
});

describe('a parked connection', () => {
  const parked = {
    reason: 'secret refused',
    code: 'X',
    since: REDIS_NOW - 1,
    probeAt: REDIS_NOW + 1_000,
    fingerprint: 'f1',
  };
  const idle = { lease: FREE, heartbeat: null, job: ABSENT };

  it('rests until its probe is due, then gets one job and a later probe (F35)', () => {
    expect(actionsFor({ ...idle, parked })).toEqual([]);
    expect(actionsFor({ ...idle, parked: { ...parked, probeAt: REDIS_NOW } })).toEqual([
      { do: 'probe', id: ID, probeAt: REDIS_NOW + 300_000 },
    ]);
  });

  it('is tried at once when its configuration or credential changed', () => {
    const actions = actionsFor({ ...idle, parked: { ...parked, fingerprint: 'old' } });
    expect(actions.map((action) => action.do)).toEqual(['unpark', 'ensure-job']);
  });

  it('is no longer parked once it is live', () => {
    expect(actionsFor({ parked })).toMatchObject([{ do: 'unpark' }]);
  });
});
