import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffDelay, MIN_DELAY_MS } from '../../../src/async/backoff.ts';
import { createAttemptGate } from '../../../src/workers/attempt-gate.ts';
import { createAttemptPace } from '../../../src/workers/attempt-pace.ts';
import { HealthRecorder } from '../../../src/workers/health-recorder.ts';

const backoff = { baseMs: 500, capMs: 15_000, factor: 1.3 };

describe('backoff', () => {
  it('never exceeds the cap and never is free of delay, after any number of attempts (F02, F08)', () => {
    fc.assert(
      fc.property(
        fc.nat(1_000_000),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempt, random) => {
          const delay = backoffDelay(backoff, attempt, random);
          return delay >= MIN_DELAY_MS && delay <= backoff.capMs;
        },
      ),
    );
  });
});

describe('the attempt gate', () => {
  /** A clock that only moves when told; delays are read from what the heartbeat announces. */
  function gateWith(random: number, healthyAfterMs = 10_000) {
    let now = 0;
    const clock = { now: () => now, monotonic: () => now };
    const health = new HealthRecorder(clock, 1, () => undefined);
    const gate = createAttemptGate({
      backoff,
      healthyAfterMs,
      attemptDeadlineMs: 5_000,
      clock,
      health,
      pace: createAttemptPace(),
      random: () => random,
    });
    const announcedDelay = async (minDelayMs?: number): Promise<number> => {
      const giveUp = new AbortController();
      const passing = gate.pass({ reason: 'refused', ...(minDelayMs === undefined ? {} : { minDelayMs }) }, giveUp);
      const { state } = health;
      giveUp.abort(new Error('the test has seen the delay'));
      await expect(passing).rejects.toThrow('the test has seen the delay');
      return state.name === 'waiting' ? state.nextAttemptAt - now : 0;
    };
    return { gate, announcedDelay, advance: (ms: number) => (now += ms) };
  }
  const unhurried = { signal: new AbortController().signal };

  it('lets the first attempt of a hold pass at once', async () => {
    expect(await gateWith(0.99).gate.pass(null, unhurried)).toBe(0);
  });

  it('waits longer with each attempt, up to the cap, and never gives up', async () => {
    const { gate, announcedDelay } = gateWith(0.999);
    await gate.pass(null, unhurried);
    const delays: number[] = [];
    for (let n = 0; n < 100; n += 1) delays.push(await announcedDelay());
    expect(delays[0]).toBeLessThan(651);
    expect(delays[3]).toBeGreaterThan(delays[0] ?? 0);
    expect(delays[99]).toBe(Math.floor(0.999 * 15_000));
  });

  it('counts the delay from the start of the attempt, so that a dial that hung is not punished twice', async () => {
    const { gate, announcedDelay, advance } = gateWith(0.999);
    await gate.pass(null, unhurried);
    advance(600);
    expect(await announcedDelay()).toBe(MIN_DELAY_MS);
  });

  it('keeps the least wait that the platform asked for, beyond the cap too', async () => {
    const { gate, announcedDelay } = gateWith(0);
    await gate.pass(null, unhurried);
    expect(await announcedDelay(60_000)).toBe(60_000);
  });

  it('grows while the platform accepts and closes at once, and starts over after a proof that held (F02)', async () => {
    const { gate, announcedDelay, advance } = gateWith(0.999);
    await gate.pass(null, unhurried);
    const delays: number[] = [];
    for (let n = 0; n < 20; n += 1) {
      gate.proven();
      advance(1_000);
      delays.push(await announcedDelay());
    }
    expect(delays[3]).toBeGreaterThan(delays[0] ?? 0);
    expect(delays[19]).toBe(Math.floor(0.999 * 15_000));
    gate.proven();
    advance(10_000);
    expect(await announcedDelay()).toBeLessThan(501);
  });

  it('does not carry the delays of a long outage into a short one soon after', async () => {
    const { gate, announcedDelay, advance } = gateWith(0.999);
    await gate.pass(null, unhurried);
    for (let n = 0; n < 50; n += 1) await announcedDelay();
    gate.proven();
    advance(2_000);
    expect(await announcedDelay()).toBeLessThan(1_000);
  });
});
