/** The platform that does not exist: what an emulator has to have, and no more. Real sockets, strict, with a journal. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { FaultOrders } from '../emulators/fault-orders.ts';
import { cut, Listener } from '../emulators/listener.ts';

/** What can be ordered to happen to a call instead of an answer. `isApplied`: the platform does what was asked all the same. */
export type CallFault =
  | { readonly name: 'hang' | 'reset' | 'html'; readonly isApplied: boolean }
  | { readonly name: 'drip' }
  | { readonly name: 'too-many'; readonly retryAfterS: number };

interface Points {
  poll: CallFault;
  send: CallFault;
}

interface ParcelEvent {
  readonly id: number;
  readonly json: string;
}

/** A call that waits for an event. */
interface Parked {
  readonly response: ServerResponse;
  readonly deadline: NodeJS.Timeout;
}

interface Answer {
  readonly status: number;
  readonly body: object;
  readonly retryAfterS?: number;
}

const CONFLICT: Answer = { status: 409, body: { error: 'another poll' } };
const DRIP_EVERY_MS = 2_000;

export class ParcelPlatform implements AsyncDisposable {
  readonly token = randomBytes(16).toString('hex');
  readonly faults = new FaultOrders<Points, null>(({ phase, point, name }) => this.#note(`${phase} ${point} ${name}`));
  readonly seen: string[] = [];
  /** Ids that a poll has confirmed. */
  readonly confirmed = new Set<string>();
  dials = 0;
  isRevoked = false;
  /** How batches leave. */
  batches: 'as-is' | 'twice' | 'reversed' = 'as-is';
  readonly #journal: string[] = [];
  readonly #door: Listener;
  readonly #sockets = new Set<Socket>();
  readonly #frozen = new WeakSet<Socket>();
  /** Of sends, by their keys. */
  readonly #sent = new Map<string, string>();
  #events: ParcelEvent[] = [];
  #nextId = 1;
  #parked: Parked | null = null;

  private constructor() {
    this.#door = new Listener({ host: '127.0.0.1', port: 0 }, (request, response) => {
      // A client that goes away in the middle of its request is no news.
      this.#handle(request, response).catch(() => response.destroy());
    });
  }

  static async start(): Promise<ParcelPlatform> {
    const platform = new ParcelPlatform();
    await platform.#door.open();
    return platform;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#door.port}`;
  }

  get isHeard(): boolean {
    return this.#parked !== null;
  }

  /** @returns the event's id */
  push(event: object): string {
    const id = this.#nextId++;
    this.#events.push({ id, json: JSON.stringify({ id, ...event }) });
    const parked = this.#parked;
    if (parked !== null) this.#release(parked);
    return String(id);
  }

  say(chat: string, text: string): string {
    return this.push({ kind: 'message', chat, from: `somebody in ${chat}`, text, at: Date.now() });
  }

  forgetAll(): void {
    this.#events = [];
  }

  dropConnections(): void {
    for (const socket of this.#sockets) cut(socket);
  }

  /** Nothing more comes from the sockets open now, and nothing ends them. */
  freeze(): void {
    for (const socket of this.#sockets) this.#frozen.add(socket);
    this.#unpark();
  }

  /** The token is void; whoever waits is told. */
  revoke(): void {
    this.isRevoked = true;
    const parked = this.#unpark();
    if (parked !== null) this.#write(parked.response, { status: 401, body: {} });
  }

  disappear(): Promise<void> {
    return this.#door.down();
  }

  reappear(): Promise<void> {
    return this.#door.open();
  }

  summary(): string {
    return this.#journal.slice(-12).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unpark();
    await this.#door.down();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    if (!this.#sockets.has(socket)) {
      this.#sockets.add(socket);
      this.dials += 1;
      socket.on('close', () => this.#sockets.delete(socket));
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.#note(`${request.method} ${request.url}`);
    if (this.#frozen.has(socket)) return;
    const url = new URL(request.url ?? '/', 'http://parcel');
    const isAllowed = request.headers.authorization === `Bearer ${this.token}` && !this.isRevoked;
    if (!isAllowed) this.#write(response, { status: 401, body: {} });
    else if (request.method === 'GET' && url.pathname === '/v1/events') this.#poll(response, url.searchParams);
    else if (request.method === 'POST' && url.pathname === '/v1/messages') this.#send(response, Buffer.concat(chunks));
    else this.#write(response, { status: 404, body: {} });
  }

  #poll(response: ServerResponse, query: URLSearchParams): void {
    const fault = this.faults.take('poll', null);
    if (fault !== undefined)
      return this.#suffer(response, fault, { status: 200, body: { events: [], oldest: 1, next: 1 } });
    const wait = Number(query.get('wait'));
    const next = Number(query.get('next') ?? this.#events[0]?.id ?? this.#nextId);
    if (!Number.isInteger(wait) || !Number.isInteger(next)) return this.#write(response, { status: 400, body: {} });
    for (const { id } of this.#events) if (id < next) this.confirmed.add(String(id));
    this.#events = this.#events.filter(({ id }) => id >= next);
    const rival = this.#unpark();
    if (rival !== null) this.#write(rival.response, CONFLICT);
    const parked = { response, deadline: setTimeout(() => this.#release(parked), wait) };
    this.#parked = parked;
    response.on('close', () => {
      if (this.#parked === parked) this.#unpark();
    });
    if (this.#events.length > 0 || wait === 0) this.#release(parked);
  }

  #release(parked: Parked): void {
    if (this.#parked !== parked) return;
    this.#unpark();
    const batch = this.#events.map(({ json }) => JSON.parse(json) as object);
    const oldest = this.#events[0]?.id ?? this.#nextId;
    const orders = { 'as-is': batch, twice: [...batch, ...batch], reversed: batch.toReversed() };
    this.#write(parked.response, { status: 200, body: { events: orders[this.batches], oldest, next: this.#nextId } });
  }

  #unpark(): Parked | null {
    const parked = this.#parked;
    this.#parked = null;
    clearTimeout(parked?.deadline);
    return parked;
  }

  #send(response: ServerResponse, body: Buffer): void {
    const { chat, text, key } = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
    if (typeof chat !== 'string' || typeof text !== 'string' || typeof key !== 'string' || text.length > 1_000) {
      return this.#write(response, { status: 400, body: { error: 'chat, text or key' } });
    }
    const fault = this.faults.take('send', null);
    const isApplied = fault === undefined || ('isApplied' in fault && fault.isApplied);
    if (isApplied && !this.#sent.has(key)) {
      this.#sent.set(key, `m${this.#sent.size + 1}`);
      this.seen.push(text);
    }
    const answer: Answer = { status: 200, body: { id: this.#sent.get(key) } };
    if (fault === undefined) this.#write(response, answer);
    else this.#suffer(response, fault, answer);
  }

  #suffer(response: ServerResponse, fault: CallFault, answer: Answer): void {
    switch (fault.name) {
      case 'hang':
        return;
      case 'reset':
        if (response.socket !== null) cut(response.socket);
        return;
      case 'html':
        response.writeHead(502, { 'Content-Type': 'text/html' }).end('<h1>Bad gateway</h1>');
        return;
      case 'drip':
        drip(response, Buffer.from(JSON.stringify(answer.body)));
        return;
      case 'too-many':
        this.#write(response, { status: 429, body: {}, retryAfterS: fault.retryAfterS });
        return;
      default:
        fault satisfies never;
    }
  }

  #write(response: ServerResponse, { status, body, retryAfterS }: Answer): void {
    if (retryAfterS !== undefined) response.setHeader('Retry-After', retryAfterS);
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  }

  #note(what: string): void {
    this.#journal.push(what);
  }
}

function drip(response: ServerResponse, bytes: Buffer): void {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': bytes.length });
  let sent = 0;
  const timer = setInterval(() => {
    if (response.destroyed || sent >= bytes.length) clearInterval(timer);
    else response.write(bytes.subarray(sent, ++sent));
  }, DRIP_EVERY_MS);
  timer.unref();
}
