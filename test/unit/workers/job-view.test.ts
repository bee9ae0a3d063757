import type { Job } from 'bullmq';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createJobView } from '../../../src/workers/job-view.ts';
import { quiet } from '../../support/inbound.ts';

/** Remembers what would be shown in Bull Board. */
function shown() {
  const progress: unknown[] = [];
  const lines: string[] = [];
  const job = {
    updateProgress: async (value: unknown) => void progress.push(value),
    log: async (text: string) => lines.push(...text.split('\n').map((line) => line.slice(line.indexOf(' ') + 1))),
  };
  return { view: createJobView(job as unknown as Job, quiet), progress, lines };
}

describe('the view of a connection job', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('gathers for a second: every line is written, of the progress the last one', () => {
    const { view, progress, lines } = shown();
    view.show({ state: 'dialing' }, 'dialing');
    view.show({ state: 'live' }, 'live');
    expect([progress, lines]).toEqual([[], []]);
    vi.advanceTimersByTime(1_000);
    expect([progress, lines]).toEqual([[{ state: 'live' }], ['dialing', 'live']]);
    vi.advanceTimersByTime(5_000);
    expect(progress, 'nothing new, nothing written').toHaveLength(1);
  });

  it('still writes its last lines when it is closed within that second, and no progress of a job that is left', () => {
    const { view, progress, lines } = shown();
    view.show({ state: 'waiting' }, 'ended: the platform refused');
    view.close();
    vi.advanceTimersByTime(5_000);
    expect([progress, lines]).toEqual([[], ['ended: the platform refused']]);
  });
});
