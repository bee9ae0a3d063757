/**
 * All the ways one connection speaks to its platform: HTTP and WebSockets by the same route. It belongs to the core,
 * which makes one for each tenure and each sender and takes it away at the end: an adapter that ignores its signals
 * then has nothing left to speak through. Sockets of HTTP that are idle belong to the route: thousands of connections
 * ask the same few hosts, and each would dial for two or three calls.
 */
import { createHttpSockets, type HttpClient, HttpFailure, type HttpSockets } from './client.ts';
import { createDialer, type Dialer } from './proxy/dialer.ts';
import { createRouter, describeRoute, type Router, type RouteSettings } from './proxy/route.ts';
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
  /** HTTP sockets per host, over all transports of a route; `null`: as many as there are calls. @defaultValue `null` */
  readonly socketsPerHost?: number | null;
}

/** Transports that share their route, and the HTTP sockets on it. */
export interface TransportRoute {
  open(): OwnedTransport;
}

/** @throws Error when the proxy's URL cannot be read, which the configuration would have told */
export function createTransportRoute(options: TransportOptions): TransportRoute {
  const router = createRouter(options);
  const dialer = createDialer({ router, ca: options.ca });
  const shared = createHttpSockets({ dialer, connections: options.socketsPerHost ?? null });
  return { open: () => openTransport({ router, dialer, shared }) };
}

/**
 * One with sockets of its own: destroying it closes them all.
 *
 * @throws Error when the proxy's URL cannot be read, which the configuration would have told
 */
export function createTransport(options: TransportOptions): OwnedTransport {
  const transport = createTransportRoute(options).open();
  return {
    ...transport,
    async destroy() {
      await transport.destroy();
      await transport.http.destroy();
    },
  };
}

interface Shared {
  readonly router: Router;
  readonly dialer: Dialer;
  readonly shared: HttpSockets;
}

function openTransport({ router, dialer, shared }: Shared): OwnedTransport {
  const client = shared.client();
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
      client.cut();
    },
  };
}

const CLOSED = 'the transport was closed: the tenure that it belonged to is over';
