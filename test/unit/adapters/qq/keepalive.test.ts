import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Keepalive } from '../../../../src/adapters/qq/keepalive.ts';
import { ROUND_MS } from '../../../../src/async/coarse-timer.ts';

const INTERVAL_MS = 41_250;

function peer() {
  const said: string[] = [];
  const reading = { behind: false };
  return {
    said,
    reading,
    beats: () => said.filter((each) => each === 'beat').length,
    pings: () => said.filter((each) => each === 'ping').length,
    beat: () => void said.push('beat'),
    ping: () => void said.push('ping'),
    behind: () => reading.behind,
    dead: (reason: string) => void said.push(`dead: ${reason}`),
    choked: () => void said.push('choked'),
  };
}

function keepalive(random = 0.5) {
  const other = peer();
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  const options = { clock, pingEveryMs: 8_000, pongDeadlineMs: 4_000, random: () => random };
  return { other, alive: new Keepalive(other, options) };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('heartbeats', () => {
  it('begin at a random time within the interval and go on a little faster than asked for', () => {
    const { other, alive } = keepalive(0.5);
    alive.hello(INTERVAL_MS);
    vi.advanceTimersByTime(INTERVAL_MS / 2 - ROUND_MS - 1);
    expect(other.beats()).toBe(0);
    vi.advanceTimersByTime(ROUND_MS + 10);
    expect(other.beats()).toBe(1);
    alive.ack();
    vi.advanceTimersByTime(INTERVAL_MS * 0.8);
    expect(other.beats()).toBe(2);
    alive.stop();
  });

  it('that are acknowledged keep the socket for ever', () => {
    const { other, alive } = keepalive();
    alive.hello(INTERVAL_MS);
    for (let n = 0; n < 1000; n += 1) {
      vi.advanceTimersByTime(INTERVAL_MS / 4);
      alive.frame();
      alive.ack();
    }
    expect(other.said.filter((each) => each !== 'beat')).toEqual([]);
    expect(other.beats()).toBeGreaterThan(300);
    alive.stop();
  });

  it('without an ACK within one interval mean a dead socket, whatever else arrives', () => {
    const { other, alive } = keepalive(0);
    alive.hello(INTERVAL_MS);
    for (let n = 0; n < 60; n += 1) {
      vi.advanceTimersByTime(1_000);
      alive.frame();
    }
    expect(other.said.at(-1)).toBe('dead: no ACK for our heartbeat within 41250 ms: half-open socket');
  });

  it('go out at once when the platform asks', () => {
    const { other, alive } = keepalive();
    alive.hello(INTERVAL_MS);
    alive.beatNow();
    expect(other.beats()).toBe(1);
    alive.stop();
  });

  it('keep the deadline of the oldest beat without an ACK', () => {
    const { other, alive } = keepalive(0);
    alive.hello(INTERVAL_MS);
    vi.advanceTimersByTime(10);
    for (let n = 0; n < 5; n += 1) {
      vi.advanceTimersByTime(INTERVAL_MS / 5);
      alive.beatNow();
    }
    vi.advanceTimersByTime(100);
    expect(other.said.at(-1)).toMatch(/^dead/);
  });
});

describe('pings', () => {
  it('go out from the first moment on, at their interval', () => {
    const { other, alive } = keepalive();
    alive.opened();
    expect(other.pings()).toBe(1);
    vi.advanceTimersByTime(24_010);
    expect(other.pings()).toBe(4);
    alive.stop();
  });

  it('do not count before the first pong: nobody promised that the platform answers them', () => {
    const { other, alive } = keepalive();
    alive.opened();
    vi.advanceTimersByTime(60_000);
    expect(other.said.every((each) => each === 'ping')).toBe(true);
    alive.stop();
  });

  it('without a pong in time mean a dead socket, once one was answered', () => {
    const { other, alive } = keepalive();
    alive.opened();
    expect(alive.pong()).toBe(true);
    vi.advanceTimersByTime(8_000);
    expect(alive.pong()).toBe(false);
    vi.advanceTimersByTime(8_000 + 4_000 + 10);
    expect(other.said.at(-1)).toBe('dead: no pong within 4000 ms: half-open socket');
  });

  it('are listened for while frames that were read wait for their turn', () => {
    const { other, alive } = keepalive();
    alive.opened();
    alive.pong();
    other.reading.behind = true;
    vi.advanceTimersByTime(8_000 + 4_000 + 500);
    expect(other.said.every((each) => each === 'ping')).toBe(true);
    alive.pong();
    other.reading.behind = false;
    vi.advanceTimersByTime(2_000);
    expect(other.said.every((each) => each === 'ping')).toBe(true);
    alive.stop();
  });

  it('are spared while a long replay flows before the pong', () => {
    const { other, alive } = keepalive();
    alive.opened();
    alive.pong();
    for (let n = 0; n < 30; n += 1) {
      vi.advanceTimersByTime(1_000);
      alive.frame();
    }
    expect(other.said.every((each) => each === 'ping')).toBe(true);
    alive.stop();
  });
});

describe('while reading is paused', () => {
  it('missing pongs are no evidence, and heartbeats go on', () => {
    const { other, alive } = keepalive(0);
    alive.opened();
    alive.pong();
    alive.hello(INTERVAL_MS);
    alive.pause();
    vi.advanceTimersByTime(30_000);
    expect(other.said.filter((each) => each !== 'ping' && each !== 'beat')).toEqual([]);
    expect(other.beats()).toBe(1);
    alive.stop();
  });

  it('the ACK deadline ends the socket as choked, not as dead', () => {
    const { other, alive } = keepalive(0);
    alive.hello(INTERVAL_MS);
    alive.pause();
    vi.advanceTimersByTime(INTERVAL_MS + 10);
    expect(other.said.at(-1)).toBe('choked');
  });

  it('nothing is held against the peer afterwards', () => {
    const { other, alive } = keepalive(0);
    alive.opened();
    alive.pong();
    alive.hello(INTERVAL_MS);
    alive.pause();
    vi.advanceTimersByTime(INTERVAL_MS - 10);
    alive.resume();
    vi.advanceTimersByTime(3_000);
    alive.pong();
    alive.ack();
    vi.advanceTimersByTime(4_500);
    expect(other.said.filter((each) => each !== 'ping' && each !== 'beat')).toEqual([]);
    alive.stop();
  });
});

describe('its own end', () => {
  it('leaves no timer behind', () => {
    const { alive } = keepalive();
    alive.opened();
    alive.pong();
    alive.hello(INTERVAL_MS);
    alive.beatNow();
    alive.stop();
    alive.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is told once', () => {
    const { other, alive } = keepalive(0);
    alive.opened();
    alive.pong();
    alive.hello(10_000);
    vi.advanceTimersByTime(60_000);
    expect(other.said.filter((each) => each.startsWith('dead'))).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('after a stall of the whole process', () => {
  it('an ACK that waits in the socket buffer is read before the peer is judged', async () => {
    vi.useRealTimers();
    const { other, alive } = keepalive(0);
    alive.hello(40);
    while (other.beats() === 0) await turn();
    const until = performance.now() + 120;
    while (performance.now() < until);
    // What the kernel held for us is delivered in the turn after the expired timers.
    setImmediate(() => {
      alive.frame();
      alive.ack();
    });
    for (let n = 0; n < 5; n += 1) await turn();
    expect(other.said.filter((each) => each.startsWith('dead'))).toEqual([]);
    alive.stop();
  });

  it('a long backlog before the ACK is read to its end', async () => {
    vi.useRealTimers();
    const { other, alive } = keepalive(0);
    alive.hello(40);
    while (other.beats() === 0) await turn();
    const until = performance.now() + 60;
    while (performance.now() < until);
    let left = 200;
    const deliver = () => {
      alive.frame();
      left -= 1;
      if (left > 0) setImmediate(deliver);
      else alive.ack();
    };
    setImmediate(deliver);
    while (left > 0) await turn();
    for (let n = 0; n < 5; n += 1) await turn();
    expect(other.said.filter((each) => each.startsWith('dead'))).toEqual([]);
    alive.stop();
  });
});
