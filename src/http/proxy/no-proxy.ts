/**
 * `NO_PROXY`: which targets are reached directly. There is no standard; these are the rules of Go and curl, which agree
 * on nearly everything. An entry that makes no sense excepts nothing.
 *
 * - `*`: everything
 * - `example.com`: that host and all below it; `.example.com` and `*.example.com`: only those below
 * - `10.1.2.3`, `fd00::1`, `[fd00::1]`: that address; `10.0.0.0/8`, `fd00::/8`: that network. Only for targets that are
 *   named by address: no name is looked up to find out
 * - any of these with `:port`: for that port alone (IPv6 in brackets then)
 *
 * @see golang.org/x/net/http/httpproxy, Config.NoProxy; curl(1), NO_PROXY; both read 2026-11-22
 */
import { BlockList, isIP } from 'node:net';

export interface Target {
  /** A name or an address in lower case; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** @param list - entries separated by commas or space */
export function parseNoProxy(list: string): (target: Target) => boolean {
  const matchers = list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .map(parseEntry);
  return (target) => {
    const plain = { ...target, host: target.host.replace(/\.$/, '') };
    return matchers.some((matches) => matches(plain));
  };
}

type Matcher = (target: Target) => boolean;

function parseEntry(entry: string): Matcher {
  if (entry === '*') return () => true;
  const { pattern, port } = splitPort(entry);
  const matches = parseHost(pattern);
  return (target) => (port === null || port === target.port) && matches(target);
}

function splitPort(entry: string): { readonly pattern: string; readonly port: number | null } {
  // More than one colon without brackets is an IPv6 address.
  const [, pattern, port] = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/.exec(entry) ?? [];
  const bare = (text: string) => text.replace(/^\[(.*)\]$/, '$1');
  return pattern === undefined ? { pattern: bare(entry), port: null } : { pattern: bare(pattern), port: Number(port) };
}

function parseHost(pattern: string): Matcher {
  const [address = '', bits] = pattern.split('/');
  const family = isIP(address);
  if (family !== 0) return inNetwork(address, family, bits);
  const name = pattern.replace(/^\*(?=\.)/, '').replace(/\.$/, '');
  if (name.startsWith('.')) return ({ host }) => host.endsWith(name);
  return ({ host }) => host === name || host.endsWith(`.${name}`);
}

function inNetwork(address: string, family: number, bits: string | undefined): Matcher {
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const network = new BlockList();
  if (bits === undefined) network.addAddress(address, type);
  else if (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)) {
    network.addSubnet(address, Number(bits), type);
  } else return () => false;
  return ({ host }) => {
    const kind = isIP(host);
    return kind !== 0 && network.check(host, kind === 4 ? 'ipv4' : 'ipv6');
  };
}
