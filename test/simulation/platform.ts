/**
 * A chat platform with sessions, as QQ has them: events are numbered per session and kept for whoever resumes it; an
 * Identify begins a new one. It remembers what its users said and saw; nothing else says what was lost or doubled.
 */
import type { ReplyHandle } from '../../src/model.ts';
import { CALM, type Weather, type Wire } from './network.ts';
import type { Random } from './random.ts';
import { type HolderSide, SimSocket } from './socket.ts';
import type { Process, World } from './world.ts';

/** A message of a user. */
export interface Said {
  /** The platform's id of it: `<chat>-<number within the chat>`. */
  readonly id: string;
  readonly chat: string;
  readonly number: number;
  readonly at: number;
  /** Whoever reads it dies. */
  readonly deadly: boolean;
}

interface Session {
  readonly id: string;
  readonly log: Said[];
  socket: SimSocket | null;
}

export type FromPlatform =
  | { readonly op: 'hello'; readonly heartbeatMs: number }
  | { readonly op: 'ready'; readonly session: string }
  | { readonly op: 'resumed' }
  /** The session can't be resumed. */
  | { readonly op: 'invalid' }
  | { readonly op: 'ack' }
  | { readonly op: 'event'; readonly seq: number; readonly said: Said };

export type ToPlatform =
  | { readonly op: 'identify' }
  | { readonly op: 'resume'; readonly session: string; readonly seq: number }
  | { readonly op: 'heartbeat' };

export type SendAnswer = 'sent' | 'duplicate';

export const HEARTBEAT_MS = 1_000;
/** A socket whose holder is silent for longer is closed. */
const SILENCE_MS = 2.5 * HEARTBEAT_MS;

export class Platform {
  readonly said: Said[] = [];
  /** Per chat, the texts of parts in the order users saw them. */
  readonly seen = new Map<string, string[]>();
  /** Messages in sessions that are over: nobody can fetch them any more. */
  readonly gone = new Set<string>();
  /** All that a holder or the platform has not let go of; watched by the invariants. */
  readonly sockets = new Set<SimSocket>();
  readonly #world: World;
  readonly #random: Random;
  readonly #weather: Weather;
  readonly #delivered = new Set<string>();
  readonly #counts = new Map<string, number>();
  #session: Session | null = null;
  #sessions = 0;
  #sockets = 0;
  /** Chance that an event is sent a second time, under a new number. */
  repeats = 0;
  /** Chance that a call of the reply API, or its answer, is lost. */
  lostCalls = 0;
  /** When a socket last belonged to the session, true ms. */
  attachedAt = 0;
  /** Nobody gets in: dials are refused. */
  down = false;
  /** Told of each part that a user sees. */
  onSeen: (chat: string, text: string) => void = () => {};

  constructor(world: World, random: Random, weather: Weather = CALM) {
    this.#world = world;
    this.#random = random;
    this.#weather = weather;
  }

  /** True while a socket of a process that runs is attached to the session and both ends believe in it. */
  get attached(): SimSocket | null {
    const socket = this.#session?.socket ?? null;
    return socket?.isOpen === true ? socket : null;
  }

