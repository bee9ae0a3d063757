/**
 * Sockets to platforms, by the route of each target: straight, or through a tunnel with TLS to the target inside it.
 * HTTP and WebSocket share it. TLS is always checked against the target's own name; that to an https proxy, which is
 * outside of it, against the proxy's.
 */
import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import { describeProxy, hostPort, type ProxyAddress } from './proxy-url.ts';
import { describeRoute, type Router } from './route.ts';
import { detailOf, failure, openTunnel, type TunnelTarget } from './tunnel.ts';

export interface DialerOptions {
  readonly router: Router;
  /** Bound of one dial to the end of TLS, ms. @defaultValue 5000 */
  readonly timeoutMs?: number;
  /** Authorities to trust, PEM. @defaultValue those of Node, with NODE_EXTRA_CA_CERTS */
  readonly ca?: string | undefined;
}

export interface Dialer {
  /** For undici's pools. */
  readonly connect: buildConnector.connector;
  /**
   * Dials for a WebSocket; `null` where the route is direct, which `ws` can do by itself.
   *
   * @param signal - cuts the dial
   */
  tunnelTo(url: URL, signal: AbortSignal): PendingDial | null;
  /** For reasons: the host, and the proxy where there is one: `api.example via http proxy 10.0.0.1:3128`. */
  placeOf(url: URL): string;
  /** What a dial of {@link connect} to this URL's origin is waiting for; `null` when none is out. */
  waitingFor(url: URL): string | null;
  readonly ca: string | undefined;
}

export interface PendingDial {
  /** Rejects with TunnelFailure, or the signal's reason. */
  readonly socket: Promise<Socket>;
  /** Completes "waiting for …"; `null` when the socket stands. */
  waitingFor(): string | null;
}

interface SecureTarget extends TunnelTarget {
  readonly secure: boolean;
  /** Name that the certificate must have; `undefined`: the host. */
  readonly servername: string | undefined;
}

export function createDialer({ router, timeoutMs = 5_000, ca }: DialerOptions): Dialer {
  const trust: Trust = ca === undefined ? {} : { ca };
  const straight = buildConnector({ ...trust, timeout: timeoutMs });
  const out = new Map<string, Set<PendingDial>>();

  const connect: buildConnector.connector = (to, callback) => {
    const url = new URL(`${to.protocol}//${to.host ?? hostPort(to.hostname, Number(to.port))}`);
    const route = router(url);
    if (route.kind === 'direct') return straight(to, callback);
    const secure = to.protocol === 'https:';
    const port = to.port === '' ? (secure ? 443 : 80) : Number(to.port);
    const target = { host: to.hostname, port, secure, servername: to.servername };
    const limit = new AbortController();
    const pending = dial(route.proxy, target, trust, limit.signal);
    const timer = setTimeout(() => {
      limit.abort(
        failure(route.proxy, target, `no tunnel within ${timeoutMs} ms, waiting for ${pending.waitingFor()}`),
      );
    }, timeoutMs);
    const others = out.get(url.origin) ?? new Set();
    out.set(url.origin, others.add(pending));
    pending.socket
      .finally(() => {
        clearTimeout(timer);
        others.delete(pending);
        if (others.size === 0) out.delete(url.origin);
      })
      .then(
        (socket) => callback(null, socket),
        (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
      );
  };

  return {
    connect,
    ca,
    tunnelTo(url, signal) {
      const route = router(url);
      if (route.kind === 'direct') return null;
      const secure = url.protocol === 'wss:';
      const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
      const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
      return dial(route.proxy, { host, port, secure, servername: undefined }, trust, signal);
    },
    placeOf(url) {
      const route = router(url);
      return route.kind === 'direct' ? url.host : `${url.host} via ${describeRoute(route)}`;
    },
    waitingFor(url) {
      const [first] = out.get(url.origin) ?? [];
      return first === undefined ? null : first.waitingFor();
    },
  };
}

interface Trust {
  readonly ca?: string;
}

function dial(proxy: ProxyAddress, target: SecureTarget, trust: Trust, signal: AbortSignal): PendingDial {
  let waitingFor: string | null = null;
  const onWait = (forWhat: string) => {
    waitingFor = forWhat;
  };
  // To the proxy, and for TLS in the tunnel. Without a bound of its own: the signal cuts whatever socket there is.
  const reach = buildConnector({ ...trust, timeout: 0, signal });
  const run = async () => {
    const socket = await openTunnel(proxy, target, { reach, onWait, signal });
    if (target.secure) onWait(`TLS with ${hostPort(target.host, target.port)} behind ${describeProxy(proxy)}`);
    const ready = target.secure ? await secured(socket, proxy, target, reach, signal) : socket;
    waitingFor = null;
    return ready;
  };
  return { socket: run(), waitingFor: () => waitingFor };
}

function secured(
  tunnel: Socket,
  proxy: ProxyAddress,
  target: SecureTarget,
  reach: buildConnector.connector,
  signal: AbortSignal,
): Promise<Socket> {
  const { host, port, servername } = target;
  const to = {
    hostname: host,
    host: hostPort(host, port),
    protocol: 'https:',
    port: String(port),
    httpSocket: tunnel,
    ...(servername === undefined ? {} : { servername }),
  };
  return new Promise((resolve, reject) => {
    reach(to, (...[error, socket]) => {
      if (error === null) return resolve(socket);
      tunnel.destroy();
      const why = `TLS with the target failed behind the proxy (${detailOf(error)})`;
      reject(signal.aborted ? signal.reason : failure(proxy, target, why, error));
    });
  });
}
