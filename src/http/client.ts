/**
 * HTTP calls with one deadline over everything (DNS, TCP, TLS, headers, the last byte of the body): a server that drips
 * a byte a second is as gone as one that is silent. A failure says whether the request can have reached the server,
 * because only that decides whether a send may be repeated.
 */
import { type Dispatcher, Pool } from 'undici';
import { TransientError } from '../errors.ts';
import { createDialer, type Dialer } from './proxy/dialer.ts';
import { TunnelFailure } from './proxy/tunnel.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Bound of the whole call, ms. */
  readonly deadlineMs: number;
  /** Longest body that is read, bytes. @defaultValue the client's */
  readonly maxBodyBytes?: number;
  /** Names the call in errors. URLs may hold secrets, so they never appear there. */
  readonly what: string;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case; repeated headers joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** The parsed body, or `undefined` where it is no JSON (empty, HTML of a proxy). */
  readonly json: unknown;
  /** `Retry-After`, ms from now; `null` when absent or unreadable. */
  readonly retryAfterMs: number | null;
}

/** No usable answer came. */
export class HttpFailure extends TransientError {
  /** False: the request provably never left this host. True: the server may have acted on it. */
  readonly maybeSent: boolean;

  constructor(code: 'TRANSPORT' | 'DEADLINE' | 'HTTP_BODY', message: string, maybeSent: boolean, cause?: unknown) {
    super(code, message, { cause });
    this.maybeSent = maybeSent;
  }
}

export interface HttpSocketsOptions {
  /** Opens the sockets. @defaultValue one that goes straight to the target, within 5000 ms */
  readonly dialer?: Dialer;
  /** Longest body that is read, bytes. @defaultValue 4 MiB */
  readonly maxBodyBytes?: number;
  /** Sockets per origin; calls beyond wait for one. `null`: as many as there are calls. @defaultValue 64 */
  readonly connections?: number | null;
}

/** We ended the call ourselves, which says nothing about the sockets to its host. */
class CutHere extends HttpFailure {
  override readonly name = 'HttpFailure';
}

/**
 * An idle socket is used again for so long, ms, whatever the server offers. Whoever is in between (a forward proxy, a
 * NAT) may end it at an age of its own choice, and a request written at that moment has an unknown fate: a send without
 * an idempotency key is then kept for a person instead of being repeated. A new socket costs a round trip or three.
 */
const IDLE_FOR_MS = 1_000;

export interface HttpClient {
  /**
   * Any status is an answer; the caller knows what it means.
   *
   * @throws HttpFailure when the connection failed, the deadline passed, or the body was cut or too long
   * @throws the signal's own reason when it aborts
   */
  request(request: HttpRequest, options: { signal: AbortSignal }): Promise<HttpAnswer>;
  /** Cuts every call of this client, and none of others. It stays usable; its next calls dial anew. */
  destroy(): Promise<void>;
}

export interface LentHttpClient extends HttpClient {
  /** Cuts every call of this client. Sockets between calls are left to others. */
  cut(): void;
}

/** Sockets that clients share: idle ones of one serve the next call of another to the same origin. */
export interface HttpSockets {
  client(): LentHttpClient;
}

/** A client with sockets of its own. */
export function createHttpClient(options: HttpSocketsOptions = {}): HttpClient {
  return createHttpSockets(options).client();
}

export function createHttpSockets(options: HttpSocketsOptions = {}): HttpSockets {
  const { maxBodyBytes = 4 * 1024 * 1024, connections = 64 } = options;
  const dialer = options.dialer ?? createDialer({ router: () => ({ kind: 'direct' }) });
  /** By origin. Made with the first call, left behind after a failure. */
  const pools = new Map<string, Sockets>();

  const poolFor = (origin: string): Sockets => {
    const known = pools.get(origin);
    if (known !== undefined) return known;
    const made = new Sockets(origin, dialer, connections);
    pools.set(origin, made);
    return made;
  };
  /** Calls that follow dial anew; those in flight finish on the old sockets, each at its own deadline. */
  const leave = (origin: string, pool: Sockets) => {
    if (pools.get(origin) === pool) pools.delete(origin);
    return pool.closeWhenIdle();
  };

  return {
    client() {
      const cuts = new Set<() => void>();
      const cut = () => {
        for (const each of cuts) each();
      };
      return {
        async request(request, { signal }) {
          signal.throwIfAborted();
          const url = new URL(request.url);
          const pool = poolFor(url.origin);
          pool.calls += 1;
          try {
            const limit = request.maxBodyBytes ?? maxBodyBytes;
            return await exchange({ pool: pool.pool, dialer, request, url, maxBodyBytes: limit, signal, cuts });
          } catch (error) {
            if (error instanceof HttpFailure && !(error instanceof CutHere)) void leave(url.origin, pool);
            throw error;
          } finally {
            pool.calls -= 1;
            if (pool.isLeft) void pool.closeWhenIdle();
          }
        },
        cut,
        async destroy() {
          cut();
          await Promise.all([...pools].map(([origin, pool]) => leave(origin, pool)));
        },
      };
    },
  };
}

/** Sockets to one origin, and how many calls are out on them. */
class Sockets {
  readonly pool: Pool;
  calls = 0;
  isLeft = false;

