/**
 * A TCP connection to the target through a proxy. undici speaks CONNECT and the package `socks` speaks SOCKS5; here is
 * only what they leave open: one signal that cuts the attempt wherever it stands, and reasons that tell one failure from
 * another. Every failure is transient: proxies restart, and so do networks.
 *
 * Plain `http:` and `ws:` targets go through CONNECT as well (undici's own default): a proxy that sees no requests cannot
 * cache, rewrite or repeat them.
 */
import type { Socket } from 'node:net';
import { SocksClient } from 'socks';
import { type buildConnector, Client } from 'undici';
import { firstToSucceed } from '../../async/first-to-succeed.ts';
import { addressesOf, type Lookup, NEXT_ADDRESS_AFTER_MS } from './dial-tcp.ts';
import { basicAuthorization, describeProxy, hostPort, type ProxyAddress } from './proxy-url.ts';
import type { Reach } from './reach.ts';

/** The message is the whole reason, in words a search finds; it names proxy and target, and no credentials. */
export class TunnelFailure extends Error {
  override readonly name = 'TunnelFailure';
}

export interface TunnelTarget {
  readonly host: string;
  readonly port: number;
}

export interface TunnelOptions {
  /** Opens the socket to the proxy, with TLS for `https`. */
  readonly reach: Reach;
  /** For targets that are looked up here. @defaultValue the system's */
  readonly lookup?: Lookup | undefined;
  /** Told what is waited for now, to complete "waiting for …". */
  readonly onWait: (forWhat: string) => void;
  /** Cuts the attempt and its socket. */
  readonly signal: AbortSignal;
}

/**
 * @returns a socket to the target, nothing read from it yet
 * @throws TunnelFailure
 * @throws the signal's reason when it aborts
 */
export async function openTunnel(proxy: ProxyAddress, target: TunnelTarget, options: TunnelOptions): Promise<Socket> {
  options.signal.throwIfAborted();
  options.onWait(`a connection to ${describeProxy(proxy)}`);
  try {
    return await (isSocks(proxy) ? openSocks(proxy, target, options) : openConnect(proxy, target, options));
  } catch (error) {
    options.signal.throwIfAborted();
    throw error;
  }
}

function isSocks({ scheme }: ProxyAddress): boolean {
  return scheme === 'socks5' || scheme === 'socks5h';
}

async function openConnect(proxy: ProxyAddress, target: TunnelTarget, options: TunnelOptions): Promise<Socket> {
  const { reach, onWait, signal } = options;
  const authority = hostPort(target.host, target.port);
  let reached = false;
  const client = new Client(`${proxy.scheme}://${hostPort(proxy.host, proxy.port)}`, {
    // undici would check the proxy's certificate against the Host of the request, which is the target.
    connect: (_to, callback) =>
      void reach(placeOf(proxy), { signal }).then(
        (socket) => {
          reached = true;
          onWait(`the answer of ${describeProxy(proxy)} to CONNECT ${authority}`);
          callback(null, socket);
        },
        (error: Error) => callback(error, null),
      ),
    // The signal bounds the whole.
    headersTimeout: 0,
  });
  const authorization = basicAuthorization(proxy);
  const headers = { host: authority, ...(authorization === null ? {} : { 'proxy-authorization': authorization }) };
  try {
    const { statusCode, socket } = await client.connect({ path: authority, headers, signal });
    if (statusCode >= 200 && statusCode < 300) return socket as Socket;
    socket.on('error', () => {}).destroy();
    throw failure(proxy, target, refusalInWords(statusCode));
  } catch (error) {
    if (error instanceof TunnelFailure) throw error;
    const why = reached ? `the proxy broke off during CONNECT (${detailOf(error)})` : unreachable(proxy, error);
    throw failure(proxy, target, why, error);
  } finally {
    // The socket of a tunnel no longer belongs to it.
    client.destroy().catch(() => {});
  }
}

/** Where the name is looked up here, the proxy is asked for one address after the other, side by side. */
async function openSocks(proxy: ProxyAddress, target: TunnelTarget, options: TunnelOptions): Promise<Socket> {
  const { signal } = options;
  if (proxy.scheme === 'socks5h') return askSocks(proxy, target, target.host, options);
  return firstToSucceed(await lookUpHere(proxy, target, options), {
    attempt: (address, cut) => askSocks(proxy, target, address, { ...options, ...cut }),
    everyMs: NEXT_ADDRESS_AFTER_MS,
    discard: (socket) => void socket.destroy(),
    signal,
  });
}

