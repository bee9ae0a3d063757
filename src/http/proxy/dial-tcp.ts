/**
 * A TCP connection to a name: an address that answers is used, whatever its family and round trip. Attempts begin one
 * after the other and then run side by side (RFC 8305 §5). Node's own selection cuts every address but the last after
 * 250 ms: a name with A and AAAA records was never reached where IPv4 took longer and IPv6 had no route (G03).
 */
import { ADDRCONFIG, type LookupAddress, lookup as systemLookup } from 'node:dns';
import { connect, isIP, type Socket } from 'node:net';
import { firstToSucceed } from '../../async/first-to-succeed.ts';

/** "Connection Attempt Delay". @see RFC 8305 §8 */
export const NEXT_ADDRESS_AFTER_MS = 250;
/** As undici's own. */
const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000, highWaterMark: 64 * 1024 };

/** How names become addresses: as `dns.lookup`, which asks the system. */
export type Lookup = (
  host: string,
  options: { readonly all: true; readonly hints: number },
  callback: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
) => void;

export interface DialOptions {
  readonly signal: AbortSignal;
  /** @defaultValue the system's */
  readonly lookup?: Lookup | undefined;
}

/**
 * @param place - `host` is a name or an address, IPv6 without brackets
 * @returns a connected socket, nothing read from it yet
 * @throws the system's error of the first address, when none answers; that of the lookup
 * @throws the signal's reason when it aborts
 */
export async function dialTcp(
  { host, port }: { readonly host: string; readonly port: number },
  options: DialOptions,
): Promise<Socket> {
  const { signal } = options;
  return firstToSucceed(await addressesOf(host, options), {
    attempt: (address, cut) => connectTo(address, port, cut),
    everyMs: NEXT_ADDRESS_AFTER_MS,
    discard: (socket) => void socket.destroy(),
    signal,
  });
}

/**
 * Addresses of a name, families in turn, beginning with what the system prefers (RFC 8305 §4).
 *
 * @throws the system's error, or the signal's reason: a lookup itself cannot be cut
 */
export function addressesOf(host: string, { signal, lookup = systemLookup }: DialOptions): Promise<readonly string[]> {
  if (isIP(host) !== 0) return Promise.resolve([host]);
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    lookup(host, { all: true, hints: ADDRCONFIG }, (error, found) => {
      signal.removeEventListener('abort', onAbort);
      if (error === null) resolve(inTurn(found));
      else reject(error);
    });
  });
}

function inTurn(found: readonly LookupAddress[]): string[] {
  const preferred = found.filter(({ family }) => family === found[0]?.family);
  const others = found.filter(({ family }) => family !== found[0]?.family);
  const rounds = Array.from({ length: Math.max(preferred.length, others.length) }, (_, n) => [preferred[n], others[n]]);
  return rounds.flat().flatMap((each) => (each === undefined ? [] : [each.address]));
}

function connectTo(host: string, port: number, { signal }: { signal: AbortSignal }): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = connect({ ...SOCKET_OPTIONS, host, port });
    const settle = (how: () => void) => {
      signal.removeEventListener('abort', onAbort);
      how();
    };
    const onAbort = () => {
      socket.destroy();
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    // It stays: an error between two owners of the socket must not be thrown.
    socket.on('error', (error) => settle(() => reject(error)));
    socket.once('connect', () => settle(() => resolve(socket)));
  });
}
