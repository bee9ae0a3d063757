/** A state as colour, shape and word: none of them alone has to be understood. */
import type { ConnectionStateName } from './documents.ts';
import { isSilent } from './news.ts';

const SHAPES: Readonly<Record<ConnectionStateName, string>> = {
  live: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Z',
  connecting: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 2v8a4 4 0 0 1 0-8Z',
  waiting: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 2a4 4 0 1 1 0 8 4 4 0 0 1 0-8Zm-.8 1v3.4l2.3 1.4.8-1.2-1.6-1V5Z',
  unowned: 'M8 1.5 15 14H1Zm0 4L4.2 12.2h7.6Z',
  parked: 'M5 1.5h6L14.5 5v6L11 14.5H5L1.5 11V5Zm2.2 3v5h1.6v-5Zm0 6v1.5h1.6v-1.5Z',
  paused: 'M3.5 2.5h3v11h-3Zm6 0h3v11h-3Z',
};

export function StateMark({ state }: { state: ConnectionStateName }) {
  return (
    <span class={`state state-${state}`}>
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <path d={SHAPES[state]} fill-rule="evenodd" />
      </svg>
      {isSilent.value ? `was ${state}` : state}
    </span>
  );
}
