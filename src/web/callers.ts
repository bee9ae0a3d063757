/** Who counts as one caller where something is counted by address. */
import { isIPv6 } from 'node:net';

/**
 * An IPv6 network of a household or a rented machine has 2^64 addresses, and this machine has all of 127.0.0.0/8: each of
 * them is one caller.
 *
 * @returns such as `192.0.2.7`, `2001:db8:0:1::/64`, `this machine`
 */
export function callerOf(address: string | undefined): string {
  if (address === undefined) return 'gone';
  const [, mapped = address] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? [];
  if (mapped === '::1' || /^127\./.test(mapped)) return 'this machine';
  if (!isIPv6(mapped)) return mapped;
  return `${networkOf(mapped)}::/64`;
}

/** The first four groups, without leading zeros. */
function networkOf(address: string): string {
  const [plain = ''] = address.split('%');
  const [before = '', after] = plain.split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const groups =
    after === undefined ? head : [...head, ...Array(Math.max(0, 8 - head.length - tail.length)).fill('0'), ...tail];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