async function askSocks(
  proxy: ProxyAddress,
  target: TunnelTarget,
  host: string,
  { reach, onWait, signal }: TunnelOptions,
): Promise<Socket> {
  const socket = await reach(placeOf(proxy), { signal }).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : failure(proxy, target, unreachable(proxy, error), error);
  });
  onWait(`the SOCKS answer of ${describeProxy(proxy)} for ${hostPort(target.host, target.port)}`);
  const cut = () => void socket.destroy();
  if (signal.aborted) cut();
  signal.addEventListener('abort', cut, { once: true });
  const { credentials } = proxy;
  try {
    await SocksClient.createConnection({
      proxy: {
        host: proxy.host,
        port: proxy.port,
        type: 5,
        ...(credentials === null ? {} : { userId: credentials.user, password: credentials.password }),
      },
      command: 'connect',
      destination: { host, port: target.port },
      existing_socket: socket,
      timeout: NEVER_MS,
    });
    return socket;
  } catch (error) {
    // Without a cause: the error of this package carries the password among its options.
    throw failure(proxy, target, socksInWords(error instanceof Error ? error.message : String(error)));
  } finally {
    signal.removeEventListener('abort', cut);
  }
}

function placeOf({ scheme, host, port }: ProxyAddress): buildConnector.Options {
  const protocol = scheme === 'https' ? 'https:' : 'http:';
  return { hostname: host, host: hostPort(host, port), protocol, port: String(port) };
}

/** The signal bounds the handshake; this only keeps the package's own 30 s away. */
const NEVER_MS = 2 ** 31 - 1;

async function lookUpHere(
  proxy: ProxyAddress,
  target: TunnelTarget,
  { signal, lookup }: TunnelOptions,
): Promise<readonly string[]> {
  try {
    return await addressesOf(target.host, { signal, lookup });
  } catch (error) {
    signal.throwIfAborted();
    const why = `DNS lookup failed here (${codeOf(error)}; socks5h:// would leave it to the proxy)`;
    throw failure(proxy, target, why, error);
  }
}

/** `why` and then the two places: `proxy connection refused (ECONNREFUSED) [http proxy 10.0.0.1:3128 → api.example:443]`. */
export function failure(proxy: ProxyAddress, target: TunnelTarget, why: string, cause?: unknown): TunnelFailure {
  const places = `${describeProxy(proxy)} → ${hostPort(target.host, target.port)}`;
  return new TunnelFailure(`${why} [${places}]`, cause === undefined ? undefined : { cause });
}

function refusalInWords(status: number): string {
  switch (status) {
    case 401:
      // tinyproxy, to a password that is wrong; RFC 9110 has 407 for that, too.
      return 'proxy authentication refused (401): check user and password of the proxy';
    case 407:
      return 'proxy authentication required (407): check user and password of the proxy';
    case 403:
      return 'the proxy does not allow this target (403 to CONNECT)';
    case 502:
    case 503:
    case 504:
      return `the proxy cannot reach the target or is overloaded (${status} to CONNECT)`;
    default:
      return `the proxy refused the tunnel (${status} to CONNECT)`;
  }
}

function unreachable(proxy: ProxyAddress, error: unknown): string {
  const code = codeOf(error);
  switch (code) {
    case 'ECONNREFUSED':
      return `proxy connection refused (${code})`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `DNS lookup of the proxy failed (${code})`;
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
      return `proxy connection timed out (${code})`;
    default:
      return `${proxy.scheme === 'https' ? 'connection or TLS to the proxy failed' : 'proxy unreachable'} (${detailOf(error)})`;
  }
}

/** Messages of `socks` 2.8: the reply of the proxy stands at their end, such as "- ConnectionRefused". */
function socksInWords(message: string): string {
  const [, reply] = / - (\w+)$/.exec(message) ?? [];
  if (reply !== undefined) {
    const words = reply.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).toLowerCase();
    return `the SOCKS proxy refused the tunnel: ${words}`;
  }
  if (/authenticat/i.test(message)) return 'SOCKS proxy authentication refused: check user and password of the proxy';
  return `the proxy broke off during the SOCKS handshake (${message})`;
}

/** Code and message, as far as there are any; messages of sockets and TLS hold no secrets. */
export function detailOf(error: unknown): string {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  return code === undefined || message.includes(code) ? message : `${code}: ${message}`;
}

/** Of several tries (IPv6 and IPv4 of one name) the first one's. */
function codeOf(error: unknown): string | undefined {
  const { code, errors } = (error ?? {}) as { code?: unknown; errors?: unknown };
  if (typeof code === 'string') return code;
  return Array.isArray(errors) && errors.length > 0 ? codeOf(errors[0]) : undefined;
}
