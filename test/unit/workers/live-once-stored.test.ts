import { describe, expect, it } from 'vitest';
import { FencedError } from '../../../src/errors.ts';
import { HealthRecorder } from '../../../src/workers/health-recorder.ts';
import { liveOnceStored } from '../../../src/workers/live-once-stored.ts';

const clock = { now: () => 0, monotonic: () => 0 };
const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

/** A sink whose store answers when told to. */
function tenure({ deadlineMs = 10_000 } = {}) {
  const said: string[] = [];
  const recorder = new HealthRecorder(clock, 1, ({ name }) => said.push(name));
  const end = new AbortController();
  let answer: { resolve(): void; reject(error: Error): void } | undefined;
  const sink = {
    flush: () => new Promise<void>((resolve, reject) => (answer = { resolve, reject })),
  };
  const health = liveOnceStored(recorder, { sink, deadlineMs, signal: end.signal });
  health.connecting('authenticating', 1);
  return { said, recorder, health, end, stored: () => answer?.resolve(), refused: (e: Error) => answer?.reject(e) };
}

describe('a connection whose platform said READY', () => {
  it('is live once the session is stored, and not before (F10)', async () => {
    const { said, recorder, health, stored } = tenure();
    health.live('identified');
    await turn();
    expect(said).toEqual(['connecting']);
    expect(recorder.heartbeat()).toMatchObject({ state: 'connecting', roundTripAgeMs: 0 });
    stored();
    await turn();
    expect(said).toEqual(['connecting', 'live']);
    expect(recorder.state).toEqual({ name: 'live', how: 'identified' });
  });

  it('is not called live when it was lost meanwhile, nor when it was lost and dials again', async () => {
    const { said, health, stored } = tenure();
    health.live('resumed');
    health.lost('closed with 4009');
    health.connecting('dialing', 2);
    stored();
    await turn();
    expect(said).toEqual(['connecting', 'waiting', 'connecting']);
  });

  it('is not called live when the tenure ends first: fenced, drained or stopped', async () => {
    const fenced = tenure();
    fenced.health.live('identified');
    fenced.refused(new FencedError('a newer fencing token holds the connection'));
    const drained = tenure();
    drained.health.live('identified');
    drained.refused(new Error('the tenure is over'));
    const stopped = tenure();
    stopped.health.live('identified');
    stopped.end.abort(new Error('the tenure is over'));
    await turn();
    for (const { said } of [fenced, drained, stopped]) expect(said).toEqual(['connecting']);
  });

  it('is live after the deadline all the same: the pump says itself that Redis stores nothing', async () => {
    const { said, health } = tenure({ deadlineMs: 20 });
    health.live('identified');
    await expect.poll(() => said).toEqual(['connecting', 'live']);
  });
});
