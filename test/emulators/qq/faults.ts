/**
 * Every fault by its name, as a test orders it. Orders stand until cleared unless `times` says otherwise; orders about
 * sockets ("now") act on those open at that moment. Numbers in brackets are the rows of the fault list in README.md.
 */

import type { Listener } from '../listener.ts';
import type { Bots } from './bot.ts';
import type { Conduct, Drop, FaultBook, FaultOrder, OrderOptions } from './fault-book.ts';
import { type Garbage, garbageFrame } from './garbage.ts';
import type { Gateway } from './gateway.ts';
import { HttpFaults } from './http-faults.ts';
import type { Journal } from './journal.ts';
import type { GatewayLink } from './link.ts';
import { CloseCode, Op } from './protocol.ts';

/** Which sockets, bots or sessions; all of them by default. */
export interface Where {
  readonly appId?: string;
}

export interface Doors {
  readonly api: Listener;
  readonly gateway: Listener;
}

export class Faults extends HttpFaults {
  readonly #gateway: Gateway;
  readonly #doors: Doors;

  constructor(book: FaultBook, journal: Journal, bots: Bots, gateway: Gateway, doors: Doors) {
    super(book, journal, bots);
    this.#gateway = gateway;
    this.#doors = doors;
  }

  /** Takes back every standing order and the idle proxy, and opens closed ports. What already happened to a socket stays. */
  async clear(): Promise<void> {
    this.book.clear();
    this.#gateway.idleProxy = null;
    for (const bot of this.bots.all()) bot.webhook = false;
    await this.acceptDials();
  }

  // Dials

  /** The port is really closed: ECONNREFUSED. Open sockets stay; see {@link dropSockets}. @defaultValue both ports */
  async refuseDials(which: 'all' | 'api' | 'gateway' = 'all'): Promise<void> {
    this.note('refuse-dials');
    if (which !== 'gateway') await this.#doors.api.refuse();
    if (which !== 'api') await this.#doors.gateway.refuse();
  }

  /** Opens the ports again, under the same numbers. */
  async acceptDials(): Promise<void> {
    await this.#doors.api.open();
    await this.#doors.gateway.open();
  }

  /** [8] TCP is accepted, the upgrade never answered. */
  blackHoleDials(options?: Omit<OrderOptions, 'appId'>): FaultOrder {
    return this.book.order('dial', { name: 'black-hole' }, options);
  }

  /** [8] The upgrade succeeds, Hello never comes. */
  noHello(options?: Omit<OrderOptions, 'appId'>): FaultOrder {
    return this.book.order('dial', { name: 'no-hello' }, options);
  }

  /** The upgrade is answered with an HTTP error, as a sick load balancer does. */
  refuseUpgrade(status = 502, options?: Omit<OrderOptions, 'appId'>): FaultOrder {
    return this.book.order('dial', { name: 'refuse-upgrade', status }, options);
  }

  // Authentication

  /** [9] Hello comes, then Identify and Resume are swallowed. */
  swallowIdentify(options?: OrderOptions): FaultOrder {
    return both(
      this.book.order('identify', { name: 'swallow' }, options),
      this.book.order('resume', { name: 'swallow' }, options),
    );
  }

  /** [10] op 9 false, and 100 ms later close 4903. */
  refuseIdentify(options?: OrderOptions & { readonly closeAfterMs?: number }): FaultOrder {
    const thenClose = { code: CloseCode.CreateSessionError, afterMs: options?.closeAfterMs ?? 100 };
    return this.book.order('identify', { name: 'op9', resumable: false, thenClose }, options);
  }

  /**
   * [11, 12] op 9 as the answer to Resume (default) or Identify. With `resumable: false` the session is gone.
   * `thenClose: null` leaves the socket open. @defaultValue close 4903 after 100 ms for a gone session, else 4009
   */
  op9(
    options: OrderOptions & {
      readonly resumable: boolean;
      readonly at?: 'resume' | 'identify';
      readonly thenClose?: { readonly code: number; readonly afterMs: number } | null;
    },
  ): FaultOrder {
    const code = options.resumable ? CloseCode.TimedOut : CloseCode.CreateSessionError;
    const thenClose = options.thenClose === undefined ? { code, afterMs: 100 } : options.thenClose;
    return this.book.order(options.at ?? 'resume', { name: 'op9', resumable: options.resumable, thenClose }, options);
  }

