/** Sessions of the lean gateway: who is authenticated, on which socket, and how far it was numbered. */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

export interface Session {
  readonly id: string;
  readonly account: string;
  seq: number;
  /** `null`: nobody is attached, and what is pushed is lost. */
  link: { readonly ws: WebSocket; readonly raw: Duplex } | null;
}

export class Sessions {
  readonly #byId = new Map<string, Session>();
  readonly #live = new Set<Session>();
  /** When the newest session was confirmed (READY or RESUMED), ms since the epoch. */
  confirmedAt = 0;
  /** Each Resume that was confirmed: of whom, and when, ms since the epoch. */
  readonly resumed: { readonly account: string; readonly at: number }[] = [];
  /** The longest time between two heartbeats of one socket, ms. */
  longestBeatGapMs = 0;
  #made = 0;
  #waiting: { readonly count: number; readonly tell: () => void }[] = [];

  get live(): readonly Session[] {
    return [...this.#live];
  }

  create(account: string, link: NonNullable<Session['link']>): Session {
    this.#made += 1;
    const session: Session = { id: `session-${this.#made}`, account, seq: 0, link };
    this.#byId.set(session.id, session);
    return session;
  }

  find(id: unknown): Session | undefined {
    return typeof id === 'string' ? this.#byId.get(id) : undefined;
  }

  /** READY or RESUMED was sent. */
  confirmed(session: Session, how: 'READY' | 'RESUMED'): void {
    this.#live.add(session);
    this.confirmedAt = performance.timeOrigin + performance.now();
    if (how === 'RESUMED') this.resumed.push({ account: session.account, at: this.confirmedAt });
    const { size } = this.#live;
    const due = this.#waiting.filter(({ count }) => size >= count);
    this.#waiting = this.#waiting.filter(({ count }) => size < count);
    for (const { tell } of due) tell();
  }

  detached(session: Session, ws: WebSocket): void {
    if (session.link?.ws !== ws) return;
    session.link = null;
    this.#live.delete(session);
  }

  async untilLive(count: number): Promise<void> {
    if (this.#live.size >= count) return;
    await new Promise<void>((tell) => this.#waiting.push({ count, tell }));
  }
}
