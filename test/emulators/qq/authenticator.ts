/** Identify and Resume: who may have a session on a socket, and what a refused client sees. */
import type { Bot, Bots } from './bot.ts';
import type { AuthFault, Drop, FaultBook, ResumeFault } from './fault-book.ts';
import type { AuthOutcome, Journal } from './journal.ts';
import type { GatewayLink } from './link.ts';
import type { QqSettings } from './options.ts';
import { allIntents, CloseCode, Op } from './protocol.ts';
import type { Session } from './sessions.ts';

/** Time between op 9 and the close that follows it, as logged in tencent-connect/openclaw-qqbot #18. */
const closeAfterOpNineMs = 100;

export class Authenticator {
  readonly #settings: QqSettings;
  readonly #bots: Bots;
  readonly #faults: FaultBook;
  readonly #journal: Journal;

  constructor(settings: QqSettings, bots: Bots, faults: FaultBook, journal: Journal) {
    this.#settings = settings;
    this.#bots = bots;
    this.#faults = faults;
    this.#journal = journal;
  }

  identify(link: GatewayLink, d: unknown): void {
    const { token, intents, shard } = fieldsOf(d);
    const bot = this.#botOf(token, 'identify');
    link.bot = bot ?? null;
    const note = (outcome: AuthOutcome, sessionId: string | null) => {
      const appId = bot?.appId ?? null;
      this.#journal.append({ kind: 'identify', socket: link.id, appId, intents, shard, outcome, sessionId });
    };
    const fault = this.#faults.take('identify', { appId: bot?.appId }) ?? this.#identifyFlaw(bot, intents, shard);
    if (fault !== undefined || bot === undefined) {
      note(this.#misbehave(link, fault ?? refusal(CloseCode.AuthenticationFailed)), null);
      return;
    }
    const shape = { intents: intents as number, shard: shardPair(shard) ?? ([0, 0] as const) };
    const session = bot.sessions.create(bot.appId, shape);
    if (this.#settings.sameShard === 'kick-old') this.#replaceOlder(bot, session);
    note('accepted', session.id);
    this.#attach(link, bot, session);
    const user = { id: bot.userId, username: bot.username, bot: true };
    link.send(session.control('READY', { version: 1, session_id: session.id, user, shard: shape.shard }));
    this.#closeLateOnes(link);
  }

  resume(link: GatewayLink, d: unknown): void {
    const { token, session_id: sessionId, seq } = fieldsOf(d);
    const bot = this.#botOf(token, 'resume');
    link.bot = bot ?? null;
    const note = (outcome: AuthOutcome, replayed: number) => {
      const appId = bot?.appId ?? null;
      this.#journal.append({ kind: 'resume', socket: link.id, appId, sessionId, seq, outcome, replayed });
    };
    const fault = this.#faults.take('resume', { appId: bot?.appId });
    const losesSession = fault?.name === 'stale-session' || (fault?.name === 'op9' && !fault.resumable);
    if (losesSession && bot !== undefined) this.#forget(bot, sessionId);
    const session = typeof sessionId === 'string' ? bot?.sessions.get(sessionId, Date.now()) : undefined;
    const flaw = fault !== undefined && isAuthFault(fault) ? fault : resumeFlaw(bot, session, seq, fault);
    if (flaw !== undefined || bot === undefined || session === undefined) {
      note(this.#misbehave(link, flaw ?? refusal(CloseCode.InvalidSession)), 0);
      return;
    }
    this.#kickOlder(session, link);
    if (fault?.name === 'deaf') session.deaf = true;
    const frames = replay(session, seq as number, fault);
    note('accepted', frames.length);
    this.#attach(link, bot, session);
    for (const frame of frames) link.deliver(frame);
    if (fault?.name !== 'then-drop' || fault.sendResumed) {
      const resumed = session.control('RESUMED', '');
      link.send(resumed);
      this.#journal.append({ kind: 'resumed', socket: link.id, appId: bot.appId, sessionId: session.id, s: resumed.s });
    }
    if (fault?.name === 'then-drop') setTimeout(() => this.#close(link, fault.how), fault.afterMs).unref();
    this.#closeLateOnes(link);
  }

  /** From here on events are only logged, until somebody resumes. */
  detach(session: Session): void {
    session.link = null;
    session.detachedAt = Date.now();
  }

  /** Why an Identify is refused, in the order the platform's codes suggest; taking the quota comes last. */
  #identifyFlaw(bot: Bot | undefined, intents: unknown, shard: unknown): AuthFault | undefined {
    if (bot === undefined) return refusal(CloseCode.AuthenticationFailed);
    if (typeof intents !== 'number' || !Number.isInteger(intents) || intents <= 0 || (intents & ~allIntents) !== 0) {
      return refusal(CloseCode.InvalidIntents);
    }
    if ((intents & ~bot.grantedIntents) !== 0) return refusal(CloseCode.IntentsNotGranted);
    if (shardPair(shard) === undefined) return refusal(CloseCode.InvalidShard);
    // The form of this refusal is inferred: it is the one seen for other refused Identifies.
    return bot.quota.take(Date.now()) ? undefined : refusedSession;
  }

  /** The older socket of a session is "reset by resume" (tencent-connect/bot-node-sdk #94, read as: the newer one wins). */
  #kickOlder(session: Session, newer: GatewayLink): void {
    const older = session.link;
    if (older === null || older === newer || older.closesLate) return;
    this.detach(session);
    older.end({ how: 'close', code: CloseCode.ResetByResume });
  }

  #botOf(token: unknown, at: 'identify' | 'resume'): Bot | undefined {
    if (typeof token !== 'string') return undefined;
    if (token.startsWith('QQBot ')) return this.#bots.byToken(token.slice('QQBot '.length));
    if (token.startsWith('Bot ') && this.#settings.allowOldBotToken) return this.#bots.byOldToken(token.slice(4));
    // botgo sends Resume with the bare token, and production accepts it.
    return at === 'resume' ? this.#bots.byToken(token) : undefined;
  }

  #attach(link: GatewayLink, bot: Bot, session: Session): void {
    link.authenticated(bot, session);
    session.link = link;
    session.detachedAt = null;
    const conduct = this.#faults.take('conduct', { appId: bot.appId });
    if (conduct?.name === 'frozen') link.freeze();
    else if (conduct !== undefined) link.conduct = conduct.name;
  }

  #replaceOlder(bot: Bot, newer: Session): void {
    for (const older of bot.sessions.all(Date.now())) {
      if (older === newer || String(older.shape.shard) !== String(newer.shape.shard)) continue;
      bot.sessions.forget(older);
      older.link?.end({ how: 'close', code: CloseCode.InvalidSession });
    }
  }

