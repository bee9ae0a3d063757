import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createAttemptGate } from '../../../src/workers/attempt-gate.ts';
import { type AttemptPace, createAttemptPace } from '../../../src/workers/attempt-pace.ts';
import { HealthRecorder } from '../../../src/workers/health-recorder.ts';

const AT_ONCE = 50;
const PLACE_MS = 2_000;

describe('the pace of a process with many connections', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const patience = () => new AbortController().signal;
  /** Enters, and notes who got a place when. */
  function crowd(pace: AttemptPace) {
    const inside: { readonly name: string; leave(): void }[] = [];
    const enter = (name: string, failures = 0, signal: AbortSignal = patience()) =>
      pace.enter({ failures, signal }).then((leave) => inside.push({ name, leave }));
    const fill = () => Promise.all(Array.from({ length: AT_ONCE - inside.length }, (_, n) => enter(`first ${n}`)));
    return { inside, enter, fill, names: () => inside.slice(AT_ONCE).map(({ name }) => name) };
  }
  const settle = () => vi.advanceTimersByTimeAsync(0);

  it('lets so many begin at once, and the next when one of them is proven or over', async () => {
    const { inside, enter, fill, names } = crowd(createAttemptPace());
    await fill();
    void enter('late');
    await settle();
    expect(names()).toEqual([]);
    inside[7]?.leave();
    inside[7]?.leave();
    void enter('later');
    await settle();
    expect(names()).toEqual(['late']);
  });

  it('goes on after a while although nobody comes back from a black hole', async () => {
    const { enter, fill, names } = crowd(createAttemptPace());
    await fill();
    for (let n = 0; n < AT_ONCE + 1; n += 1) void enter(`waits ${n}`);
    await vi.advanceTimersByTimeAsync(PLACE_MS);
    expect(names()).toHaveLength(AT_ONCE);
    await vi.advanceTimersByTimeAsync(PLACE_MS);
    expect(names()).toHaveLength(AT_ONCE + 1);
  });

  it('prefers who failed less often: a platform in trouble does not hold up the others', async () => {
    const { inside, enter, fill, names } = crowd(createAttemptPace());
    await fill();
    void enter('failed 9 times', 9);
    void enter('failed once', 1);
    void enter('just lost', 0);
    for (const { leave } of inside.slice(0, 3)) {
      leave();
      await settle();
    }
    expect(names()).toEqual(['just lost', 'failed once', 'failed 9 times']);
  });

  it('forgets who gives up, waiting or inside', async () => {
    const { enter, fill, names } = crowd(createAttemptPace());
    const giveUp = new AbortController();
    const reason = new Error('drained');
    await enter('inside', 0, giveUp.signal);
    await fill();
    const waiting = enter('waiting', 0, giveUp.signal);
    const refused = expect(waiting).rejects.toBe(reason);
    void enter('next');
    giveUp.abort(reason);
    await refused;
    await settle();
    expect(names()).toEqual(['next']);
  });

  it('shows who waits for a place as waiting, with an instant that is never long past', async () => {
    const pace = createAttemptPace();
    await crowd(pace).fill();
    const clock = { now: () => Date.now(), monotonic: () => performance.now() };
    const health = new HealthRecorder(clock, 1, () => undefined);
    const backoff = { baseMs: 500, capMs: 15_000, factor: 1.3 };
    const gate = createAttemptGate({ backoff, healthyAfterMs: 1, attemptDeadlineMs: 5_000, clock, health, pace });
    const passed = gate.pass(null, { signal: patience() });
    expect(health.heartbeat()).toMatchObject({ state: 'waiting', dueInMs: PLACE_MS, reason: /opened first/ });
    await vi.advanceTimersByTimeAsync(PLACE_MS);
    expect(await passed).toBe(0);
    expect(health.heartbeat()).toMatchObject({ state: 'connecting', dueInMs: 5_000 });
  });
});
