/** In the process of a peer: counts events for the bench. */
import { obey } from './child.ts';

export interface CountOrders {
  /** Counts from now on; answers when so many more events came. */
  until: { readonly ask: { readonly more: number }; readonly answer: { readonly at: number } };
}

/** @returns to be called for each event */
export function counting(): () => void {
  let seen = 0;
  let waiting: { readonly more: number; readonly tell: (at: number) => void } | null = null;
  obey<CountOrders>({
    until: ({ more }) =>
      new Promise((resolve) => {
        seen = 0;
        waiting = { more, tell: (at) => resolve({ at }) };
      }),
  });
  return () => {
    seen += 1;
    if (waiting === null || seen < waiting.more) return;
    waiting.tell(performance.timeOrigin + performance.now());
    waiting = null;
  };
}
