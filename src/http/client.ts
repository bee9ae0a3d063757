/**
 * HTTP calls with one deadline over everything, and bounds on everything that comes back: see exchange.ts, whole-answer.ts
 * and streamed-answer.ts. Redirects are refused. Whatever leaves this process by HTTP goes through here (one-transport
 * test).
 */
import { Pool } from 'undici';
import type { ExchangeOptions, HttpCall } from './exchange.ts';
import { MOST_HEAD_BYTES } from './http-failure.ts';
import { createDialer, type Dialer } from './proxy/dialer.ts';
import { openStream, type StreamedAnswer } from './streamed-answer.ts';
import { type HttpAnswer, readWhole } from './whole-answer.ts';

export { HttpFailure } from './http-failure.ts';
export type { HttpAnswer } from './whole-answer.ts';

export interface HttpRequest extends HttpCall {
  /** Sent as JSON. */
  readonly json?: unknown;
  /** A longer body is a failure, bytes. @defaultValue the client's */
  readonly maxBodyBytes?: number;
  /**
   * What comes behind these is not read, and nobody misses it, bytes. @defaultValue all is read, and of answers with a
   * status of 400 and above 4 KiB
   */
  readonly enoughBytes?: number;
  /** Parse the answer when `json` is first asked for: its text may be worth a look before. */
  readonly readLater?: true;
}

export interface HttpStreamRequest extends HttpCall {
  /** JSON, as it is sent. */
  readonly body?: string;
  /** A longer body is a failure, bytes. @defaultValue the client's */
  readonly maxBodyBytes?: number;
}

export interface HttpSocketsOptions {
  /** Opens the sockets. @defaultValue one that goes straight to the target, within 5000 ms */
  readonly dialer?: Dialer;
  /** Longest body that is read, unpacked, bytes. @defaultValue 4 MiB */
  readonly maxBodyBytes?: number;
  /** Sockets per origin; calls beyond wait for one. `null`: as many as there are calls. @defaultValue 64 */
  readonly connections?: number | null;
}

/**
 * An idle socket is used again for so long, ms, whatever the server offers. Whoever is in between (a forward proxy, a
 * NAT) may end it at an age of its own choice, and a request written at that moment has an unknown fate: a send without
 * an idempotency key is then kept for a person instead of being repeated. A new socket costs a round trip or three.
 */
const IDLE_FOR_MS = 1_000;

export interface HttpClient {
  /**
   * Any status but a redirect's is an answer; the caller knows what it means.
   *
   * @throws HttpFailure when the connection failed, the deadline passed, the answer was a redirect, or the body was cut or
   *   too long
   * @throws the signal's own reason when it aborts
   */
  request(request: HttpRequest, options: { signal: AbortSignal }): Promise<HttpAnswer>;
  /** Cuts every call of this client, and none of others. It stays usable; its next calls dial anew. */
  destroy(): Promise<void>;
}

export interface StreamingHttpClient extends HttpClient {
  /** As {@link HttpClient.request}, and the answer comes when it begins. The deadline is over all of it. */
  stream(request: HttpStreamRequest, options: { signal: AbortSignal }): Promise<StreamedAnswer>;
}

export interface LentHttpClient extends StreamingHttpClient {
  /** Cuts every call of this client. Sockets between calls are left to others. */
  cut(): void;
}

/** Sockets that clients share: idle ones of one serve the next call of another to the same origin. */
export interface HttpSockets {
  client(): LentHttpClient;
}

/** A client with sockets of its own. */
export function createHttpClient(options: HttpSocketsOptions = {}): StreamingHttpClient {
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
  const begin = (call: HttpCall, body: string | null, signal: AbortSignal, cuts: Set<() => void>): ExchangeOptions => {
    signal.throwIfAborted();
    const url = new URL(call.url);
    const pool = poolFor(url.origin);
    pool.calls += 1;
    const over = (isLeft: boolean) => {
      pool.calls -= 1;
      if (isLeft) void leave(url.origin, pool);
      else if (pool.isLeft) void pool.closeWhenIdle();
    };
    return { call, body, url, pool: pool.pool, dialer, signal, cuts, over };
  };

  return {
    client() {
      const cuts = new Set<() => void>();
      const cut = () => {
        for (const each of cuts) each();
      };
      return {
        async request(request, { signal }) {
          const body = request.json === undefined ? null : JSON.stringify(request.json);
          const bounds = {
            mostBytes: request.maxBodyBytes ?? maxBodyBytes,
            enoughBytes: request.enoughBytes ?? Infinity,
            readLater: request.readLater ?? false,
          };
          return readWhole(begin(request, body, signal, cuts), bounds);
        },
        async stream(request, { signal }) {
          const bounds = { mostBytes: request.maxBodyBytes ?? maxBodyBytes };
          return openStream(begin(request, request.body ?? null, signal, cuts), bounds);
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
      maxHeaderSize: MOST_HEAD_BYTES,
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
