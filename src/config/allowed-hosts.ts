/**
 * Where a connection that was added at run time may send its secret. Its record stands in Redis, and whoever can write there
 * could name a host of his own: so the host must be a platform's, one that the configuration file names itself, or one that
 * it allows.
 */
import { hostPort, readProxy } from '../http/proxy/proxy-url.ts';
import { PLATFORM_ORIGINS } from './platforms.ts';

export interface AllowedHosts {
  /** As in `runtime.allowedHosts`: `host`, `host:port`, or `http://host:port`. */
  readonly listed: readonly string[];
  /** Origins that connections of the configuration file use. */
  readonly origins: readonly string[];
  /** `host:port` of proxies that the configuration file names; `null`: they are not known here, and not judged. */
  readonly proxies: readonly string[] | null;
}

/** Nothing but the platforms' own. */
export const PLATFORMS_ONLY: AllowedHosts = { listed: [], origins: [], proxies: null };

const HOST = /^[A-Za-z0-9._-]+$|^\[[0-9a-fA-F:.]+\]$/;

/** `host`, `host:port`, or with http:// or https:// before it; without a path. */
export function isHostEntry(entry: string): boolean {
  const url = urlOf(entry);
  if (url === null || url.username !== '' || url.password !== '') return false;
  const rest = entry.replace(/^https?:\/\//i, '').replace(/:\d+$/, '');
  return HOST.test(rest) && url.pathname === '/' && url.search === '' && url.hash === '';
}

function urlOf(entry: string): URL | null {
  const text = /^https?:\/\//i.test(entry) ? entry : `https://${entry}`;
  return URL.canParse(text) ? new URL(text) : null;
}

/** @returns what is wrong with sending a secret to `url`, and what to do; `null`: nothing */
export function hostProblem(url: string, { listed, origins }: AllowedHosts): string | null {
  const { origin, protocol, hostname, host } = new URL(url);
  if (PLATFORM_ORIGINS.includes(origin) || origins.includes(origin)) return null;
  const encrypted = protocol === 'https:' || isLoopback(hostname);
  for (const entry of listed) {
    const allowed = urlOf(entry);
    if (allowed === null) continue;
    if (/^https?:\/\//i.test(entry)) {
      if (allowed.origin === origin) return null;
    } else if (encrypted && (hasPort(entry) ? hostOf(entry) === withPort(url) : allowed.hostname === hostname))
      return null;
  }
  const wanted = encrypted ? host : origin;
  return `sends the secret to ${wanted.slice(0, 100)}, which is neither a platform's own host nor named by the configuration file; add "${wanted.slice(0, 100)}" to runtime.allowedHosts, or correct it`;
}

/** @param text - a proxy without a password, as a record may have it */
export function proxyProblem(text: string, { listed, proxies }: AllowedHosts): string | null {
  const read = readProxy(text);
  if (read.kind !== 'proxy' || proxies === null) return null;
  const at = hostPort(read.proxy.host, read.proxy.port);
  const allowed = listed
    .map((entry) => urlOf(entry))
    .some((url) => url?.hostname.replace(/^\[|\]$/g, '') === read.proxy.host);
  if (allowed || proxies.includes(at)) return null;
  return `goes through ${at.slice(0, 100)}, a proxy that the configuration does not name; add "${at.slice(0, 100)}" to runtime.allowedHosts, or give it as a reference`;
}

function hasPort(entry: string): boolean {
  return /:\d+$/.test(entry);
}

function hostOf(entry: string): string {
  return entry.toLowerCase();
}

/** `host:port`, also for the port that goes without saying. */
function withPort(text: string): string {
  const { hostname, port, protocol } = new URL(text);
  return `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`;
}

function isLoopback(hostname: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}
