/**
 * The gateway's one port: the HTTP calls that clients of QQ and Discord make, and the WebSocket with Hello, Identify,
 * Resume and heartbeats. It knows the happy path only and writes nothing down: the emulator of the tests
 * (test/emulators/qq) judges behaviour, this one must merely never be what limits a measurement.
 */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { type Session, Sessions } from './sessions.ts';

export interface DoorOptions {
  readonly tls: { readonly key: string; readonly cert: string } | null;
  readonly heartbeatEveryMs: number;
  /** Something was sent to a user; `replyTo` names the message it answers. */
  onReply(replyTo: string | null): void;
}

export interface Door {
  readonly sessions: Sessions;
  readonly port: number;
  close(): void;
}

export async function openDoor(options: DoorOptions): Promise<Door> {
  const sessions = new Sessions();
  const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false });
  const server: Server =
    options.tls === null ? createHttpServer({ noDelay: true }) : createHttpsServer({ ...options.tls, noDelay: true });
  server.keepAliveTimeout = 0;
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    answer(request, response, addresses(server, options.tls !== null), options);
  });
  server.on('upgrade', (request: IncomingMessage, raw: Duplex, head: Buffer) => {
    wss.handleUpgrade(request, raw as never, head, (ws) => greet(ws, raw, sessions, options));
  });
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve));
  return { sessions, port: portOf(server), close: () => server.close() };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function addresses(server: Server, secure: boolean): { readonly gateway: string } {
  return { gateway: `ws${secure ? 's' : ''}://127.0.0.1:${portOf(server)}/websocket/` };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  at: { readonly gateway: string },
  options: DoorOptions,
): void {
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (chunk: string) => {
    body += chunk;
  });
  request.on('end', () => {
    const text = JSON.stringify(answerTo(request.url ?? '/', body, at, options));
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    response.end(text);
  });
}

let sends = 0;

function answerTo(path: string, body: string, at: { readonly gateway: string }, options: DoorOptions): object {
  if (path.endsWith('/getAppAccessToken')) {
    const { appId } = JSON.parse(body) as { appId: string };
    return { access_token: `token-of-${appId}`, expires_in: '7200' };
  }
  if (path.includes('/gateway')) {
    const limit = { total: 1_000_000, remaining: 1_000_000, reset_after: 0, max_concurrency: 100_000 };
    return { url: at.gateway, shards: 1, session_start_limit: limit };
  }
  if (path.endsWith('/messages')) {
    sends += 1;
    options.onReply((JSON.parse(body) as { msg_id?: string }).msg_id ?? null);
    return { id: `sent-${sends}`, timestamp: '2026-11-29T00:00:00+08:00' };
  }
  // `GET /users/@me` and whatever else a client asks for at its start.
  return { id: '1', username: 'bench', bot: true };
}

function greet(ws: WebSocket, raw: Duplex, sessions: Sessions, options: DoorOptions): void {
  let session: Session | undefined;
  let beatAt: number | null = null;
  const send = (frame: object) => ws.send(JSON.stringify(frame));
  const start = (found: Session, t: 'READY' | 'RESUMED', d: unknown) => {
    session = found;
    found.link = { ws, raw };
    found.seq += 1;
    send({ op: 0, s: found.seq, t, d });
    sessions.confirmed(found, t);
  };
  ws.on('message', (data: RawData) => {
    const { op, d } = JSON.parse(String(data)) as { op: number; d: Record<string, unknown> };
    if (op === 1) {
      const now = performance.now();
      if (beatAt !== null) sessions.longestBeatGapMs = Math.max(sessions.longestBeatGapMs, now - beatAt);
      beatAt = now;
      return send({ op: 11 });
    }
    if (op === 2) {
      const created = sessions.create(String(d.token), { ws, raw });
      const user = { id: '1', username: 'bench', bot: true };
      const discord = { resume_gateway_url: `ws://127.0.0.1`, application: { id: '1' }, guilds: [] };
      return start(created, 'READY', { version: 1, session_id: created.id, user, shard: [0, 1], ...discord });
    }
    if (op !== 6) return;
    const known = sessions.find(d.session_id);
    if (known === undefined) return send({ op: 9, d: false });
    // Everything was delivered before: there is nothing to replay.
    start(known, 'RESUMED', '');
  });
  ws.on('close', () => {
    if (session !== undefined) sessions.detached(session, ws);
  });
  ws.on('error', () => undefined);
  send({ op: 10, d: { heartbeat_interval: options.heartbeatEveryMs } });
}
