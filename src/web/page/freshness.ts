/**
 * Whether what the page shows is still true. A page that is told nothing must not look alive: it looks exactly like one
 * where nothing happens. Pure.
 */

/** What became of the stream since the last document. */
export type StreamState =
  | { readonly name: 'open' }
  /** The server answers and cannot see: its own words. */
  | { readonly name: 'blind'; readonly reason: string }
  /** Nobody answers. */
  | { readonly name: 'lost'; readonly reason: string };

export type Freshness =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'silent'; readonly forMs: number | null; readonly reason: string };

/** Documents come every second. */
const SILENT_AFTER_MS = 5_000;
/** Of a stream that says that something is wrong: less, but it may be back at once. */
const TROUBLED_AFTER_MS = 2_000;

/** @param ageMs - of the last document; `null`: there was none */
export function judgeFreshness(ageMs: number | null, stream: StreamState): Freshness {
  const troubled = stream.name !== 'open';
  if (ageMs === null && !troubled) return { kind: 'silent', forMs: null, reason: 'still asking for the first one' };
  if (ageMs !== null && ageMs < (troubled ? TROUBLED_AFTER_MS : SILENT_AFTER_MS)) return { kind: 'fresh' };
  const reason = troubled ? stream.reason : 'the connection to Holdfast is open, and nothing comes';
  return { kind: 'silent', forMs: ageMs, reason };
}