  /** [18, 19, 20, 22b] Identify and Resume are answered by a close: 4004, 4914, 4902, … `opNineFirst` sends op 9 false before it. */
  closeOnAuth(
    code: number,
    options: OrderOptions & { readonly at?: 'resume' | 'identify' | 'both'; readonly opNineFirst?: boolean } = {},
  ): FaultOrder {
    const fault = { name: 'close', code, opNineFirst: options.opNineFirst ?? false } as const;
    const at = options.at ?? 'both';
    if (at !== 'both') return this.book.order(at, fault, options);
    return both(this.book.order('identify', fault, options), this.book.order('resume', fault, options));
  }

  /** [13] Resume is refused and its session gone. @defaultValue close 4006 */
  staleSession(options?: OrderOptions & { readonly code?: number }): FaultOrder {
    return this.book.order(
      'resume',
      { name: 'stale-session', code: options?.code ?? CloseCode.InvalidSession },
      options,
    );
  }

  /** [14] Resume is accepted, then the socket ends. @defaultValue close 4009 after 50 ms, with RESUMED */
  resumeThenDrop(
    options: OrderOptions & {
      readonly code?: number;
      readonly how?: 'rst' | 'fin';
      readonly afterMs?: number;
      readonly sendResumed?: boolean;
    } = {},
  ): FaultOrder {
    const how: Drop =
      options.how === undefined ? { how: 'close', code: options.code ?? CloseCode.TimedOut } : { how: options.how };
    const sendResumed = options.sendResumed ?? true;
    return this.book.order('resume', { name: 'then-drop', how, afterMs: options.afterMs ?? 50, sendResumed }, options);
  }

  /** [15] RESUMED and ACKs, but no event ever again in that session: only Identify heals. */
  deafResume(options?: OrderOptions): FaultOrder {
    return this.book.order('resume', { name: 'deaf' }, options);
  }

  /** [31] The replay repeats the last `count` events already handled. */
  replayOverlap(count: number, options?: OrderOptions): FaultOrder {
    return this.book.order('resume', { name: 'overlap', count }, options);
  }

  /** [32] The replay lacks the oldest `count` of the missed events. */
  gap(count: number, options?: OrderOptions): FaultOrder {
    return this.book.order('resume', { name: 'gap', count }, options);
  }

  /** [35] `remaining` is 0 until the counter resets. */
  exhaustIdentifies(where: Where = {}): void {
    this.note('exhaust-identifies');
    for (const bot of this.botsAt(where)) bot.quota.exhaust(Date.now());
  }

  /** The platform has forgotten every session; the sockets stay, the next Resume gets 4006. */
  forgetSessions(where: Where = {}): void {
    this.note('forget-sessions');
    for (const bot of this.botsAt(where))
      for (const session of bot.sessions.all(Date.now())) bot.sessions.forget(session);
  }

  // Open sockets, now

  /** [28] Ends open sockets. @returns how many */
  dropSockets(drop: Drop & Where & { readonly count?: number }): number {
    this.note(`drop-${drop.how}`);
    const links = this.#gateway.open(drop.appId).filter((link) => link.conduct !== 'frozen');
    const chosen = links.slice(0, drop.count ?? links.length);
    for (const link of chosen) this.#gateway.drop(link, drop);
    return chosen.length;
  }

  /** [17, 19, 20] Closes open sockets with that code. @returns how many */
  close(code: number, reason?: string, where: Where = {}): number {
    return this.dropSockets({ how: 'close', code, ...(reason === undefined ? {} : { reason }), ...where });
  }

  /** [26] Open sockets stop reading and writing, for ever, without FIN or RST. New dials work. @returns how many */
  halfOpen(where: Where = {}): number {
    return this.#behave('frozen', where);
  }

