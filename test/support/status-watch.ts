/**
 * Compares what status says with what the platform sees, five times a second. Two claims are judged at every look:
 * "live" without a responsive socket is a lie once it outlasts the stated bound; and every other state must say why, and
 * when the next attempt is (promise P1).
 */
import type { ConnectionStateName, StatusDocument } from '../../src/status/document.ts';

const EVERY_MS = 200;
const STATES: readonly ConnectionStateName[] = ['live', 'connecting', 'waiting', 'unowned', 'parked', 'paused'];
/** An instant that status gave may have passed by so much before the next one is written, ms. */
const OVERDUE_MS = 2_000;

/** A connection stops being "live" within this after its socket closed, ms (docs/status.md). */
export const CLOSED_BOUND_MS = 4_000;

export interface Look {
  readonly at: number;
  readonly state: ConnectionStateName | 'unreadable';
  readonly reason: string | null;
  readonly socket: boolean;
}

/** What the platform sees of a bot now. */
export interface PlatformView {
  /** Wall ms. */
  readonly at: number;
  /** There is a socket or poll of ours that would hear of a message. */
  readonly live: boolean;
  readonly sockets: readonly { readonly conduct: string }[];
}

export interface WatchOptions {
  status(): Promise<StatusDocument>;
  readonly bot: { view(): PlatformView };
  /** @defaultValue 'qq-main' */
  readonly id?: string;
  /** Of half-open sockets, which only keepalive can notice, ms. */
  readonly halfOpenBoundMs: number;
}

export class StatusWatch implements Disposable {
  readonly looks: Look[] = [];
  readonly violations: string[] = [];
  readonly #options: WatchOptions;
  readonly #timer: NodeJS.Timeout;
  #gone: { readonly since: number; readonly boundMs: number } | null = null;
  #looking = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), EVERY_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** The states seen since that instant, repetitions left out. */
  statesSince(at: number): string[] {
    const states = this.looks.filter((look) => look.at >= at).map(({ state }) => state);
    return states.filter((state, index) => state !== states[index - 1]);
  }

  /** Longest time that status went on saying "live" without a responsive socket, ms. */
  longestFalseLiveMs = 0;

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const status = await this.#options.status().catch(() => null);
      this.#judge(status);
    } finally {
      this.#looking = false;
    }
  }

  #judge(status: StatusDocument | null): void {
    const { bot, id = 'qq-main', halfOpenBoundMs } = this.#options;
    const view = bot.view();
    const at = view.at;
    if (view.live) this.#gone = null;
    else {
      const frozen = view.sockets.some(({ conduct }) => conduct !== 'normal');
      const boundMs = frozen ? halfOpenBoundMs : CLOSED_BOUND_MS;
      this.#gone = { since: this.#gone?.since ?? at, boundMs: Math.max(boundMs, this.#gone?.boundMs ?? 0) };
    }
    const connection = status?.connections.find((one) => one.id === id);
    if (status === null || connection === undefined) {
      this.looks.push({ at, state: 'unreadable', reason: null, socket: view.live });
      return;
    }
    const { state, reason, nextAttemptAt } = connection;
    this.looks.push({ at, state, reason, socket: view.live });
    const complain = (what: string) => this.violations.push(`${what}: ${JSON.stringify(connection)}`);
    if (!STATES.includes(state)) complain('unknown state');
    if (state === 'live') this.#judgeLive(at, complain);
    else if (reason === null) complain('no reason');
    if (state === 'live' || state === 'paused') return;
    if (nextAttemptAt === null) complain('no next attempt');
    else if (Date.parse(status.at) - Date.parse(nextAttemptAt) > OVERDUE_MS) complain(`overdue at ${status.at}`);
  }

  #judgeLive(at: number, complain: (what: string) => void): void {
    if (this.#gone === null) return;
    const falseMs = at - this.#gone.since;
    this.longestFalseLiveMs = Math.max(this.longestFalseLiveMs, falseMs);
    if (falseMs > this.#gone.boundMs) complain(`"live" for ${falseMs} ms without a socket`);
  }
}
