import { describe, expect, it } from 'vitest';
import { type ConnectionEvidence, deriveConnection } from '../../../src/status/derive.ts';
import { beat, connection, FREE, OWNER, REDIS_NOW, TOKEN } from '../../support/observed.ts';

const moment = { now: REDIS_NOW, nextSweepAt: REDIS_NOW + 700, staleAfterMs: 3_500 };

function evidence(change: Partial<ConnectionEvidence> = {}): ConnectionEvidence {
  const { desired, wishes, parked, lease, heartbeat } = connection();
  if (desired === null) throw new Error('the sample has a desired record');
  return { desired, wishes, parked, lease, heartbeat, restart: null, unfit: [], counters: {}, ...change };
}

const iso = (at: number) => new Date(at).toISOString();

describe('status', () => {
  it('is live only with fresh evidence, and shows its age', () => {
    expect(deriveConnection(evidence(), moment)).toMatchObject({
      state: 'live',
      owner: OWNER,
      fencingToken: TOKEN,
      lastRoundTripAgeMs: 1_500,
      reason: null,
      nextAttemptAt: null,
    });
  });

  it('is not live when the heartbeat is stale, although the lease still stands (F05)', () => {
    const stale = { token: TOKEN, at: REDIS_NOW - 3_501, heartbeat: beat() };
    const status = deriveConnection(evidence({ heartbeat: stale }), moment);
    expect(status.state).toBe('unowned');
    expect(status.reason).toContain('silent for 3501 ms');
  });

  it('does not take the heartbeat of an earlier holder for its own', () => {
    const former = { token: TOKEN - 1, at: REDIS_NOW, heartbeat: beat() };
    expect(deriveConnection(evidence({ heartbeat: former }), moment).state).toBe('connecting');
  });

  it('shows the next attempt and why the last one failed', () => {
    const waiting = beat({ state: 'waiting', reason: 'ECONNREFUSED', dueInMs: 2_000, attempt: 7, stateAgeMs: 100 });
    const status = deriveConnection(
      evidence({ heartbeat: { token: TOKEN, at: REDIS_NOW - 500, heartbeat: waiting } }),
      moment,
    );
    expect(status).toMatchObject({
      state: 'waiting',
      reason: 'ECONNREFUSED',
      attempt: 7,
      nextAttemptAt: iso(REDIS_NOW + 1_500),
      since: iso(REDIS_NOW - 600),
    });
  });

  it('is unowned with the next sweep as next attempt when nobody holds it', () => {
    expect(deriveConnection(evidence({ lease: FREE, heartbeat: null }), moment)).toMatchObject({
      state: 'unowned',
      owner: null,
      fencingToken: null,
      nextAttemptAt: iso(REDIS_NOW + 700),
      reason: 'drained',
    });
  });

  it('names the workers that cannot hold it', () => {
    const status = deriveConnection(evidence({ lease: FREE, heartbeat: null, unfit: ['b/1: no credentials'] }), moment);
    expect(status.reason).toBe('no worker can hold it: b/1: no credentials');
  });

  it('is unowned with the delayed restart as next attempt after a defect', () => {
    const restart = { notBefore: REDIS_NOW + 9_000, reason: 'boom' };
    expect(deriveConnection(evidence({ lease: FREE, heartbeat: null, restart }), moment)).toMatchObject({
      state: 'unowned',
      reason: 'a defect ended it: boom',
      nextAttemptAt: iso(REDIS_NOW + 9_000),
    });
  });

  it('stays parked, with the reason, while a probe runs and until it is live', () => {
    const parked = {
      reason: 'secret refused',
      code: 'X',
      since: REDIS_NOW - 50,
      probeAt: REDIS_NOW + 9,
      fingerprint: '',
    };
    const probing = { token: TOKEN, at: REDIS_NOW, heartbeat: beat({ state: 'connecting', dueInMs: 100 }) };
    expect(deriveConnection(evidence({ parked, heartbeat: probing }), moment)).toMatchObject({
      state: 'parked',
      reason: 'secret refused',
      nextAttemptAt: iso(REDIS_NOW + 9),
    });
    expect(deriveConnection(evidence({ parked }), moment).state).toBe('live');
  });

  it('is paused by the wish alone, whatever else is true', () => {
    const wishes = { paused: true, pausedAt: REDIS_NOW - 1, restart: 0, placement: null };
    expect(deriveConnection(evidence({ wishes }), moment)).toMatchObject({
      state: 'paused',
      since: iso(REDIS_NOW - 1),
    });
  });
});
