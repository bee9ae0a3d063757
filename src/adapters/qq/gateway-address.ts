/** Which gateway may be dialed: the access token is the first thing that it is told. Pure. */
import { followable } from '../../http/followable.ts';
import type { QqOptions } from './options.ts';

export type GatewayOrigin = Pick<QqOptions, 'apiBaseUrl' | 'gatewayHosts'>;

/** The token is the platform's own, so the platform's own gateway may have it, also when a relay of somebody's named it. */
const PLATFORM = new URL('https://api.sgroup.qq.com');
/** Longer ones are of nobody, UTF-16 units. */
const LONGEST_URL = 2_048;

/** @param url - as it was named by discovery, or stored. @returns why not, with what to do; `null`: it may be dialed */
export function whyNotDial(url: string, { apiBaseUrl, gatewayHosts = [] }: GatewayOrigin): string | null {
  if (url.length > LONGEST_URL || !URL.canParse(url)) return 'it is no URL';
  const to = new URL(url);
  const from = new URL(apiBaseUrl);
  if (followable(PLATFORM, to) === 'yes') return null;
  const place = to.host.slice(0, 261);
  switch (followable(from, to, gatewayHosts)) {
    case 'yes':
      return null;
    case 'less-protected':
      return `${to.protocol}//${place} is not encrypted and ${from.host} is: find out who changed it on the way; a relay of your own must name wss://`;
    case 'elsewhere':
      return `${place} does not belong to ${from.host}: if it is right, add its host to gatewayHosts of this connection`;
  }
}