  /** [24] Neither ACKs nor events on the open sockets; TCP is healthy. `pongs: false`: pings go unanswered, too. */
  noAcks(where: Where & { readonly pongs?: boolean } = {}): number {
    return this.#behave('no-acks', where, where.pongs ?? true);
  }

  /** [25] ACKs on the open sockets, but no events; they are logged and come with the next Resume. */
  acksOnly(where: Where = {}): number {
    return this.#behave('acks-only', where);
  }

  /** The three above for sockets yet to come, from their authentication on. */
  conductOfNewSockets(name: Exclude<Conduct, 'normal'>, options?: OrderOptions): FaultOrder {
    return this.book.order('conduct', { name }, options);
  }

  /** Ends `noAcks` and `acksOnly`; withheld events come with the next Resume only. Half-open sockets stay half-open. */
  behaveAgain(where: Where = {}): void {
    for (const link of this.#gateway.open(where.appId)) if (link.conduct !== 'frozen') link.conduct = 'normal';
  }

  /** [16] op 7, then the close. `close: null` never closes. @defaultValue close 4009 after 500 ms */
  op7(options: Where & { readonly close?: { readonly code: number; readonly afterMs: number } | null } = {}): number {
    const close = options.close === undefined ? { code: CloseCode.TimedOut, afterMs: 500 } : options.close;
    return this.#each('op7', options, (link) => {
      link.send({ op: Op.Reconnect });
      if (close !== null) setTimeout(() => this.#gateway.end(link, close.code), close.afterMs).unref();
    });
  }

  /** [29] op 7, and the old socket's close comes only after the bot has authenticated a new one. */
  lateClose(options: Where & { readonly code?: number; readonly afterMs?: number } = {}): number {
    const drop = { how: 'close', code: options.code ?? CloseCode.TimedOut } as const;
    return this.#each('late-close', options, (link) => {
      link.send({ op: Op.Reconnect });
      this.#gateway.closeLate(link, drop, options.afterMs ?? 20);
    });
  }

  /** [34] `{"op":1}` from the platform, which expects a beat. */
  serverHeartbeat(where: Where = {}): number {
    return this.#each('server-heartbeat', where, (link) => link.send({ op: Op.Heartbeat }));
  }

  /** [33] Sends what no client should choke on. Kinds with an event take a number in the session. */
  garbage(kind: Garbage, where: Where = {}): number {
    return this.#each(`garbage-${kind}`, where, (link) => {
      const { session } = link;
      if (session !== null) link.sendRaw(garbageFrame(kind, session));
    });
  }

  /** [27] A proxy on the way drops sockets whose client was silent for that long. `silent` makes them half-open. */
  idleProxy(options: { readonly afterMs: number; readonly how: 'rst' | 'silent' } | null): void {
    this.note('idle-proxy');
    this.#gateway.idleProxy = options;
  }

  /** [51] The console was switched to webhook: sockets stay open, events stop and are not logged. */
  switchToWebhook(where: Where = {}): void {
    this.note('switch-to-webhook');
    for (const bot of this.botsAt(where)) bot.webhook = true;
  }

  // Events

  /** [30] Each event comes `1 + copies` times with the same `d.id`, under new numbers or the same one. */
  duplicate(options: OrderOptions & { readonly copies?: number; readonly seq?: 'new' | 'same' } = {}): FaultOrder {
    return this.book.order(
      'push',
      { name: 'duplicate', copies: options.copies ?? 1, seq: options.seq ?? 'new' },
      options,
    );
  }

  #behave(conduct: Exclude<Conduct, 'normal'>, where: Where, pongs = true): number {
    return this.#each(conduct, where, (link) => {
      if (conduct === 'frozen') link.freeze();
      else link.conduct = conduct;
      link.answersPings = pongs;
    });
  }

  #each(name: string, where: Where, act: (link: GatewayLink) => void): number {
    this.note(name);
    const links = this.#gateway.open(where.appId).filter((link) => link.conduct !== 'frozen');
    for (const link of links) act(link);
    return links.length;
  }
}

function both(first: FaultOrder, second: FaultOrder): FaultOrder {
  return {
    get hits() {
      return first.hits + second.hits;
    },
    clear: () => {
      first.clear();
      second.clear();
    },
  };
}
