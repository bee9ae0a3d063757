/**
 * All the ways one connection speaks to its platform: HTTP and WebSockets by the same route. It belongs to the core,
 * which makes one for each tenure and each sender and takes it away at the end: an adapter that ignores its signals
 * then has nothing left to speak through.
 */
import { createHttpClient, type HttpClient, HttpFailure } from './client.ts';
import { createDialer } from './proxy/dialer.ts';
import { createRouter, describeRoute, type RouteSettings } from './proxy/route.ts';
import { openWebSocket, type WebSocketHandle, type WebSocketListener, type WebSocketRequest } from './web-socket.ts';

export interface Transport {
  readonly http: HttpClient;
  /** Dials at once; everything else is told by `listener`. */
  openWebSocket(request: WebSocketRequest, listener: WebSocketListener): WebSocketHandle;
  /** How `url` is reached: `direct`, `http proxy HOST:PORT`. Never a user or password. Pure. */
  routeOf(url: string): string;
}

export interface OwnedTransport extends Transport {
  /** Cuts everything that is open, without another word to the listeners; new requests and dials fail. Safe to repeat. */
  destroy(): Promise<void>;
}

export interface TransportOptions extends RouteSettings {
  /** Authorities to trust, PEM. @defaultValue those of Node, with NODE_EXTRA_CA_CERTS */
  readonly ca?: string;
}

/** @throws Error when the proxy's URL cannot be read, which the configuration would have told */
export function createTransport(options: TransportOptions): OwnedTransport {
  const router = createRouter(options);
  const dialer = createDialer({ router, ca: options.ca });
  const client = createHttpClient({ dialer });
  const sockets = new Set<WebSocketHandle>();
  let destroyed = false;

  return {
    http: {
      async request(request, options) {
        if (destroyed) throw new HttpFailure('TRANSPORT', `${request.what}: ${CLOSED}`, false);
        return client.request(request, options);
      },
      destroy: () => client.destroy(),
    },
    openWebSocket(request, listener) {
      if (destroyed) throw new Error(CLOSED);
      const forgetting: WebSocketListener = {
        opened: () => listener.opened(),
        text: (text) => listener.text(text),
        binary: (data) => listener.binary(data),
        pong: () => listener.pong(),
        ended(end) {
          sockets.delete(socket);
          listener.ended(end);
        },
      };
      const socket = openWebSocket(request, forgetting, dialer);
      sockets.add(socket);
      return {
        ...socket,
        terminate() {
          sockets.delete(socket);
          socket.terminate();
        },
      };
    },
    routeOf: (url) => describeRoute(router(new URL(url))),
    async destroy() {
      destroyed = true;
      for (const socket of sockets) socket.terminate();
      sockets.clear();
      await client.destroy();
    },
  };
}

const CLOSED = 'the transport was closed: the tenure that it belonged to is over';
