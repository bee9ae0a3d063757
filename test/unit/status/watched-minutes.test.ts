import { describe, expect, it } from 'vitest';
import type { ConnectionId } from '../../../src/model.ts';
import type { StoredEvidence } from '../../../src/state/evidence.ts';
import { STATE_BITS } from '../../../src/status/timeline-state.ts';
import { WatchedMinutes } from '../../../src/status/watched-minutes.ts';

const STALE_MS = 3_500;
const MINUTE = 29_400_000;
const START = MINUTE * 60_000;

function evidence(now: number, state: 'live' | 'waiting' | 'gone' | 'paused', events = 0): StoredEvidence {
  const id = 'conn-a' as ConnectionId;
  const beat = { state: state === 'live' ? 'live' : 'waiting', reason: null, stateAgeMs: 0, dueInMs: 100, attempt: 1 };
  const body = { ...beat, roundTripAgeMs: 1, frameAgeMs: 1, route: null, remark: null, maxSilenceMs: 60_000 } as const;
  return {
    id,
    desired: { id, platform: 'qq', enabled: true, options: {}, lateReply: 'drop', fingerprint: 'f', source: 'config' },
    wishes: { paused: state === 'paused', pausedAt: null, restart: 0, placement: null },
    parked: null,
    lease: {
      token: 1 as never,
      owner: state === 'gone' ? null : 'a/1',
      incarnation: 'i',
      jobToken: 'j',
      until: now + 5_000,
      grantedAt: START,
      endedAt: null,
      endedBecause: null,
    },
    heartbeat: { token: 1, at: now, heartbeat: body as never },
    restart: null,
    counters: { events: String(events) },
  };
}

function watching() {
  const watched = new WatchedMinutes(STALE_MS);
  return {
    watched,
    see(seconds: number, state: Parameters<typeof evidence>[1], events = 0) {
      const now = START + seconds * 1_000;
      watched.look(now, [evidence(now, state, events)]);
      return watched.take(now).map(({ minute, states, events }) => [minute - MINUTE, states, events]);
    },
  };
}

describe('what sweeps see', () => {
  it('is written when it is new, at most every 15 s, and once more when the minute is over', () => {
    const { see } = watching();
    expect(see(0, 'live', 5)).toEqual([[0, STATE_BITS.live, 5]]);
    expect(see(1, 'live', 6)).toEqual([]);
    expect(see(2, 'waiting', 6)).toEqual([]);
    expect(see(3, 'live', 7)).toEqual([]);
    expect(see(16, 'live', 7)).toEqual([[0, STATE_BITS.live | STATE_BITS.down, 7]]);
    expect(see(40, 'live', 9)).toEqual([]);
    expect(see(60, 'live', 10)).toEqual([
      [0, STATE_BITS.live | STATE_BITS.down, 9],
      [1, STATE_BITS.live, 10],
    ]);
  });

  it('costs one note per minute while nothing changes', () => {
    const { see } = watching();
    const notes = Array.from({ length: 180 }, (_, n) => see(n, 'live', 3)).flat();
    expect(notes).toEqual([0, 1, 2].map((minute) => [minute, STATE_BITS.live, 3]));
  });

  it('is judged as status judges: a wish counts, and so does a holder that is gone', () => {
    expect(watching().see(0, 'paused')).toEqual([[0, STATE_BITS.paused, 0]]);
    expect(watching().see(0, 'gone')).toEqual([[0, STATE_BITS.down, 0]]);
  });

  it('has nothing of minutes in which no sweep came', () => {
    const { see } = watching();
    see(0, 'live');
    expect(see(200, 'live').map(([minute]) => minute)).toEqual([3]);
  });

  it('is written whole before the scheduler ends', () => {
    const { watched, see } = watching();
    see(0, 'live', 1);
    see(1, 'live', 4);
    expect(watched.takeAll()).toMatchObject([{ minute: MINUTE, states: STATE_BITS.live, events: 4 }]);
    expect(watched.takeAll()).toEqual([]);
  });

  it('forgets what is no longer desired', () => {
    const { watched } = watching();
    watched.look(START, [{ ...evidence(START, 'live'), desired: null }]);
    expect(watched.takeAll()).toEqual([]);
  });
});
