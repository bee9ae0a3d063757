/**
 * One TCP port that can really go away and come back under the same number: dials are then refused by the kernel
 * (ECONNREFUSED), as in an outage.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

const reopenDeadlineMs = 5000;

export type UpgradeListener = (request: IncomingMessage, socket: Socket, head: Buffer) => void;

/** PEM texts of a server certificate. */
export interface TlsIdentity {
  readonly key: string;
  readonly cert: string;
}

export interface ListenAt {
  readonly host: string;
  /** 0 is any free port; the one found is kept. */
  readonly port: number;
  /** @defaultValue plain HTTP */
  readonly tls?: TlsIdentity | undefined;
}

/** Cuts a connection without a goodbye: RST; under TLS, where Node offers none, FIN without a closing alert. */
export function cut(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}

export class Listener {
  readonly #host: string;
  readonly #tls: TlsIdentity | undefined;
  readonly #onRequest: RequestListener;
  readonly #onUpgrade: UpgradeListener | null;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #port: number;

  constructor(at: ListenAt, onRequest: RequestListener, onUpgrade: UpgradeListener | null = null) {
    this.#host = at.host;
    this.#tls = at.tls;
    this.#port = at.port;
    this.#onRequest = onRequest;
    this.#onUpgrade = onUpgrade;
  }

  get port(): number {
    return this.#port;
  }

  get isOpen(): boolean {
    return this.#server !== null;
  }

  /** Opens the port; the same one each time. A passing thief of the port gets 5 s to leave. */
  async open(): Promise<void> {
    if (this.#server !== null) return;
    const deadline = Date.now() + reopenDeadlineMs;
    for (;;) {
      try {
        this.#server = await this.#listen();
        this.#port = (this.#server.address() as AddressInfo).port;
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  /** Refuses new dials. Live sockets stay, idle HTTP connections do not. */
  async refuse(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    // The callback comes when the last connection ends, which may be never; the port itself is free at once.
    server.close();
    server.closeIdleConnections();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Refuses new dials and resets every connection, as a host going down does. */
  async down(): Promise<void> {
    await this.refuse();
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  #listen(): Promise<Server> {
    const settings = { keepAliveTimeout: 5000, ...this.#tls };
    const server =
      this.#tls === undefined ? createServer(settings, this.#onRequest) : createTlsServer(settings, this.#onRequest);
    // Below TLS, so that a reset is one on the wire, too.
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
    });
    const onUpgrade = this.#onUpgrade;
    if (onUpgrade !== null)
      server.on('upgrade', (request, socket: Duplex, head) => onUpgrade(request, socket as Socket, head));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, this.#host, () => {
        server.off('error', reject);
        resolve(server);
      });
    });
  }
}