  /** The client has a working new socket: now the close of the old one may arrive. */
  #closeLateOnes(newer: GatewayLink): void {
    for (const older of this.#lateOnes) {
      if (older.link === newer || older.link.bot !== newer.bot) continue;
      this.#lateOnes.delete(older);
      older.link.resume();
      setTimeout(() => older.link.end(older.drop), older.afterMs).unref();
    }
  }

  readonly #lateOnes = new Set<{ readonly link: GatewayLink; readonly drop: Drop; readonly afterMs: number }>();

  /** Holds a socket's end back until its bot has authenticated another one. */
  closeLate(link: GatewayLink, drop: Drop, afterMs: number): void {
    link.closesLate = true;
    link.pause();
    this.#lateOnes.add({ link, drop, afterMs });
  }

  #forget(bot: Bot, sessionId: unknown): void {
    const session = typeof sessionId === 'string' ? bot.sessions.get(sessionId, Date.now()) : undefined;
    if (session !== undefined) bot.sessions.forget(session);
  }

  #misbehave(link: GatewayLink, fault: AuthFault): AuthOutcome {
    switch (fault.name) {
      case 'swallow':
        return 'swallowed';
      case 'close':
        if (fault.opNineFirst) link.send({ op: Op.InvalidSession, d: false });
        this.#close(link, { how: 'close', code: fault.code });
        return { refused: fault.code };
      case 'op9': {
        link.send({ op: Op.InvalidSession, d: fault.resumable });
        const { thenClose } = fault;
        if (thenClose !== null)
          setTimeout(() => this.#close(link, { how: 'close', code: thenClose.code }), thenClose.afterMs).unref();
        return { refused: thenClose?.code ?? null };
      }
      default:
        return fault satisfies never;
    }
  }

  #close(link: GatewayLink, drop: Drop): void {
    const session = link.session;
    if (session !== null && session.link === link && link.conduct !== 'frozen') this.detach(session);
    link.end(drop);
  }
}

/** A refused Identify as seen in the field: op 9 false, then close 4903. */
const refusedSession: AuthFault = {
  name: 'op9',
  resumable: false,
  thenClose: { code: CloseCode.CreateSessionError, afterMs: closeAfterOpNineMs },
};

function refusal(code: number): AuthFault {
  return { name: 'close', code, opNineFirst: false };
}

function resumeFlaw(
  bot: Bot | undefined,
  session: Session | undefined,
  seq: unknown,
  fault: ResumeFault | undefined,
): AuthFault | undefined {
  if (bot === undefined) return refusal(CloseCode.AuthenticationFailed);
  if (fault?.name === 'stale-session') return refusal(fault.code);
  if (session === undefined) return refusal(CloseCode.InvalidSession);
  const isKnown = typeof seq === 'number' && Number.isInteger(seq) && seq >= 0 && seq <= session.lastSeq;
  return isKnown ? undefined : refusal(CloseCode.WrongSeq);
}

function isAuthFault(fault: ResumeFault): fault is AuthFault {
  return fault.name === 'swallow' || fault.name === 'close' || fault.name === 'op9';
}

function replay(session: Session, seq: number, fault: ResumeFault | undefined) {
  if (session.deaf) return [];
  const missed = session.after(seq);
  if (fault?.name === 'overlap') return [...session.upTo(seq, fault.count), ...missed];
  if (fault?.name === 'gap') return missed.slice(fault.count);
  return missed;
}

function fieldsOf(d: unknown): Record<string, unknown> {
  return typeof d === 'object' && d !== null ? (d as Record<string, unknown>) : {};
}

/** A missing shard is one unsharded connection, which READY shows as [0,0]. */
function shardPair(shard: unknown): readonly [number, number] | undefined {
  if (shard === undefined || shard === null) return [0, 0];
  if (!Array.isArray(shard) || shard.length !== 2) return undefined;
  const [id, shards] = shard as [unknown, unknown];
  if (typeof id !== 'number' || typeof shards !== 'number' || !Number.isInteger(id) || !Number.isInteger(shards))
    return undefined;
  return id >= 0 && shards >= 1 && id < shards ? [id, shards] : undefined;
}
