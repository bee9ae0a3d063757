/**
 * The socket that the web role listens on. It is opened before anything else of a process, and with Node's own parts
 * alone: a taken port is told before a connection is touched, and /healthz answers while Redis is still waited for. The
 * application takes it over when it is there.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { settledWithin } from '../async/abort.ts';
import { FatalError } from '../errors.ts';
import type { WebRefusal } from '../state/measurements.ts';
import { callerOf } from './callers.ts';
import { Refusals } from './refusals.ts';
import { type Bounds, type Busy, SocketBook } from './socket-book.ts';

export interface Listener {
  readonly server: Server;
  /** Where it can be reached from this machine, without a slash at the end. */
  readonly url: string;
  /** From now on `handler` answers. */
  handOver(handler: RequestListener): void;
  /** A caller at `address` was refused by whoever answers. */
  refused(why: WebRefusal, address: string): void;
  /** Takes nothing new, and cuts what is not answered within {@link FINISH_MS}. Safe to call twice. */
  close(): Promise<void>;
}

/** A request must have arrived whole within this, ms. */
const REQUEST_MS = 10_000;
/** Its line and headers within this, ms. */
const HEADERS_MS = 5_000;
/** How often both are looked at, ms. */
const CHECK_EVERY_MS = 1_000;
const IDLE_MS = 5_000;
/** Far more than people and monitors need, also behind one proxy that opens many at once. */
const BOUNDS: Bounds = { waitingOfCaller: 250, waiting: 500, busyOfCaller: 200, busy: 800, reserve: 100 };
const FINISH_MS = 1_000;

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** Called for each socket that is cut and each request that is refused. */
  onRefused(why: WebRefusal): void;
  readonly log: Logger;
}

/** @throws FatalError `LISTEN_FAILED` when the address cannot be had; its cause has the system's code */
export async function listen({ host, port, onRefused, log }: ListenOptions): Promise<Listener> {
  let answer: RequestListener = stillStarting;
  const refusals = new Refusals(log, onRefused);
  const book = new SocketBook(BOUNDS, (why, caller) => refusals.note(why, caller));
  const timeouts = { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, keepAliveTimeout: IDLE_MS };
  const server = createServer({ ...timeouts, connectionsCheckingInterval: CHECK_EVERY_MS }, (request, response) => {
    if (admit(book, request, response)) answer(request, response);
    else refuse(response);
  });
  server.on('connection', (socket) => book.open(socket));
  // Behind the book: what is cut takes a moment to be gone.
  server.maxConnections = 2 * (BOUNDS.waiting + BOUNDS.busy + BOUNDS.reserve);
  server.on('drop', (dropped) => refusals.note('waiting', callerOf(dropped?.remoteAddress)));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(new FatalError('LISTEN_FAILED', explainRefusal(cause, host, port), { cause })),
    );
    server.listen({ host, port }, resolve);
  });
  let closing: Promise<void> | undefined;
  return {
    server,
    url: urlOf(server.address() as AddressInfo),
    handOver(handler) {
      answer = handler;
    },
    refused: (why, address) => refusals.note(why, callerOf(address)),
    close() {
      closing ??= close(server).finally(() => refusals.close());
      return closing;
    },
  };
}

/** @returns whether there is room for it; then it is in the book until its answer is out */
function admit(book: SocketBook, request: IncomingMessage, response: ServerResponse): boolean {
  const { socket, url = '' } = request;
  const busy: Busy = { socket, isWhole: () => request.complete };
  if (!book.begin(busy, /^\/(?:healthz|readyz)(?:\?|$)/.test(url))) return false;
  response.once('close', () => book.end(busy));
  return true;
}

function refuse(response: ServerResponse): void {
  response.writeHead(503, {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    'retry-after': '1',
    connection: 'close',
  });
  const detail = 'too many requests are being answered: ask again in a moment';
  response.end(JSON.stringify({ type: 'about:blank', title: 'Service Unavailable', status: 503, detail }));
}

function explainRefusal({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `cannot listen on ${host}:${port}: the port is taken by another process; set http.port to a free one, or end that process`;
    case 'EACCES':
      return `cannot listen on ${host}:${port}: ports below 1024 need a privilege; set http.port to a higher one`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `cannot listen on ${host}:${port}: http.host is no address of this machine`;
    default:
      return `cannot listen on ${host}:${port}: ${message}`;
  }
}

function urlOf({ address, family, port }: AddressInfo): string {
  const reachable = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  return `http://${family === 'IPv6' ? `[${reachable}]` : reachable}:${port}`;
}

const stillStarting: RequestListener = (request, response) => {
  const alive = request.url === '/healthz';
  response.writeHead(alive ? 200 : 503, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(alive ? { status: 'ok' } : { ready: false, reasons: ['still starting'] }));
};

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  if (!(await settledWithin(closed, FINISH_MS))) server.closeAllConnections();
  await closed;
}
