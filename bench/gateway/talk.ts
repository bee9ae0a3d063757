/** What the gateway's people say: floods with back-pressure honoured, and a steady rate. */
import { setTimeout as delay } from 'node:timers/promises';
import { eventText, FrameBuffer } from './frames.ts';
import type { GatewayOrders, Talk } from './orders.ts';
import type { Session, Sessions } from './sessions.ts';

/** Frames of one session per write. */
const PER_WRITE = 64;
/** How long replies may stay out after the last one, ms. */
const PATIENCE_MS = 30_000;

const now = () => performance.timeOrigin + performance.now();

export class People {
  readonly #sessions: Sessions;
  #number = 0;
  #pushedAt = new Map<string, number>();
  #latencies: number[] = [];
  #replies = 0;
  #lastReplyAt = 0;

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  onReply(replyTo: string | null): void {
    this.#replies += 1;
    this.#lastReplyAt = now();
    const pushedAt = replyTo === null ? undefined : this.#pushedAt.get(replyTo);
    if (pushedAt !== undefined) this.#latencies.push(this.#lastReplyAt - pushedAt);
  }

  /** Sessions in turn, {@link PER_WRITE} events each, so that no one's turn is late by much. */
  async flood(talk: Talk): Promise<GatewayOrders['flood']['answer']> {
    const sessions = this.#sessions.live.slice(0, talk.sessions);
    const frames = new FrameBuffer();
    const perSession = Math.max(1, Math.floor(talk.chats / sessions.length));
    const perWrite = Math.min(PER_WRITE, Math.ceil(talk.events / sessions.length));
    const startedAt = now();
    const at = new Date(startedAt).toISOString();
    for (let left = talk.events; left > 0; ) {
      for (const [n, session] of sessions.entries()) {
        const count = Math.min(perWrite, left);
        if (count === 0) break;
        for (let i = 0; i < count; i += 1) frames.add(this.#event(talk, session, n, perSession, at));
        left -= count;
        const { link } = session;
        if (link?.raw.write(frames.take()) === false) await drained(link.raw);
      }
    }
    return { startedAt, endedAt: now() };
  }

  async floodAnswered(talk: Talk): Promise<GatewayOrders['flood']['answer']> {
    const due = this.#replies + talk.events;
    const { startedAt } = await this.flood(talk);
    await this.#answered(due);
    return { startedAt, endedAt: this.#lastReplyAt };
  }

  async pace({ perSecond, answered, ...talk }: GatewayOrders['pace']['ask']): Promise<readonly number[]> {
    const sessions = this.#sessions.live;
    const perSession = Math.max(1, Math.floor(talk.chats / sessions.length));
    const frames = new FrameBuffer();
    this.#latencies = [];
    this.#pushedAt = new Map();
    const due = this.#replies + talk.events;
    const began = performance.now();
    for (let n = 0; n < talk.events; n += 1) {
      await delay(Math.max(0, began + (n * 1_000) / perSecond - performance.now()));
      const place = n % sessions.length;
      const session = sessions[place];
      if (session === undefined) throw new Error('nobody is live to talk to');
      frames.add(this.#event(talk, session, place, perSession, new Date().toISOString()));
      this.#pushedAt.set(`ROBOT1.0_bench.${this.#number}!`, now());
      session.link?.raw.write(frames.take());
    }
    if (answered) await this.#answered(due);
    return this.#latencies;
  }

  #event({ shape }: Talk, session: Session, place: number, perSession: number, at: string): string {
    this.#number += 1;
    session.seq += 1;
    const chat = `C${place}X${this.#number % perSession}`.padEnd(32, '0');
    return eventText(shape, { seq: session.seq, number: this.#number, chat }, at);
  }

  async #answered(due: number): Promise<void> {
    const began = performance.now();
    while (this.#replies < due) {
      const idleSince = Math.max(began, this.#lastReplyAt - performance.timeOrigin);
      if (performance.now() - idleSince > PATIENCE_MS) throw new Error(`${due - this.#replies} events stay unanswered`);
      await delay(1);
    }
  }
}

function drained(raw: { once(event: 'drain' | 'close', then: () => void): unknown }): Promise<void> {
  return new Promise((resolve) => {
    raw.once('drain', resolve);
    raw.once('close', resolve);
  });
}
