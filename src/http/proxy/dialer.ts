/**
 * Sockets to everything outside, by the route of each target: straight, or through a tunnel with TLS to the target inside
 * it. HTTP and WebSocket share it. TLS is always checked against the target's own name; that to an https proxy, which is
 * outside of it, against the proxy's.
 */
import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import type { Lookup } from './dial-tcp.ts';
import { describeProxy, hostPort } from './proxy-url.ts';
import { createReach, type Reach, type ReachOptions } from './reach.ts';
import { describeRoute, type Route, type Router } from './route.ts';
import { detailOf, failure, openTunnel, TunnelFailure, type TunnelTarget } from './tunnel.ts';

export interface DialerOptions extends ReachOptions {
  readonly router: Router;
  /** Bound of one dial to the end of TLS, ms. @defaultValue 5000 */
  readonly timeoutMs?: number;
}

export interface Dialer {
  /** For undici's pools. */
  readonly connect: buildConnector.connector;
  /**
   * Dials for a WebSocket.
   *
   * @param signal - cuts the dial, and bounds it
   */
  dial(url: URL, signal: AbortSignal): PendingDial;
  /** For reasons: the host, and the proxy where there is one: `api.example via http proxy 10.0.0.1:3128`. */
  placeOf(url: URL): string;
  /** What a dial of {@link connect} to this URL's origin is waiting for; `null` when none is out, or it goes straight. */
  waitingFor(url: URL): string | null;
}

export interface PendingDial {
  /** Rejects with TunnelFailure, the system's error where the route is direct, or the signal's reason. */
  readonly socket: Promise<Socket>;
  /** Completes "waiting for …"; `null` when the socket stands, or the route is direct. */
  waitingFor(): string | null;
}

interface SecureTarget extends TunnelTarget {
  readonly secure: boolean;
  /** Name that the certificate must have; `undefined`: the host. */
  readonly servername: string | undefined;
}

export function createDialer({ router, timeoutMs = 5_000, ...options }: DialerOptions): Dialer {
  const means = { reach: createReach(options), lookup: options.lookup };
  const out = new Map<string, Set<PendingDial>>();

  const connect: buildConnector.connector = (to, callback) => {
    const url = new URL(`${to.protocol}//${to.host ?? hostPort(to.hostname, Number(to.port))}`);
    const route = router(url);
    const target = { ...placeOfUrl(url), servername: to.servername };
    const limit = new AbortController();
    const pending = dial(route, target, means, limit.signal);
    const timer = setTimeout(() => limit.abort(tooLate(route, target, pending, timeoutMs)), timeoutMs);
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
    dial: (url, signal) => dial(router(url), placeOfUrl(url), means, signal),
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

function placeOfUrl({ protocol, hostname, port }: URL): SecureTarget {
  const secure = protocol === 'https:' || protocol === 'wss:';
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: port === '' ? (secure ? 443 : 80) : Number(port), secure, servername: undefined };
}

function tooLate(route: Route, target: SecureTarget, pending: PendingDial, ms: number): Error {
  if (route.kind === 'direct') return Object.assign(new Error(`no connection within ${ms} ms`), { code: 'ETIMEDOUT' });
  return failure(route.proxy, target, `no tunnel within ${ms} ms, waiting for ${pending.waitingFor()}`);
}

interface Means {
  readonly reach: Reach;
  readonly lookup: Lookup | undefined;
}

function dial(route: Route, target: SecureTarget, means: Means, signal: AbortSignal): PendingDial {
  const { reach } = means;
  if (route.kind === 'direct') return { socket: reach(reachable(target), { signal }), waitingFor: () => null };
  const { proxy } = route;
  let waitingFor: string | null = null;
  const onWait = (forWhat: string) => {
    waitingFor = forWhat;
  };
  const run = async () => {
    const tunnel = await openTunnel(proxy, target, { ...means, onWait, signal });
    if (target.secure) onWait(`TLS with ${hostPort(target.host, target.port)} behind ${describeProxy(proxy)}`);
    const ready = target.secure ? await reach({ ...reachable(target), httpSocket: tunnel }, { signal }) : tunnel;
    waitingFor = null;
    return ready;
  };
  const inWords = (error: unknown): never => {
    if (error instanceof TunnelFailure || signal.aborted) throw error;
    throw failure(proxy, target, `TLS with the target failed behind the proxy (${detailOf(error)})`, error);
  };
  return { socket: run().catch(inWords), waitingFor: () => waitingFor };
}

function reachable({ host, port, secure, servername }: SecureTarget): Parameters<Reach>[0] {
  return {
    hostname: host,
    host: hostPort(host, port),
    protocol: secure ? 'https:' : 'http:',
    port: String(port),
    ...(servername === undefined ? {} : { servername }),
  };
}
