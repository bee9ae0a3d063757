/**
 * One request on a pool, and the answer as it comes. All that ends it ends here: the deadline (DNS, TCP, TLS, headers, the
 * last byte of the body: a server that drips a byte a second is as gone as one that is silent), the signal, a cut, the
 * network. A failure says whether the request can have reached the server, because only that decides whether a send may
 * be repeated.
 */
import type { Dispatcher, Pool } from 'undici';
import { CutHere, HttpFailure, inWords } from './http-failure.ts';
import type { Dialer } from './proxy/dialer.ts';

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bound of the whole call, ms. */
  readonly deadlineMs: number;
  /** Names the call in errors. URLs may hold secrets, so they never appear there. */
  readonly what: string;
}

export interface ExchangeOptions {
  readonly call: HttpCall;
  readonly body: string | null;
  readonly url: URL;
  readonly pool: Pool;
  readonly dialer: Dialer;
  readonly signal: AbortSignal;
  /** Where to leave a way to cut it while it is out. */
  readonly cuts: Set<() => void>;
  /** Called once, whatever ended it. @param leave - what follows shall not use this pool */
  over(leave: boolean): void;
}

export interface AnswerHead {
  readonly status: number;
  /** Names in lower case; repeated headers joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Either {@link end} or {@link failed} comes, once, and nothing after it. */
export interface ExchangeListener {
  head(head: AnswerHead): void;
  /** Bytes as they were sent: see content-encoding.ts. */
  data(chunk: Buffer): void;
  end(): void;
  /** @param reason - HttpFailure, or the signal's own reason */
  failed(reason: unknown): void;
}

export interface Exchange {
  /** No more is wanted: the socket is closed unread, and {@link ExchangeListener.end} called. */
  enough(): void;
  fail(failure: HttpFailure): void;
  pause(): void;
  resume(): void;
}

export function startExchange(options: ExchangeOptions, listener: ExchangeListener): Exchange {
  const { call, body, url, pool, dialer, signal, cuts } = options;
  let controller: Dispatcher.DispatchController | undefined;
  let over = false;
  let status = 0;

  const finish = (leave: boolean, tell: () => void) => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    cuts.delete(cut);
    options.over(leave);
    tell();
  };
  const fail = (failure: HttpFailure) => {
    finish(!(failure instanceof CutHere), () => listener.failed(failure));
    controller?.abort(failure);
  };
  const maybeSent = () => controller !== undefined;
  const failAs = (code: HttpFailure['code'], why: string, cause?: unknown) =>
    fail(new HttpFailure(code as 'TRANSPORT', `${call.what}: ${why}`, maybeSent(), cause));
  const onAbort = () => {
    finish(false, () => listener.failed(signal.reason));
    controller?.abort(new Error('aborted'));
  };
  const cut = () => fail(new CutHere('TRANSPORT', `${call.what}: cut on this side`, maybeSent()));
  const timer = setTimeout(() => {
    const dialing = controller === undefined ? dialer.waitingFor(url) : null;
    const waiting = dialing === null ? '' : `, waiting for ${dialing}`;
    failAs('DEADLINE', `no answer within ${call.deadlineMs} ms${waiting}`);
  }, call.deadlineMs);
  signal.addEventListener('abort', onAbort, { once: true });
  cuts.add(cut);

  const handler: Dispatcher.DispatchHandler = {
    // Called when a socket stands and the head of the request is about to be written, not earlier.
    onRequestStart(started) {
      if (over) started.abort(new Error('it is over already'));
      else controller = started;
    },
    onResponseStart(_controller, statusCode, received) {
      // 103 and its like: the answer is still to come.
      if (statusCode < 200 || over) return;
      status = statusCode;
      const headers = flatten(received);
      if (isRedirect(status)) failAs('HTTP_REDIRECT', redirected(status, headers.location, url));
      else listener.head({ status, headers });
    },
    onResponseData(_controller, chunk) {
      if (!over) listener.data(chunk);
    },
    onResponseEnd() {
      finish(false, () => listener.end());
    },
    onResponseError(_controller, error) {
      const why = inWords(error, dialer.placeOf(url));
      if (status === 0) failAs('TRANSPORT', why, error);
      else failAs('HTTP_BODY', `the answer (HTTP ${status}) was cut short (${why})`, error);
    },
  };
  pool.dispatch(
    {
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: call.method,
      headers: {
        ...(body === null ? {} : { 'content-type': 'application/json' }),
        // What answers compressed all the same is unpacked within the same bounds.
        'accept-encoding': 'identity',
        ...call.headers,
      },
      body,
    },
    handler,
  );

  return {
    enough() {
      // Left: a pool dials anew in the place of a request that is cut (undici 7.30).
      finish(true, () => listener.end());
      controller?.abort(new Error('no more is wanted'));
    },
    fail,
    pause: () => controller?.pause(),
    resume: () => controller?.resume(),
  };
}

/** 304 only answers conditions, which nobody here makes. */
export function isRedirect(status: number): boolean {
  return status >= 300 && status < 400 && status !== 304;
}

/** Names the host alone: paths and queries may hold secrets. */
export function redirected(status: number | undefined, location: string | undefined, from: URL): string {
  const to = location !== undefined && URL.canParse(location, from.href) ? new URL(location, from.href).host : '';
  const where = to === '' ? 'nowhere' : to === from.host ? 'another address of the same host' : to.slice(0, 261);
  return `redirected to ${where} (HTTP ${status}), which is not followed: correct the URL in the configuration`;
}

function flatten(received: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(received).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
}
