/**
 * Gateway sessions of one bot. A session outlives its socket: events go on being numbered and logged while none is
 * attached, and Resume replays them with their original ids and numbers, until the retention time has passed.
 */
import { randomUUID } from 'node:crypto';
import type { Drop } from './fault-book.ts';
import { type DispatchFrame, intentOf, Op, shardOf } from './protocol.ts';

/** What a session needs of the socket it is attached to. */
export interface SessionLink {
  /** @returns false when the frame could not be given to the socket; the log has it all the same */
  deliver(frame: DispatchFrame): boolean;
  end(drop: Drop): void;
  /** Its end is held back by a fault: a newer socket of the session does not kick it. */
  readonly closesLate: boolean;
}

export interface SessionShape {
  readonly intents: number;
  /** [shard, shards]; what READY echoes. */
  readonly shard: readonly [number, number];
}

export class Session {
  readonly id = randomUUID();
  readonly appId: string;
  readonly shape: SessionShape;
  link: SessionLink | null = null;
  /** When the last socket went away; null while one is attached. */
  detachedAt: number | null = null;
  /** Resumes are accepted and beats answered, but no event is ever sent again (tencent-connect/bot-docs #191). */
  deaf = false;
  readonly #log: DispatchFrame[] = [];
  readonly #logLimit: number;
  #lastSeq = 0;

  constructor(appId: string, shape: SessionShape, logLimit: number) {
    this.appId = appId;
    this.shape = shape;
    this.#logLimit = logLimit;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** A numbered frame outside the replay log: READY and RESUMED belong to a socket, not to the event stream. */
  control(t: string, d: unknown): DispatchFrame {
    return { op: Op.Dispatch, s: ++this.#lastSeq, t, d };
  }

  record(t: string, d: unknown, eventId: string, members?: string): DispatchFrame {
    const verbatim = members === undefined ? {} : { members };
    const frame: DispatchFrame = { op: Op.Dispatch, id: eventId, s: ++this.#lastSeq, t, d, ...verbatim };
    this.#log.push(frame);
    if (this.#log.length > this.#logLimit * 1.1) this.#log.splice(0, this.#log.length - this.#logLimit);
    return frame;
  }

  /** Logged frames with `s` above `seq`, oldest first. */
  after(seq: number): DispatchFrame[] {
    let from = this.#log.length;
    while (from > 0 && (this.#log[from - 1] as DispatchFrame).s > seq) from--;
    return this.#log.slice(from);
  }

  /** The last `count` logged frames with `s` up to `seq`: what a client has already handled. */
  upTo(seq: number, count: number): DispatchFrame[] {
    return this.#log.filter((frame) => frame.s <= seq).slice(-count);
  }

  wants(event: string, guildId: string | undefined): boolean {
    const bit = intentOf(event);
    if (bit !== 0 && (this.shape.intents & bit) === 0) return false;
    const [shard, shards] = this.shape.shard;
    return shards <= 1 || shardOf(guildId, shards) === shard;
  }
}

export class Sessions {
  readonly #byId = new Map<string, Session>();
  readonly #retentionMs: number;
  readonly #logLimit: number;

  constructor(retentionMs: number, logLimit: number) {
    this.#retentionMs = retentionMs;
    this.#logLimit = logLimit;
  }

  create(appId: string, shape: SessionShape): Session {
    const session = new Session(appId, shape, this.#logLimit);
    this.#byId.set(session.id, session);
    return session;
  }

  get(id: string, now: number): Session | undefined {
    this.expire(now);
    return this.#byId.get(id);
  }

  all(now: number): Session[] {
    this.expire(now);
    return [...this.#byId.values()];
  }

  forget(session: Session): void {
    this.#byId.delete(session.id);
  }

  /** Drops sessions that have had no socket for longer than the retention time. */
  expire(now: number): void {
    for (const session of this.#byId.values()) {
      if (session.detachedAt !== null && now - session.detachedAt > this.#retentionMs) this.#byId.delete(session.id);
    }
  }
}