  /** A user says something; what is deadly comes under one number only, so that it kills often enough and no more. */
  say(chat: string, { deadly = false }: { readonly deadly?: boolean } = {}): Said {
    const number = (this.#counts.get(chat) ?? 0) + 1;
    this.#counts.set(chat, number);
    const said: Said = { id: `${chat}-${number}`, chat, number, at: this.#world.now, deadly };
    this.said.push(said);
    this.#log(said);
    const session = this.#session;
    const again = () => session === this.#session && this.#log(said);
    if (this.#random.chance(this.repeats) && !deadly) this.#world.in(this.#random.between(0, 500), null, again);
    return said;
  }

  /** The reply API: one copy per message and ordinal. */
  deliver(reply: ReplyHandle, ordinal: number): SendAnswer {
    const key = `${reply.key}/${ordinal}`;
    if (this.#delivered.has(key)) return 'duplicate';
    this.#delivered.add(key);
    return 'sent';
  }

  show(chat: string, text: string): void {
    const all = this.seen.get(chat) ?? [];
    this.seen.set(chat, all);
    all.push(text);
    this.onSeen(chat, text);
  }

  /** The platform forgets the session: it can't be resumed, and what was not fetched is lost. */
  forget(): void {
    if (this.#session === null) return;
    this.#end(this.#session);
    this.#session.socket?.closeFromPlatform('session timed out');
    this.#session = null;
  }

  drop(): void {
    for (const socket of this.sockets) if (this.#random.chance(0.8)) socket.closeFromPlatform('going away');
  }

  dial(process: Process, wire: Wire, token: number, holder: HolderSide): SimSocket {
    this.#sockets += 1;
    const socket = new SimSocket(this.#world, { id: this.#sockets, process, wire, token }, holder, {
      refuses: () => this.down,
      opened: () => this.#opened(socket),
      frame: (frame) => this.#received(socket, frame),
      closed: () => this.#closed(socket),
    });
    this.sockets.add(socket);
    return socket;
  }

  #opened(socket: SimSocket): void {
    socket.reply({ op: 'hello', heartbeatMs: HEARTBEAT_MS });
    const watch = () => {
      if (socket.isOver) return;
      if (this.#world.now - socket.heardAt > SILENCE_MS) socket.closeFromPlatform('silent');
      else this.#world.in(HEARTBEAT_MS / 2, null, watch);
    };
    watch();
  }

  #received(socket: SimSocket, frame: ToPlatform): void {
    switch (frame.op) {
      case 'heartbeat':
        socket.reply({ op: 'ack' });
        return;
      case 'identify':
        return this.#identify(socket);
      case 'resume':
        return this.#resume(socket, frame.session, frame.seq);
      default:
        frame satisfies never;
    }
  }

  #identify(socket: SimSocket): void {
    this.#sessions += 1;
    const before = this.#session;
    this.#session = { id: `s${this.#sessions}`, log: [], socket: null };
    if (before !== null) {
      this.#end(before);
      before.socket?.closeFromPlatform('another session began');
    }
    this.#attach(this.#session, socket);
    socket.reply({ op: 'ready', session: this.#session.id });
  }

  #resume(socket: SimSocket, id: string, seq: number): void {
    const session = this.#session;
    if (session?.id !== id || seq > session.log.length) {
      socket.reply({ op: 'invalid' });
      return;
    }
    this.#attach(session, socket);
    // The platform repeats a little more than was asked for, sometimes.
    const from = this.#random.chance(0.3) ? Math.max(0, seq - this.#random.int(1, 3)) : seq;
    for (let at = from; at < session.log.length; at += 1) this.#dispatch(session, at);
    socket.reply({ op: 'resumed' });
  }

  #attach(session: Session, socket: SimSocket): void {
    if (session.socket !== null && session.socket !== socket) session.socket.closeFromPlatform('resumed elsewhere');
    session.socket = socket;
    this.attachedAt = this.#world.now;
    socket.authenticated = true;
  }

  #closed(socket: SimSocket): void {
    this.sockets.delete(socket);
    if (this.#session?.socket === socket) this.#session.socket = null;
  }

  #end({ log }: Session): void {
    for (const { id } of log) this.gone.add(id);
  }

  #log(said: Said): void {
    const session = this.#session;
    if (session === null) {
      // Nobody is there, and nothing is kept: as after a session that timed out.
      this.gone.add(said.id);
      return;
    }
    session.log.push(said);
    this.#dispatch(session, session.log.length - 1);
  }

  #dispatch(session: Session, at: number): void {
    const said = session.log[at];
    if (said !== undefined) session.socket?.reply({ op: 'event', seq: at + 1, said });
  }

  /** How long a call of the reply API takes, ms. */
  callMs(): number {
    return this.#random.between(2, 20 + 3 * this.#weather.delayMs);
  }
}

/** Which parts users see as the answer to a message. */
export function partsOf(text: string): string[] {
  return Number(text.split('-').at(-1)) % 4 === 0 ? [`re: ${text} (1)`, `re: ${text} (2)`] : [`re: ${text}`];
}
