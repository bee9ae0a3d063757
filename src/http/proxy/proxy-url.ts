/** How a proxy is written down: `http://user:password@host:port`, and what may be told about it. All pure. */

/** `socks5h` hands the target's name to the proxy; `socks5` looks it up here, as curl does. */
export type ProxyScheme = 'http' | 'https' | 'socks5' | 'socks5h';

export interface ProxyAddress {
  readonly scheme: ProxyScheme;
  /** A name or an address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** Decoded. `null`: no authentication. */
  readonly credentials: { readonly user: string; readonly password: string } | null;
}

export type ProxyReading =
  | { readonly kind: 'proxy'; readonly proxy: ProxyAddress }
  /** `direct`: no proxy, whatever the environment says. */
  | { readonly kind: 'direct' }
  /** `problem` says what is wrong and what to do, and repeats nothing of the text. */
  | { readonly kind: 'unreadable'; readonly problem: string };

/** `socks` is what GNOME writes. Without a scheme it is an HTTP proxy, as everywhere. */
const SCHEMES: ReadonlyMap<string, ProxyScheme> = new Map([
  ['http:', 'http'],
  ['https:', 'https'],
  ['socks5:', 'socks5'],
  ['socks5h:', 'socks5h'],
  ['socks:', 'socks5h'],
]);
const DEFAULT_PORTS: Readonly<Record<ProxyScheme, number>> = { http: 80, https: 443, socks5: 1080, socks5h: 1080 };
const FORM = 'http://host:port, https://, socks5:// or socks5h://, with user:password@ where it is needed';
/** RFC 1929 has one byte for the length of each. */
const LONGEST_SOCKS_CREDENTIAL = 255;

export function readProxy(text: string): ProxyReading {
  const trimmed = text.trim();
  if (trimmed.toLowerCase() === 'direct') return { kind: 'direct' };
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : `http://${trimmed}`;
  if (!URL.canParse(withScheme)) {
    return unreadable(
      `is not the URL of a proxy; write ${FORM}, and "@", "/", "#" or ":" in a password as %40 and so on`,
    );
  }
  const url = new URL(withScheme);
  const scheme = SCHEMES.get(url.protocol);
  if (scheme === undefined) return unreadable(`has a scheme that is not supported; write ${FORM}`);
  if (url.hostname === '') return unreadable(`names no host; write ${FORM}`);
  if ((url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '') {
    return unreadable(
      `has something behind the port; write ${FORM}, and "/", "?" or "#" in a password as %2F, %3F or %23`,
    );
  }
  const credentials = readCredentials(url);
  if (credentials === undefined)
    return unreadable('has a "%" in user or password that encodes nothing; write it as %25');
  if (scheme.startsWith('socks') && credentials !== null) {
    const sizes = [credentials.user, credentials.password].map((each) => Buffer.byteLength(each));
    if (sizes.some((size) => size === 0 || size > LONGEST_SOCKS_CREDENTIAL)) {
      return unreadable('needs both user and password, of at most 255 bytes each, or neither; correct them');
    }
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const port = url.port === '' ? DEFAULT_PORTS[scheme] : Number(url.port);
  return { kind: 'proxy', proxy: { scheme, host, port, credentials } };
}

/** Decoded; `null` without any; `undefined` when they cannot be decoded. */
function readCredentials({ username, password }: URL): ProxyAddress['credentials'] | undefined {
  if (username === '' && password === '') return null;
  try {
    return { user: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    return undefined;
  }
}

function unreadable(problem: string): ProxyReading {
  return { kind: 'unreadable', problem };
}

/** `http proxy HOST:PORT`. Never a user or password. */
export function describeProxy({ scheme, host, port }: ProxyAddress): string {
  const kind = scheme === 'socks5h' ? 'socks5' : scheme;
  return `${kind} proxy ${hostPort(host, port)}`;
}

/** IPv6 gets its brackets. */
export function hostPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** `Proxy-Authorization: Basic …`; `null` without credentials. */
export function basicAuthorization({ credentials }: ProxyAddress): string | null {
  if (credentials === null) return null;
  return `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')}`;
}

/** Every spelling in which the secret of `text` may show up somewhere. None where `text` has no credentials. */
export function secretsIn(text: string): readonly string[] {
  const read = readProxy(text);
  if (read.kind !== 'proxy' || read.proxy.credentials === null) return [];
  const { user, password } = read.proxy.credentials;
  const basic = Buffer.from(`${user}:${password}`).toString('base64');
  // A token may stand in the place of the user, without a password.
  return [text.trim(), password === '' ? user : password, basic];
}
