/** The last 24 h, asked for once a minute, and soon after a state has changed. */
import { computed, effect, signal } from '@preact/signals';
import type { TimelineDocument } from './documents.ts';
import { call, messageOf } from './http.ts';
import { overview } from './news.ts';

export const timeline = signal<TimelineDocument | null>(null);
export const timelineProblem = signal<string | null>(null);

const EVERY_MS = 60_000;
/** An outage changes states several times within seconds. */
const AFTER_CHANGE_MS = 3_000;
const AFTER_FAILURE_MS = 10_000;

const states = computed(() =>
  overview.value?.status.connections.map(({ id, state, fencingToken }) => `${id} ${state} ${fencingToken}`).join('\n'),
);

/** @param id - of the only connection that is shown; `null`: all of them */
export function followTimeline(id: string | null): void {
  const path = `/api/timeline?hours=24${id === null ? '' : `&connection=${encodeURIComponent(id)}`}`;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asking = false;
  const askIn = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => void ask(), ms);
  };
  const ask = async () => {
    asking = true;
    try {
      timeline.value = await call<TimelineDocument>(path);
      timelineProblem.value = null;
    } catch (error) {
      timelineProblem.value = messageOf(error);
    }
    asking = false;
    askIn(timelineProblem.value === null ? EVERY_MS : AFTER_FAILURE_MS);
  };
  void ask();
  let isFirst = true;
  effect(() => {
    states.value;
    if (!isFirst && !asking) askIn(AFTER_CHANGE_MS);
    isFirst = false;
  });
}
