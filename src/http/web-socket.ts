/**
 * One outgoing WebSocket with a deadline over the whole dial, as plain callbacks: a frame may arrive in the same tick as
 * the upgrade, so listeners that were attached after an awaited dial could miss the platform's first words.
 */
import type { createConnection, Socket } from 'node:net';
import WebSocket, { type RawData } from 'ws';
import { TransientError } from '../errors.ts';
import { isRedirect, redirected } from './exchange.ts';
import { inWords } from './http-failure.ts';
import type { Dialer } from './proxy/dialer.ts';
import { type Inlet, ReadTurns } from './read-turns.ts';

export interface WebSocketRequest {
  /** `ws:` or `wss:`; certificates are always verified. */
  readonly url: string;
  /** Bound of DNS, TCP, TLS and upgrade together, ms. */
  readonly deadlineMs: number;
  /** A longer message ends the socket, bytes. @defaultValue 4 MiB */
  readonly maxPayload?: number;
}

/**
 * Called one at a time; nothing comes after {@link ended}, which comes exactly once. Frames come in order, for a few
 * milliseconds per turn of the event loop over all sockets of the process; pongs come as soon as they are read.
 */
export interface WebSocketListener {
  opened(): void;
  text(text: string): void;
  binary(data: Buffer): void;
  pong(): void;
  ended(end: WebSocketEnd): void;
}

export type WebSocketEnd =
  /** It never opened. */
  | { readonly kind: 'not-opened'; readonly error: TransientError }
  /** `code` 1005: a close frame without a code; 1006: none came. `error` is what the socket said, if anything. */
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string; readonly error: Error | null };

export interface WebSocketHandle {
  /** Ignored unless open: the end is told by {@link WebSocketListener.ended}, not by a throw. */
  send(text: string): void;
  ping(): void;
  /** Stops reading, so that TCP slows the peer down. A few frames that were read already may still come. */
  pause(): void;
  resume(): void;
  /** Frames were read that the listener has not had yet: what it waits for may be among them. */
  behind(): boolean;
  /** Cuts the socket without a closing handshake, and without any further call of the listener. Safe to repeat. */
  terminate(): void;
}

/** @param dialer - opens the socket */
export function openWebSocket(request: WebSocketRequest, listener: WebSocketListener, dialer: Dialer): WebSocketHandle {
  const url = new URL(request.url);
  const place = dialer.placeOf(url);
  const dialing = new AbortController();
  const dial = dialer.dial(url, dialing.signal);
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    maxPayload: request.maxPayload ?? 4 * 1024 * 1024,
    followRedirects: false,
    // A frame with a broken character shall be one odd frame, not the end of the socket and, replayed, of the next one.
    skipUTF8Validation: true,
    createConnection: connectionBy(dial.socket),
  });
  let opened = false;
  let ended = false;
  let refusal: TransientError | null = null;
  let trouble: Error | null = null;

  const frames = new WaitingFrames(
    (bytes, isBinary) => {
      if (ended) return;
      if (isBinary) listener.binary(bytes);
      else listener.text(bytes.toString('utf8'));
    },
    { pause: () => socket.pause(), resume: () => socket.resume() },
  );
  const end = (how: WebSocketEnd) => {
    if (ended) return;
    ended = true;
    clearTimeout(deadline);
    dialing.abort();
    listener.ended(how);
  };
  const notOpened = (why: string, cause?: unknown) => {
    end({ kind: 'not-opened', error: new TransientError('TRANSPORT', why, { cause }) });
    socket.terminate();
  };
  const deadline = setTimeout(() => {
    const forWhat = dial.waitingFor();
    const waiting = forWhat === null ? '' : `, waiting for ${forWhat}`;
    notOpened(`gateway dial: not open within ${request.deadlineMs} ms (${place})${waiting}`);
  }, request.deadlineMs);

  socket.on('open', () => {
    clearTimeout(deadline);
    if (ended) return;
    opened = true;
    listener.opened();
  });
  socket.on('unexpected-response', (req, response) => {
    const { statusCode: status = 0, headers } = response;
    refusal = isRedirect(status)
      ? new TransientError('HTTP_REDIRECT', `gateway dial: ${redirected(status, headers.location, url)} (${place})`)
      : new TransientError('TRANSPORT', `gateway refused the upgrade with HTTP ${status} (${place})`);
    response.resume();
    req.destroy();
    end({ kind: 'not-opened', error: refusal });
  });
  socket.on('message', (data: RawData, isBinary: boolean) => {
    if (!ended) frames.take(asBuffer(data), isBinary);
  });
  socket.on('pong', () => {
    if (!ended) listener.pong();
  });
  // ws reports trouble first and the close after it; without this listener the error would be thrown.
  socket.on('error', (error: Error) => {
    trouble = error;
    if (!opened) notOpened(`gateway dial: ${inWords(error, place)}`, error);
  });
  socket.on('close', (code: number, reason: Buffer) => {
    const text = reason.toString('utf8').slice(0, 200);
    if (opened) frames.whenEmpty(() => end({ kind: 'closed', code, reason: text, error: trouble }));
    else notOpened(`gateway dial: closed before it opened (${place})`);
  });

  return {
    send: (text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text, ignoreWriteError);
    },
    ping: () => {
      if (socket.readyState === WebSocket.OPEN) socket.ping(undefined, undefined, ignoreWriteError);
    },
    pause: () => frames.pause(),
    resume: () => frames.resume(),
    behind: () => frames.waiting > 0,
    terminate: () => {
      ended = true;
      frames.drop();
      clearTimeout(deadline);
      dialing.abort();
      socket.terminate();
    },
  };
}

