/**
 * The socket that the web role listens on. It is opened before anything else of a process, and with Node's own parts
 * alone: a taken port is told before a connection is touched, and /healthz answers while Redis is still waited for. The
 * application takes it over when it is there.
 */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { settledWithin } from '../async/abort.ts';
import { FatalError } from '../errors.ts';

export interface Listener {
  readonly server: Server;
  /** Where it can be reached from this machine, without a slash at the end. */
  readonly url: string;
  /** From now on `handler` answers. */
  handOver(handler: RequestListener): void;
  /** Takes nothing new, and cuts what is not answered within {@link FINISH_MS}. Safe to call twice. */
  close(): Promise<void>;
}

/** A request must have arrived whole within this, ms. */
const REQUEST_MS = 10_000;
const IDLE_MS = 5_000;
/** Sockets at a time: far more than people and monitors need, and a bound. */
const MAX_SOCKETS = 1_000;
const FINISH_MS = 1_000;

/** @throws FatalError `LISTEN_FAILED` when the address cannot be had; its cause has the system's code */
export async function listen({ host, port }: { readonly host: string; readonly port: number }): Promise<Listener> {
  let answer: RequestListener = stillStarting;
  const server = createServer({ requestTimeout: REQUEST_MS, keepAliveTimeout: IDLE_MS }, (request, response) =>
    answer(request, response),
  );
  server.maxConnections = MAX_SOCKETS;
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
    close() {
      closing ??= close(server);
      return closing;
    },
  };
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
