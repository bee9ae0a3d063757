/** What is known of one connection beside its status: read again when something about it changes, and now and then. */
import { computed, effect, signal } from '@preact/signals';
import type { ConnectionDetail } from './documents.ts';
import { CallFailed, call, messageOf } from './http.ts';
import { overview } from './news.ts';

const EVERY_MS = 15_000;
const AFTER_CHANGE_MS = 300;

export type Details =
  | { readonly kind: 'asking' }
  | { readonly kind: 'known'; readonly details: ConnectionDetail }
  /** There is no such connection. */
  | { readonly kind: 'none'; readonly message: string };

/** Follows one connection for as long as the page lives. */
export function followDetails(id: string) {
  const found = signal<Details>({ kind: 'asking' });
  const problem = signal<string | null>(null);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const askIn = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => void ask(), ms);
  };
  const ask = async () => {
    try {
      found.value = {
        kind: 'known',
        details: await call<ConnectionDetail>(`/api/connections/${encodeURIComponent(id)}`),
      };
      problem.value = null;
    } catch (error) {
      if (error instanceof CallFailed && error.status === 404) found.value = { kind: 'none', message: error.message };
      problem.value = messageOf(error);
    }
    askIn(EVERY_MS);
  };
  const change = computed(() => {
    const one = overview.value?.status.connections.find((each) => each.id === id);
    return one === undefined ? '' : `${one.state} ${one.fencingToken} ${one.reason}`;
  });
  effect(() => {
    change.value;
    askIn(AFTER_CHANGE_MS);
  });
  return { found, problem };
}