/** More than this of one socket waits only when others are busy, too: then it is not read on, bytes. */
const MOST_WAITING = 128 * 1024;
/** Frames that were handed over are let go of so many at a time. */
const FORGET_AFTER = 256;
/** All sockets of the process take turns. */
const turns = new ReadTurns();

/** Frames that were read and not yet handed over; while none wait and there is time, they do not stop here. */
class WaitingFrames implements Inlet {
  readonly #handOver: (bytes: Buffer, isBinary: boolean) => void;
  readonly #socket: { pause(): void; resume(): void };
  #frames: { readonly bytes: Buffer; readonly isBinary: boolean }[] = [];
  #next = 0;
  #bytes = 0;
  #pausedByListener = false;
  #pausedHere = false;
  #whenEmpty: (() => void) | null = null;

  constructor(
    handOver: (bytes: Buffer, isBinary: boolean) => void,
    socket: { readonly pause: () => void; readonly resume: () => void },
  ) {
    this.#handOver = handOver;
    this.#socket = socket;
  }

  get waiting(): number {
    return this.#frames.length - this.#next;
  }

  take(bytes: Buffer, isBinary: boolean): void {
    if (this.waiting === 0 && turns.hasTime()) {
      this.#handOver(bytes, isBinary);
      return;
    }
    this.#frames.push({ bytes, isBinary });
    this.#bytes += bytes.length;
    turns.wait(this);
    if (this.#bytes < MOST_WAITING || this.#pausedHere) return;
    this.#pausedHere = true;
    this.#socket.pause();
  }

  handOver(): boolean {
    const frame = this.#frames[this.#next];
    if (frame !== undefined) {
      this.#next += 1;
      this.#bytes -= frame.bytes.length;
      this.#handOver(frame.bytes, frame.isBinary);
    }
    if (this.waiting === 0) {
      this.#emptied();
      return false;
    }
    if (this.#next >= FORGET_AFTER) {
      this.#frames.splice(0, this.#next);
      this.#next = 0;
    }
    return true;
  }

  pause(): void {
    this.#pausedByListener = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#pausedByListener = false;
    if (!this.#pausedHere) this.#socket.resume();
  }

  /** Calls `then` once everything was handed over, which may be now. */
  whenEmpty(then: () => void): void {
    if (this.waiting === 0) then();
    else this.#whenEmpty = then;
  }

  drop(): void {
    this.#frames = [];
    this.#next = 0;
    this.#whenEmpty = null;
    turns.forget(this);
  }

  #emptied(): void {
    this.#frames = [];
    this.#next = 0;
    this.#bytes = 0;
    const then = this.#whenEmpty;
    this.#whenEmpty = null;
    then?.();
    if (!this.#pausedHere) return;
    this.#pausedHere = false;
    if (!this.#pausedByListener) this.#socket.resume();
  }
}

/** Node takes a socket that comes later through a second argument, which the types do not know. */
function connectionBy(socket: Promise<Socket>): typeof createConnection {
  const create = (_options: unknown, onCreated: (error: Error | null, socket?: Socket) => void) => {
    socket.then(
      (stands) => onCreated(null, stands),
      (error: Error) => onCreated(error),
    );
  };
  return create as unknown as typeof createConnection;
}

/** A failed write ends the socket, and the 'close' event tells it. */
function ignoreWriteError(): void {}

function asBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