  constructor(origin: string, { connect }: Dialer, connections: number | null) {
    // The two timeouts are off because the deadline of the call covers them.
    this.pool = new Pool(origin, {
      connect,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: IDLE_FOR_MS,
      keepAliveMaxTimeout: IDLE_FOR_MS,
      connections,
    });
  }

  /** At once where no call is out; else whoever ends the last one calls again. Never rejects. */
  async closeWhenIdle(): Promise<void> {
    this.isLeft = true;
    if (this.calls === 0) await this.pool.destroy().catch(() => {});
  }
}

interface Exchange {
  readonly pool: Pool;
  readonly dialer: Dialer;
  readonly request: HttpRequest;
  readonly url: URL;
  readonly maxBodyBytes: number;
  readonly signal: AbortSignal;
  /** Where to leave a way to cut it while it is out. */
  readonly cuts: Set<() => void>;
}

function exchange({ pool, dialer, request, url, maxBodyBytes, signal, cuts }: Exchange): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined;
    let over: { readonly reason: Error } | undefined;
    let status = 0;
    let headers: Readonly<Record<string, string>> = {};
    let size = 0;
    const chunks: Buffer[] = [];

    const finish = (settle: () => void, reason: Error) => {
      if (over !== undefined) return;
      over = { reason };
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      cuts.delete(cut);
      settle();
    };
    const failWith = (failure: HttpFailure) => {
      finish(() => reject(failure), failure);
      controller?.abort(failure);
    };
    const maybeSent = () => controller !== undefined;
    const fail = (code: HttpFailure['code'], why: string, cause?: unknown) =>
      failWith(new HttpFailure(code as 'TRANSPORT', `${request.what}: ${why}`, maybeSent(), cause));
    const onAbort = () => {
      finish(() => reject(signal.reason), new Error('aborted'));
      controller?.abort(new Error('aborted'));
    };
    const timer = setTimeout(() => {
      const dialing = controller === undefined ? dialer.waitingFor(url) : null;
      const waiting = dialing === null ? '' : `, waiting for ${dialing}`;
      fail('DEADLINE', `no answer within ${request.deadlineMs} ms${waiting}`);
    }, request.deadlineMs);
    signal.addEventListener('abort', onAbort, { once: true });
    const cut = () => failWith(new CutHere('TRANSPORT', `${request.what}: cut on this side`, maybeSent()));
    cuts.add(cut);

    const body = request.json === undefined ? null : JSON.stringify(request.json);
    const handler: Dispatcher.DispatchHandler = {
      // Called when a socket stands and the head of the request is about to be written, not earlier.
      onRequestStart(started) {
        if (over === undefined) controller = started;
        else started.abort(over.reason);
      },
      onResponseStart(_controller, statusCode, received) {
        status = statusCode;
        headers = flatten(received);
      },
      onResponseData(_controller, chunk) {
        size += chunk.length;
        if (size > maxBodyBytes) fail('HTTP_BODY', `the answer is longer than ${maxBodyBytes} bytes`);
        else chunks.push(chunk);
      },
      onResponseEnd() {
        const answer = readAnswer(status, headers, Buffer.concat(chunks).toString('utf8'));
        finish(() => resolve(answer), new Error('answered'));
      },
      onResponseError(_controller, error) {
        if (status === 0) fail('TRANSPORT', inWords(error, dialer.placeOf(url)), error);
        else
          fail(
            'HTTP_BODY',
            `the answer (HTTP ${status}) was cut short (${inWords(error, dialer.placeOf(url))})`,
            error,
          );
      },
    };
    pool.dispatch(
      {
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: request.method,
        headers: { ...(body === null ? {} : { 'content-type': 'application/json' }), ...request.headers },
        body,
      },
      handler,
    );
  });
}

function flatten(received: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(received).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
}

function readAnswer(status: number, headers: Readonly<Record<string, string>>, text: string): HttpAnswer {
  return { status, headers, text, json: parseJson(text), retryAfterMs: readRetryAfter(headers['retry-after']) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Seconds or an HTTP date (RFC 9110 §10.2.3). @returns ms from now, at least 0; `null` when unreadable */
export function readRetryAfter(value: string | undefined, now = Date.now()): number | null {
  if (value === undefined) return null;
  const text = value.trim();
  if (/^\d{1,9}(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000);
  // Date.parse alone would take "-1" for a day in 2001.
  const at = /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

/** A network error in words a search finds: the system's code, and where it went. */
export function inWords(error: unknown, place: string): string {
  if (error instanceof TunnelFailure) return error.message;
  const code = codeOf(error);
  switch (code) {
    case 'ECONNREFUSED':
      return `connection refused (ECONNREFUSED ${place})`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `DNS lookup failed (${code} ${place})`;
    case 'ECONNRESET':
    case 'UND_ERR_SOCKET':
      return `connection reset (${code} ${place})`;
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return `connect timed out (${code} ${place})`;
    case undefined:
      return `${error instanceof Error ? error.message : String(error)} (${place})`;
    default:
      return `${code} ${place}`;
  }
}

/** The system's code; of several tries (IPv6 and IPv4 of one name) the first one's. */
function codeOf(error: unknown): string | undefined {
  const { code, errors, cause } = (error ?? {}) as { code?: unknown; errors?: unknown; cause?: unknown };
  if (typeof code === 'string') return code;
  if (Array.isArray(errors) && errors.length > 0) return codeOf(errors[0]);
  return cause === undefined ? undefined : codeOf(cause);
}
