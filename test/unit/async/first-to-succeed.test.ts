import { describe, expect, it } from 'vitest';
import { sleep } from '../../../src/async/abort.ts';
import { firstToSucceed } from '../../../src/async/first-to-succeed.ts';

interface Course {
  readonly name: string;
  readonly afterMs: number;
  readonly fails?: true;
}

/** What happened, in order. */
function race(courses: readonly Course[], { everyMs = 20, signal = new AbortController().signal } = {}) {
  const log: string[] = [];
  const result = firstToSucceed(courses, {
    async attempt({ name, afterMs, fails }, cut) {
      log.push(`${name} begins`);
      try {
        await sleep(afterMs, cut);
      } catch (error) {
        log.push(`${name} is cut`);
        throw error;
      }
      if (fails) throw new Error(`${name} failed`);
      return name;
    },
    everyMs,
    discard: (name) => void log.push(`${name} is discarded`),
    signal,
  });
  return { log, result };
}

describe('the first to succeed', () => {
  it('is the first candidate where that is quick, and nobody else is asked', async () => {
    const { log, result } = race([
      { name: 'a', afterMs: 1 },
      { name: 'b', afterMs: 1 },
    ]);
    expect(await result).toBe('a');
    await sleep(40, { signal: new AbortController().signal });
    expect(log).toEqual(['a begins']);
  });

  it('may be slow: it goes on beside those that were asked after it, and they are cut (G03)', async () => {
    const { log, result } = race([
      { name: 'slow', afterMs: 120 },
      { name: 'refused', afterMs: 1, fails: true },
      { name: 'dead', afterMs: 60_000 },
    ]);
    expect(await result).toBe('slow');
    expect(log).toEqual(['slow begins', 'refused begins', 'dead begins', 'dead is cut']);
  });

  it('is the next one at once where one fails', async () => {
    const { result } = race(
      [
        { name: 'a', afterMs: 1, fails: true },
        { name: 'b', afterMs: 1 },
      ],
      { everyMs: 60_000 },
    );
    expect(await result).toBe('b');
  });

  it('is none where all fail: then the reason is that of the earliest candidate, not of the quickest', async () => {
    const { result } = race([
      { name: 'a', afterMs: 60, fails: true },
      { name: 'b', afterMs: 1, fails: true },
    ]);
    await expect(result).rejects.toThrow('a failed');
  });

  it('is none where the signal aborts: all are cut, and its reason is passed on', async () => {
    const controller = new AbortController();
    const { log, result } = race(
      [
        { name: 'a', afterMs: 60_000 },
        { name: 'b', afterMs: 60_000 },
      ],
      { everyMs: 1, signal: controller.signal },
    );
    const reason = new Error('stop');
    setTimeout(() => controller.abort(reason), 20);
    await expect(result).rejects.toBe(reason);
    await sleep(1, { signal: new AbortController().signal });
    expect(log).toEqual(['a begins', 'b begins', 'a is cut', 'b is cut']);
    await expect(race([{ name: 'c', afterMs: 1 }], { signal: controller.signal }).result).rejects.toBe(reason);
  });

  it('leaves nothing of one that came too late', async () => {
    const log: string[] = [];
    const deaf = ({ ms }: { ms: number }) => new Promise<number>((resolve) => setTimeout(() => resolve(ms), ms));
    const result = firstToSucceed([{ ms: 30 }, { ms: 5 }], {
      attempt: deaf,
      everyMs: 1,
      discard: (ms) => void log.push(`${ms} is discarded`),
      signal: new AbortController().signal,
    });
    expect(await result).toBe(5);
    await sleep(50, { signal: new AbortController().signal });
    expect(log).toEqual(['30 is discarded']);
  });
});
