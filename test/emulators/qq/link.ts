/**
 * One WebSocket as the platform sees it. It can be told to misbehave (`conduct`), and is the only file that writes to a
 * socket, so that a frozen one really stays silent.
 */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { cut } from '../listener.ts';
import type { Attendance } from './attendance.ts';
import type { Bot } from './bot.ts';
import type { Conduct, Drop } from './fault-book.ts';
import { closeReasons, type DispatchFrame, Op } from './protocol.ts';
import type { RateWindow } from './quota.ts';
import type { Session, SessionLink } from './sessions.ts';

/**
 * `greeting` → `authenticated` by Identify or Resume; both → `ending` when the platform closes, or `gone` when the
 * socket is closed. Nothing leaves `gone`.
 */
export type LinkState =
  | { readonly name: 'greeting' }
  | { readonly name: 'authenticated'; readonly bot: Bot; readonly session: Session; readonly since: number }
  | { readonly name: 'ending' }
  | { readonly name: 'gone' };

export class GatewayLink implements SessionLink {
  readonly id: number;
  readonly openedAt = Date.now();
  readonly frames: RateWindow;
  state: LinkState = { name: 'greeting' };
  conduct: Conduct = 'normal';
  /** Frozen and `pongs: false` sockets do not answer WebSocket pings. */
  answersPings = true;
  /** The bot, remembered after the end for the journal. */
  bot: Bot | null = null;
  lastHeartbeatAt = Date.now();
  lastFrameAt = Date.now();
  /** Set when the platform ended it, for the journal. */
  endedByPlatform: { readonly code: number; readonly reason: string } | null = null;
  /** A late close owns this socket's end: a newer one does not kick it. */
  closesLate = false;
  readonly #ws: WebSocket;
  readonly #raw: Socket;
  readonly #attendance: Attendance;

  constructor(id: number, ws: WebSocket, raw: Socket, frames: RateWindow, attendance: Attendance) {
    this.id = id;
    this.#ws = ws;
    this.#raw = raw;
    this.frames = frames;
    this.#attendance = attendance;
  }

  get session(): Session | null {
    return this.state.name === 'authenticated' ? this.state.session : null;
  }

  authenticated(bot: Bot, session: Session): void {
    this.state = { name: 'authenticated', bot, session, since: Date.now() };
    this.#attendance.arrive(bot.appId, this.id);
  }

  /** The socket is closed. */
  gone(): void {
    this.#leave();
    this.state = { name: 'gone' };
  }

  /** Sends any frame, unless the socket is over or frozen. */
  send(frame: object): boolean {
    return this.sendRaw(JSON.stringify(frame));
  }

  sendRaw(data: string | Buffer): boolean {
    if (this.conduct === 'frozen' || this.#ws.readyState !== this.#ws.OPEN) return false;
    this.#ws.send(data, (error) => void error);
    return true;
  }

  deliver(frame: DispatchFrame): boolean {
    if (this.conduct !== 'normal') return false;
    const { op, s, members } = frame;
    return members === undefined ? this.send(frame) : this.sendRaw(`{"op":${op},"s":${s},${members}}`);
  }

  hello(heartbeatIntervalMs: number): void {
    this.send({ op: Op.Hello, d: { heartbeat_interval: heartbeatIntervalMs } });
  }

  pong(data: Buffer): void {
    if (this.conduct !== 'frozen' && this.answersPings) this.#ws.pong(data);
  }

  /** Stops reading for the kernel to keep: what the client sends is acknowledged by TCP and seen by nobody. */
  freeze(): void {
    this.conduct = 'frozen';
    this.pause();
    this.#leave();
  }

  pause(): void {
    this.#ws.pause();
  }

  resume(): void {
    this.#ws.resume();
  }

  /** Ends the socket the given way. A frozen one cannot end: that is what half-open means. */
  end(drop: Drop): void {
    if (this.conduct === 'frozen' || this.state.name === 'gone') return;
    this.#leave();
    this.state = { name: 'ending' };
    switch (drop.how) {
      case 'rst':
        this.endedByPlatform ??= { code: 1006, reason: 'rst' };
        cut(this.#raw);
        return;
      case 'fin':
        this.endedByPlatform ??= { code: 1006, reason: 'fin' };
        this.#raw.end();
        return;
      case 'close': {
        const reason = drop.reason ?? (drop.code === null ? '' : (closeReasons[drop.code] ?? ''));
        this.endedByPlatform ??= { code: drop.code ?? 1005, reason };
        if (drop.code === null) this.#ws.close();
        else this.#ws.close(drop.code, reason);
        return;
      }
      default:
        drop satisfies never;
    }
  }

  /** The emulator itself stops: nothing may keep its process alive. */
  destroy(): void {
    this.#ws.terminate();
    this.#raw.destroy();
  }

  #leave(): void {
    if (this.state.name === 'authenticated') this.#attendance.leave(this.state.bot.appId, this.id);
  }
}
