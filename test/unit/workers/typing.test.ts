/** The indicator is a courtesy: it shows while a turn runs, and whatever goes wrong with it stays with it. */
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TransientError } from '../../../src/errors.ts';
import type { ReplyHandle } from '../../../src/model.ts';
import { Typing } from '../../../src/workers/typing.ts';

const reply: ReplyHandle = { key: 'k', deadlineAt: null, quota: null, address: { chatId: '5' } };
const log = pino({ level: 'silent' });

describe('typing', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  const shown = (send: (signal: AbortSignal) => Promise<void>) => {
    const calls: AbortSignal[] = [];
    const sender = {
      typing: (_reply: ReplyHandle, { signal }: { signal: AbortSignal }) => {
        calls.push(signal);
        return send(signal);
      },
    };
    return { calls, sender };
  };
  const never = new AbortController().signal;

  it('is shown while a turn runs, about every 4.5 s, and not after it', async () => {
    const { calls, sender } = shown(async () => {});
    const handle = new Typing({ log }).show(sender, reply, 'lane', { signal: never });
    await vi.advanceTimersByTimeAsync(299);
    expect(calls).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(9_000);
    expect(calls).toHaveLength(3);
    handle[Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(calls).toHaveLength(3);
  });

  it('is not shown for a turn that ends at once, nor where the platform has none', async () => {
    const { calls, sender } = shown(async () => {});
    const typing = new Typing({ log });
    typing.show(sender, reply, 'lane', { signal: never })[Symbol.dispose]();
    typing.show({}, reply, 'lane', { signal: never })[Symbol.dispose]();
    typing.show(sender, null, 'lane', { signal: never })[Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(calls).toHaveLength(0);
  });

  it('rests for 30 s in a conversation where it failed, over turns; others go on', async () => {
    const failing = shown(async () => {
      throw new TransientError('HTTP_STATUS', 'no');
    });
    const typing = new Typing({ log });
    const first = typing.show(failing.sender, reply, 'lane-1', { signal: never });
    await vi.advanceTimersByTimeAsync(1_000);
    first[Symbol.dispose]();
    using _second = typing.show(failing.sender, reply, 'lane-1', { signal: never });
    await vi.advanceTimersByTimeAsync(28_000);
    expect(failing.calls).toHaveLength(1);
    const other = shown(async () => {});
    using _other = typing.show(other.sender, reply, 'lane-2', { signal: never });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(failing.calls).toHaveLength(2);
    expect(other.calls).toHaveLength(1);
  });

  it('is cut by the end of the turn and by a stop, and a call that hangs has a deadline', async () => {
    const hanging = shown((signal) => delayUntilAborted(signal));
    const stop = new AbortController();
    const typing = new Typing({ log });
    const handle = typing.show(hanging.sender, reply, 'lane-1', { signal: never });
    using _stopped = typing.show(hanging.sender, reply, 'lane-2', { signal: stop.signal });
    await vi.advanceTimersByTimeAsync(500);
    handle[Symbol.dispose]();
    stop.abort(new Error('stop'));
    expect(hanging.calls.map(({ aborted }) => aborted)).toEqual([true, true]);
    using _late = typing.show(hanging.sender, reply, 'lane-3', { signal: never });
    await vi.advanceTimersByTimeAsync(4_400);
    expect(hanging.calls.at(-1)?.aborted).toBe(true);
  });
});

function delayUntilAborted(signal: AbortSignal): Promise<void> {
  return delay(3_600_000, undefined, { signal });
}
