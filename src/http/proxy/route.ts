/**
 * By which way a URL is reached: the one answer for HTTP and WebSocket, so that no part of a connection can ignore the
 * proxy that another part uses (F26). Pure; the environment is handed in.
 *
 * A connection's own `proxy` decides alone. Without one it is the environment: for `wss:` WSS_PROXY, HTTPS_PROXY,
 * ALL_PROXY; for `https:` HTTPS_PROXY, ALL_PROXY; for `ws:` WS_PROXY, HTTP_PROXY, ALL_PROXY; for `http:` HTTP_PROXY,
 * ALL_PROXY. Each in lower case before upper case, empty ones as if they were not set; NO_PROXY excepts. Loopback is no
 * exception by itself.
 *
 * Packages read the environment by themselves, do not know that `wss:` is https, or know no networks in NO_PROXY
 * (proxy-from-env and undici's EnvHttpProxyAgent, read 2026-11-22).
 */
import { ownValue } from '../../model.ts';
import { parseNoProxy, type Target } from './no-proxy.ts';
import { describeProxy, type ProxyAddress, readProxy } from './proxy-url.ts';

export type Route = { readonly kind: 'direct' } | { readonly kind: 'proxy'; readonly proxy: ProxyAddress };

/** The variables that name proxies, in both cases, as they stood in the environment. */
export type ProxyEnvironment = Readonly<Record<string, string | undefined>>;

export interface RouteSettings {
  /** The connection's own: a proxy's URL or `direct`; `undefined`: the environment decides. */
  readonly proxy: string | undefined;
  readonly environment: ProxyEnvironment;
}

export type Router = (url: URL) => Route;

const DIRECT: Route = { kind: 'direct' };

const VARIABLES: ReadonlyMap<string, { readonly names: readonly string[]; readonly port: number }> = new Map([
  ['http:', { names: ['http_proxy', 'all_proxy'], port: 80 }],
  ['https:', { names: ['https_proxy', 'all_proxy'], port: 443 }],
  ['ws:', { names: ['ws_proxy', 'http_proxy', 'all_proxy'], port: 80 }],
  ['wss:', { names: ['wss_proxy', 'https_proxy', 'all_proxy'], port: 443 }],
]);

const PROXY_NAMES = ['wss_proxy', 'ws_proxy', 'https_proxy', 'http_proxy', 'all_proxy'];

/** Names of all variables that are read. */
export const PROXY_VARIABLES: readonly string[] = [...PROXY_NAMES, 'no_proxy'].flatMap((name) => [
  name,
  name.toUpperCase(),
]);

/** @throws Error when a proxy's URL cannot be read; {@link environmentProblems} and the configuration tell it earlier */
export function createRouter({ proxy, environment }: RouteSettings): Router {
  if (proxy !== undefined) {
    const route = routeBy(proxy, 'proxy');
    return () => route;
  }
  const isExcepted = parseNoProxy(readVariable(environment, 'no_proxy')?.value ?? '');
  const routes = new Map<string, Route>();
  for (const name of PROXY_NAMES) {
    const found = readVariable(environment, name);
    if (found !== null) routes.set(name, routeBy(found.value, found.variable));
  }
  return (url) => {
    const { names, port } = VARIABLES.get(url.protocol) ?? { names: [], port: 0 };
    const name = names.find((each) => routes.has(each));
    const route = name === undefined ? undefined : routes.get(name);
    return route === undefined || isExcepted(targetOf(url, port)) ? DIRECT : route;
  };
}

/** One line for each variable that names no readable proxy: `HTTPS_PROXY: what is wrong; what to do`. Never its value. */
export function environmentProblems(environment: ProxyEnvironment): string[] {
  return PROXY_NAMES.flatMap((name) => {
    const found = readVariable(environment, name);
    if (found === null) return [];
    const read = readProxy(found.value);
    return read.kind === 'unreadable' ? [`${found.variable}: ${read.problem}, or unset it`] : [];
  });
}

/** `direct`, `http proxy HOST:PORT`, `https proxy HOST:PORT`, `socks5 proxy HOST:PORT`. Never a user or password. */
export function describeRoute(route: Route): string {
  return route.kind === 'direct' ? 'direct' : describeProxy(route.proxy);
}

function routeBy(text: string, name: string): Route {
  const read = readProxy(text);
  switch (read.kind) {
    case 'direct':
      return DIRECT;
    case 'proxy':
      return read;
    case 'unreadable':
      throw new Error(`${name}: ${read.problem}`);
    default:
      return read satisfies never;
  }
}

function readVariable(environment: ProxyEnvironment, name: string): { variable: string; value: string } | null {
  for (const variable of [name, name.toUpperCase()]) {
    const value = ownValue(environment, variable)?.trim() ?? '';
    if (value !== '') return { variable, value };
  }
  return null;
}

function targetOf(url: URL, defaultPort: number): Target {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  return { host, port: url.port === '' ? defaultPort : Number(url.port) };
}
