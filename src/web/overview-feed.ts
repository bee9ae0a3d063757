/**
 * The overview for whoever watches it live: read once for all of them, and only while somebody does. What cannot be read
 * is told as trouble: a page must not go on showing what was true before.
 */
import { sleep } from '../async/abort.ts';
import { explain } from '../errors.ts';
import type { OverviewDocument } from '../status/overview.ts';
import { formatEvent } from './event-stream.ts';

export interface OverviewFeed {
  /**
   * @param onEvent - called with each event, at first with the latest one if there is; must not throw
   * @returns ends it
   */
  watch(onEvent: (event: string) => void): () => void;
}

const LOOK_EVERY_MS = 1_000;
/** Ages go on also when nothing else changes: told at least this often, ms. */
const TELL_EVERY_MS = 2_000;

/** @param read - with a deadline of its own */
export function createOverviewFeed(read: () => Promise<OverviewDocument>, signal: AbortSignal): OverviewFeed {
  const watchers = new Set<(event: string) => void>();
  let running = false;
  let latest: { readonly event: string; readonly essence: string; readonly at: number } | null = null;

  const look = async (): Promise<void> => {
    const found = await describe(read);
    const now = performance.now();
    const told = latest !== null && latest.essence === found.essence && now - latest.at < TELL_EVERY_MS - SLACK_MS;
    if (told || signal.aborted) return;
    latest = { ...found, at: now };
    for (const tell of watchers) tell(found.event);
  };

  const run = async (): Promise<void> => {
    running = true;
    while (watchers.size > 0 && !signal.aborted) {
      await look();
      await sleep(LOOK_EVERY_MS, { signal }).catch(() => undefined);
    }
    running = false;
    latest = null;
  };

  return {
    watch(onEvent) {
      watchers.add(onEvent);
      if (latest !== null) onEvent(latest.event);
      if (!running) void run();
      return () => watchers.delete(onEvent);
    },
  };
}

/** Timers come a moment late, and reading takes one, ms. */
const SLACK_MS = 100;

async function describe(read: () => Promise<OverviewDocument>): Promise<{ event: string; essence: string }> {
  try {
    const overview = await read();
    return { event: formatEvent('overview', overview), essence: JSON.stringify(overview, withoutAges) };
  } catch (error) {
    const reason = explain(error);
    return { event: formatEvent('trouble', { reason }), essence: `trouble: ${reason}` };
  }
}

/** What goes on by itself, or is never twice the same. */
const RESTLESS = new Set(['at', 'since', 'eventLoopLagMs', 'usedMemoryShare']);

function withoutAges(key: string, value: unknown): unknown {
  return key.endsWith('AgeMs') || RESTLESS.has(key) ? undefined : value;
}
