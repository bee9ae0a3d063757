/** A real transport whose failures are counted: what an adapter does while nothing works shows whether it can spin. */
import type { OwnedTransport } from '../../src/http/transport.ts';
import { openDirect } from '../support/direct-transport.ts';

/** No scenario needs as many; an adapter that gets there dials in a loop, and would keep the machine from all else. */
const MOST_FAILURES = 300;

export interface ObservedTransport extends OwnedTransport {
  /** WebSockets dialed. */
  readonly sockets: number;
  /** HTTP requests that got no answer. */
  readonly failedRequests: number;
  readonly isDestroyed: boolean;
}

export function observeTransport(): ObservedTransport {
  const real = openDirect();
  const seen = { sockets: 0, failedRequests: 0, isDestroyed: false };
  return {
    http: {
      async request(request, options) {
        if (seen.failedRequests > MOST_FAILURES) throw new Error('the adapter calls in a loop, without the gate');
        try {
          return await real.http.request(request, options);
        } catch (error) {
          if (!options.signal.aborted) seen.failedRequests += 1;
          throw error;
        }
      },
      destroy: () => real.http.destroy(),
    },
    openWebSocket(request, listener) {
      if (seen.sockets > MOST_FAILURES) throw new Error('the adapter dials in a loop, without the gate');
      seen.sockets += 1;
      return real.openWebSocket(request, listener);
    },
    routeOf: (url) => real.routeOf(url),
    async destroy() {
      seen.isDestroyed = true;
      await real.destroy();
    },
    get sockets() {
      return seen.sockets;
    },
    get failedRequests() {
      return seen.failedRequests;
    },
    get isDestroyed() {
      return seen.isDestroyed;
    },
  };
}
