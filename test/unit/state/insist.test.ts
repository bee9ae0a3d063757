import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { insist } from '../../../src/state/insist.ts';

const never = () => new AbortController().signal;

function replyError(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' });
}

describe('insist', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('asks again, with delays, until there is an answer', async () => {
    const failures = [
      new Error('Connection is closed.'),
      replyError('LOADING Redis is loading'),
      replyError('OOM command not allowed'),
    ];
    const run = vi.fn(async () => {
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      return 'answer';
    });
    const asking = insist(never(), run);
    await vi.advanceTimersByTimeAsync(99);
    expect(run, 'no loop without delay').toHaveBeenCalledTimes(1);
    await vi.runAllTimersAsync();
    expect(await asking).toBe('answer');
    expect(run).toHaveBeenCalledTimes(4);
  });

  it('passes on what Redis says is wrong: repeating would not help', async () => {
    const wrong = replyError('WRONGTYPE Operation against a key');
    await expect(insist(never(), () => Promise.reject(wrong))).rejects.toBe(wrong);
  });

  it('stops when its signal aborts, also while it waits', async () => {
    const reason = new Error('enough');
    await expect(insist(AbortSignal.abort(reason), async () => 1)).rejects.toBe(reason);
    const controller = new AbortController();
    const asking = insist(controller.signal, () => Promise.reject(new Error('away')));
    const refused = expect(asking).rejects.toBe(reason);
    await vi.advanceTimersByTimeAsync(1);
    controller.abort(reason);
    await refused;
  });
});
