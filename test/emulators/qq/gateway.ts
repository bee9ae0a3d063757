/**
 * The WebSocket side: Hello, Identify, Resume, heartbeats, events. Frames are judged as strictly as the platform's
 * documents say; where they are silent, the comment says what is inferred.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { Attendance } from './attendance.ts';
import { Authenticator } from './authenticator.ts';
import type { Bot, Bots } from './bot.ts';
import type { Drop, FaultBook } from './fault-book.ts';
import type { EventCopy, Journal } from './journal.ts';
import { GatewayLink } from './link.ts';
import type { QqSettings } from './options.ts';
import { CloseCode, Op } from './protocol.ts';
import { RateWindow } from './quota.ts';

/** An event about to be pushed. */
export interface Push {
  readonly t: string;
  readonly d: unknown;
  readonly eventId: string;
  readonly messageId: string | null;
  /** Decides the shard. */
  readonly guildId?: string;
  /** The frame's text behind its number, verbatim. */
  readonly members?: string;
}

export class Gateway {
  readonly links = new Set<GatewayLink>();
  readonly attendance = new Attendance();
  /** Idle proxy between client and platform: sockets whose client is silent for longer are dropped. */
  idleProxy: { readonly afterMs: number; readonly how: 'rst' | 'silent' } | null = null;
  readonly #settings: QqSettings;
  readonly #faults: FaultBook;
  readonly #journal: Journal;
  readonly #authenticator: Authenticator;
  readonly #wss = new WebSocketServer({
    noServer: true,
    autoPong: false,
    perMessageDeflate: false,
    maxPayload: 1024 * 1024,
    clientTracking: false,
  });
  readonly #sweep: NodeJS.Timeout;
  #nextLinkId = 1;

  constructor(settings: QqSettings, bots: Bots, faults: FaultBook, journal: Journal) {
    this.#settings = settings;
    this.#faults = faults;
    this.#journal = journal;
    this.#authenticator = new Authenticator(settings, bots, faults, journal);
    this.#sweep = setInterval(() => this.#expireQuietLinks(), Math.min(250, settings.heartbeatIntervalMs / 4));
  }

  /** Takes over a TCP connection that asks for an upgrade. */
  upgrade(request: IncomingMessage, raw: Socket, head: Buffer): void {
    const id = this.#nextLinkId++;
    const path = new URL(request.url ?? '/', 'http://gateway').pathname;
    raw.on('error', () => raw.destroy());
    if (path !== '/websocket' && path !== '/websocket/') {
      this.#journal.append({ kind: 'dial', socket: id, outcome: 'refused' });
      raw.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    const fault = this.#faults.take('dial', {});
    if (fault?.name === 'black-hole') {
      this.#journal.append({ kind: 'dial', socket: id, outcome: 'black-hole' });
      return;
    }
    if (fault?.name === 'refuse-upgrade') {
      this.#journal.append({ kind: 'dial', socket: id, outcome: 'refused' });
      raw.end(`HTTP/1.1 ${fault.status} Refused\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nsick`);
      return;
    }
    this.#wss.handleUpgrade(request, raw, head, (ws) => {
      this.#journal.append({ kind: 'dial', socket: id, outcome: fault === undefined ? 'upgraded' : 'no-hello' });
      const link = this.#adopt(
        new GatewayLink(id, ws, raw, new RateWindow(this.#settings.frameRateLimit), this.attendance),
        ws,
      );
      if (fault === undefined) link.hello(this.#settings.heartbeatIntervalMs);
    });
  }

  /** Numbers and logs an event in every session that wants it, and sends it where a socket is attached. */
  push(bot: Bot, push: Push): readonly EventCopy[] {
    const duplicate = this.#faults.take('push', { appId: bot.appId });
    const copies: EventCopy[] = [];
    for (const session of bot.webhook ? [] : bot.sessions.all(Date.now())) {
      if (!session.wants(push.t, push.guildId)) continue;
      let frame = session.record(push.t, push.d, push.eventId, push.members);
      let sent = !session.deaf && (session.link?.deliver(frame) ?? false);
      copies.push({ sessionId: session.id, s: frame.s, sent });
      for (let extra = 0; extra < (duplicate?.copies ?? 0); extra++) {
        if (duplicate?.seq === 'new') frame = session.record(push.t, push.d, push.eventId, push.members);
        sent = !session.deaf && (session.link?.deliver(frame) ?? false);
        copies.push({ sessionId: session.id, s: frame.s, sent });
      }
    }
    const { t, eventId, messageId } = push;
    this.#journal.append({ kind: 'event', appId: bot.appId, t, eventId, messageId, sessions: copies });
    return copies;
  }

  /** Open sockets, of one bot (those it has authenticated) or all. */
  open(appId?: string): GatewayLink[] {
    return [...this.links].filter(
      (link) => link.state.name !== 'gone' && (appId === undefined || link.bot?.appId === appId),
    );
  }

  /** Holds a socket's end back until its bot has authenticated another one. */
  closeLate(link: GatewayLink, drop: Drop, afterMs: number): void {
    this.#authenticator.closeLate(link, drop, afterMs);
  }

  /** Cuts every socket at once, as the process behind it dying would. */
  destroyAll(): void {
    for (const link of this.links) link.destroy();
  }

  close(): void {
    clearInterval(this.#sweep);
    this.destroyAll();
    this.#wss.close();
  }

  #adopt(link: GatewayLink, ws: WebSocket): GatewayLink {
    this.links.add(link);
    ws.on('message', (data, isBinary) => this.#onFrame(link, data, isBinary));
    ws.on('ping', (data) => {
      link.lastFrameAt = Date.now();
      link.pong(data);
    });
    ws.on('pong', () => {
      link.lastFrameAt = Date.now();
    });
    // Broken frames and resets show up as 'error' first; the 'close' that follows tells the story.
    ws.on('error', () => undefined);
    ws.on('close', (code, reason) => this.#onClose(link, code, reason.toString()));
    return link;
  }

  #onFrame(link: GatewayLink, data: RawData, isBinary: boolean): void {
    if (link.conduct === 'frozen' || link.state.name === 'ending' || link.state.name === 'gone') return;
    link.lastFrameAt = Date.now();
    const refusal = this.#obey(link, data, isBinary);
    if (refusal !== undefined) this.end(link, refusal);
  }

  /** @returns the close code for a frame that is not allowed */
  #obey(link: GatewayLink, data: RawData, isBinary: boolean): number | undefined {
    if (!link.frames.take(Date.now())) return CloseCode.TooFast;
    const frame = isBinary ? undefined : parseFrame(String(data));
    if (frame === undefined) return CloseCode.InvalidPayload;
    const isAuthenticated = link.state.name === 'authenticated';
    switch (frame.op) {
      case Op.Heartbeat:
        this.#onHeartbeat(link, frame.d);
        return undefined;
      case Op.Identify:
      case Op.Resume:
        if (isAuthenticated) return CloseCode.AlreadyAuthenticated;
        if (frame.op === Op.Identify) this.#authenticator.identify(link, frame.d);
        else this.#authenticator.resume(link, frame.d);
        return undefined;
      default:
        // Before authentication the form of the refusal is inferred from botgo's constant 4003.
        return isAuthenticated ? CloseCode.InvalidOpcode : CloseCode.NotAuthenticated;
    }
  }

  #onHeartbeat(link: GatewayLink, d: unknown): void {
    const acked = link.conduct !== 'no-acks';
    link.lastHeartbeatAt = Date.now();
    this.#journal.append({ kind: 'heartbeat', socket: link.id, appId: link.bot?.appId ?? null, d, acked });
    if (acked) link.send({ op: Op.HeartbeatAck });
  }

  #onClose(link: GatewayLink, code: number, reason: string): void {
    const session = link.session;
    link.gone();
    this.links.delete(link);
    const appId = link.bot?.appId ?? null;
    const ended = link.endedByPlatform;
    if (session !== null && session.link === link) this.#authenticator.detach(session);
    if (ended === null && session !== null && this.#settings.clientCloseEndsSession.includes(code)) {
      link.bot?.sessions.forget(session);
    }
    this.#journal.append({
      kind: 'close',
      socket: link.id,
      appId,
      by: ended === null ? 'client' : 'platform',
      ...(ended ?? { code, reason }),
    });
  }

  /** Closes a socket from the platform's side; its session stays resumable. */
  end(link: GatewayLink, code: number | null, reason?: string): void {
    this.drop(link, { how: 'close', code, ...(reason === undefined ? {} : { reason }) });
  }

  drop(link: GatewayLink, drop: Drop): void {
    if (link.conduct === 'frozen') return;
    const session = link.session;
    link.end(drop);
    if (session !== null && session.link === link) this.#authenticator.detach(session);
  }

  #expireQuietLinks(): void {
    const now = Date.now();
    for (const link of this.links) {
      // A socket that never got past Hello is left to the client's own deadline: closing it here would hide a missing one.
      if (link.conduct === 'frozen' || link.state.name !== 'authenticated') continue;
      const proxy = this.idleProxy;
      if (proxy !== null && now - link.lastFrameAt > proxy.afterMs) {
        if (proxy.how === 'rst') this.drop(link, { how: 'rst' });
        else link.freeze();
      } else if (
        this.#settings.enforceHeartbeat &&
        now - link.lastHeartbeatAt > 2.5 * this.#settings.heartbeatIntervalMs
      ) {
        this.end(link, CloseCode.TimedOut);
      }
    }
  }
}

/** @returns undefined for what is no JSON object with a numeric op */
function parseFrame(text: string): { readonly op: number; readonly d?: unknown } | undefined {
  try {
    const frame: unknown = JSON.parse(text);
    if (typeof frame !== 'object' || frame === null || !('op' in frame) || typeof frame.op !== 'number')
      return undefined;
    return frame as { op: number; d?: unknown };
  } catch {
    return undefined;
  }
}
