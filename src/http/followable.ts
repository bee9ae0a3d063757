/**
 * Which addresses may be used that somebody gave us: a discovery, a stored position, an answer. What goes there holds
 * tokens, so an address may not be less protected than whoever gave it, nor belong to somebody else. Pure.
 */
import { isIP } from 'node:net';
import { getDomain } from 'tldts';

export type Followable =
  | 'yes'
  /** It is not encrypted, and who gave it is. */
  | 'less-protected'
  /** It is of another registrable domain; for addresses and names without one: another host. */
  | 'elsewhere';

/** @param otherHosts - names or addresses that the configuration allows besides, without port */
export function followable(from: URL, to: URL, otherHosts: readonly string[] = []): Followable {
  if (isEncrypted(from) && !isEncrypted(to)) return 'less-protected';
  return isSameOwner(hostOf(from), hostOf(to)) || otherHosts.some((host) => plain(host) === hostOf(to))
    ? 'yes'
    : 'elsewhere';
}

function isEncrypted({ protocol }: URL): boolean {
  return protocol === 'https:' || protocol === 'wss:';
}

function isSameOwner(one: string, other: string): boolean {
  if (one === other || (isLoopback(one) && isLoopback(other))) return true;
  const domain = domainOf(one);
  return domain !== null && domain === domainOf(other);
}

/** As of the Public Suffix List with its private part: two tenants of one hoster are two owners. */
function domainOf(host: string): string | null {
  return getDomain(host, { allowPrivateDomains: true, extractHostname: false });
}

/** All of this machine; no name but this one is looked up. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function hostOf({ hostname }: URL): string {
  return plain(hostname);
}

function plain(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}
