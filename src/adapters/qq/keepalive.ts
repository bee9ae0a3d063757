/**
 * Notices that a socket is dead although TCP says nothing: the platform's heartbeats with a deadline for their ACK, and
 * WebSocket pings, which also keep idle proxies from hanging up. It is born and ends with its one socket, so it cannot be
 * lost in a reconnect.
 *
 * A missed ACK deadline is the frame-age deadline too: an ACK is a frame, so a peer is silent for 1.8 intervals at most.
 *
 * @see NousResearch/hermes-agent #19821 (18 h half-open), #24357 (heartbeat task lost), #15490 (idle proxy)
 */
import type { Clock } from '../../async/clock.ts';
import { coarseTimer } from '../../async/coarse-timer.ts';

/** What the keepalive sees of its socket. */
export interface KeepalivePeer {
  /** Sends op 1. */
  beat(): void;
  ping(): void;
  /** Frames were read that we have not seen yet. */
  behind(): boolean;
  /** No sign of life in time; called at most once. `reason` in words. */
  dead(reason: string): void;
  /** Reading has been paused for so long that nobody can tell whether the peer lives; called at most once. */
  choked(): void;
}

export interface KeepaliveOptions {
  readonly clock: Clock;
  readonly pingEveryMs: number;
  /** How long a pong may take. Not enforced before the first pong: that the platform answers pings is only observed. */
  readonly pongDeadlineMs: number;
  /** In [0, 1). @defaultValue Math.random */
  readonly random?: () => number;
}

/** Beats after the first one come a little faster than asked for, so that a late timer is no late beat. */
const BEAT_FACTOR = 0.8;
/**
 * How long an expired deadline goes on listening while bytes are still coming in. A process that was frozen wakes up
 * with an expired timer and a full socket buffer; the ACK may be at its end.
 */
const LISTEN_ON_MS = 1_000;

export class Keepalive {
  readonly #peer: KeepalivePeer;
  readonly #options: KeepaliveOptions;
  #over = false;
  #paused = false;
  #frames = 0;
  #intervalMs = 0;
  #unansweredBeats = 0;
  #pongSeen = false;
  #beatTimer: Disposable | undefined;
  #ackTimer: NodeJS.Timeout | undefined;
  #pingTimer: Disposable | undefined;
  #pongTimer: NodeJS.Timeout | undefined;

  constructor(peer: KeepalivePeer, options: KeepaliveOptions) {
    this.#peer = peer;
    this.#options = options;
  }

  /** The socket is open: pings begin, the first one at once. */
  opened(): void {
    this.#ping();
    this.#pingLater();
  }

  /** Hello named the interval: heartbeats begin, the first at a random time so that many bots do not beat in step. */
  hello(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    const random = this.#options.random ?? Math.random;
    this.#beatIn(Math.max(1, random() * intervalMs));
  }

  /** The platform asked for a beat. */
  beatNow(): void {
    if (!this.#over) this.#beat();
  }

  /** Anything was received. Not yet an answer, but the peer is talking. */
  frame(): void {
    this.#frames += 1;
  }

  ack(): void {
    this.#unansweredBeats = 0;
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
  }

  /** @returns true for the first one: from now on pings count */
  pong(): boolean {
    const first = !this.#pongSeen;
    this.#pongSeen = true;
    this.#pongArrived();
    return first;
  }

  /** Reading stops: answers cannot be seen, so pings rest. Heartbeats go on, for the platform. */
  pause(): void {
    this.#paused = true;
    this.#pongArrived();
  }

  resume(): void {
    this.#paused = false;
    // What was owed meanwhile is in the buffer now.
    if (this.#ackTimer !== undefined) this.#armAck();
    if (!this.#over) this.#ping();
  }

  /** Safe to repeat. */
  stop(): void {
    this.#over = true;
    this.#beatTimer?.[Symbol.dispose]();
    clearTimeout(this.#ackTimer);
    this.#pingTimer?.[Symbol.dispose]();
    clearTimeout(this.#pongTimer);
  }

  #beatIn(ms: number): void {
    this.#beatTimer = coarseTimer(this.#options, ms, () => {
      this.#beat();
      if (!this.#over) this.#beatIn(this.#intervalMs * BEAT_FACTOR);
    });
  }

  #beat(): void {
    this.#peer.beat();
    this.#unansweredBeats += 1;
    // The oldest unanswered beat sets the deadline.
    if (!this.#over && this.#ackTimer === undefined) this.#armAck();
  }

  #armAck(): void {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = setTimeout(() => {
      if (this.#paused) {
        this.stop();
        this.#peer.choked();
        return;
      }
      const missed = () => this.#unansweredBeats > 0;
      this.#condemn(missed, `no ACK for our heartbeat within ${Math.round(this.#intervalMs)} ms: half-open socket`);
    }, this.#intervalMs);
  }

  #pingLater(): void {
    this.#pingTimer = coarseTimer(this.#options, this.#options.pingEveryMs, () => {
      this.#ping();
      if (!this.#over) this.#pingLater();
    });
  }

  #ping(): void {
    if (this.#paused) return;
    this.#peer.ping();
    if (!this.#pongSeen || this.#over || this.#pongTimer !== undefined) return;
    const { pongDeadlineMs } = this.#options;
    const frames = this.#frames;
    this.#pongTimer = setTimeout(() => {
      // A long replay may stand before the pong in the buffer: while it flows, the peer is not dead.
      const missed = () => this.#pongTimer !== undefined && this.#frames === frames;
      this.#condemn(missed, `no pong within ${pongDeadlineMs} ms: half-open socket`, () => this.#pongArrived());
    }, pongDeadlineMs);
  }

  #pongArrived(): void {
    clearTimeout(this.#pongTimer);
    this.#pongTimer = undefined;
  }

  /** Declares the peer dead, once what the kernel holds for us has been read. */
  #condemn(missed: () => boolean, reason: string, spare: () => void = () => {}): void {
    const until = this.#options.clock.monotonic() + LISTEN_ON_MS;
    let seen = this.#frames;
    let quietTurns = 0;
    const look = () => {
      if (this.#over) return;
      if (!missed()) {
        spare();
        return;
      }
      quietTurns = this.#frames === seen && !this.#peer.behind() ? quietTurns + 1 : 0;
      seen = this.#frames;
      // The event loop reads between two looks; two without a frame, and the buffer is empty.
      if (quietTurns < 2 && this.#options.clock.monotonic() < until) {
        setImmediate(look);
        return;
      }
      this.stop();
      this.#peer.dead(reason);
    };
    setImmediate(look);
  }
}
