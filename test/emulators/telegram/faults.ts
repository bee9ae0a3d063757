/**
 * Every fault by its name, as a test orders it. Orders stand until cleared unless `times` says otherwise; orders about
 * "now" act on what is open at that moment.
 */
import type { FaultOrder, OrderTimes } from '../fault-orders.ts';
import type { Listener } from '../listener.ts';
import { ApiRefusal, tooManyRequests } from './answers.ts';
import type { Bot, Bots } from './bot.ts';
import type { CallFault, FaultBook, Occasion } from './fault-book.ts';
import type { Journal } from './journal.ts';
import type { Sockets } from './sockets.ts';

/** Which calls; all by default. */
export interface CallOrder extends OrderTimes {
  readonly botId?: number;
  /** One method, in any case, or several. */
  readonly method?: string | readonly string[];
  readonly chatId?: number;
}

/** A call whose effect may happen or not. */
export interface AppliedOrder extends CallOrder {
  /** Whether the platform does what was asked before its answer goes astray. @defaultValue false */
  readonly isApplied?: boolean;
}

export interface Where {
  readonly botId?: number;
}

export interface FaultParts {
  readonly book: FaultBook;
  readonly journal: Journal;
  readonly bots: Bots;
  readonly sockets: Sockets;
  readonly door: Listener;
}

export class Faults {
  readonly #parts: FaultParts;

  constructor(parts: FaultParts) {
    this.#parts = parts;
  }

  /** Takes back every standing order and opens the port. What already happened to a socket stays. */
  async clear(): Promise<void> {
    this.#parts.book.clear();
    await this.#parts.door.open();
  }

  // Calls

  /** No answer, for ever. A poll that is not applied is not parked either. */
  hang(options: AppliedOrder = {}): FaultOrder {
    return this.#call({ name: 'hang', isApplied: options.isApplied ?? false }, options);
  }

  /** A poll that hangs for ever, whatever deadline it asked for. */
  pollHang(options: AppliedOrder = {}): FaultOrder {
    return this.hang({ ...options, method: 'getUpdates' });
  }

  /** The connection is reset instead of an answer. */
  reset(options: AppliedOrder = {}): FaultOrder {
    return this.#call({ name: 'reset', isApplied: options.isApplied ?? false }, options);
  }

  /** Half of the answer's body, then the connection ends. What was asked is done. */
  cut(options: CallOrder = {}): FaultOrder {
    return this.#call({ name: 'cut', isApplied: true }, options);
  }

  /** An HTML page of a sick front end. @defaultValue 502 */
  html(options: AppliedOrder & { readonly status?: number } = {}): FaultOrder {
    return this.#call({ name: 'html', status: options.status ?? 502, isApplied: options.isApplied ?? false }, options);
  }

  /** An HTTP status without a body. @defaultValue 504 */
  empty(options: AppliedOrder & { readonly status?: number } = {}): FaultOrder {
    return this.#call({ name: 'empty', status: options.status ?? 504, isApplied: options.isApplied ?? false }, options);
  }

  /** 200, and a body that is no JSON. */
  brokenJson(options: AppliedOrder = {}): FaultOrder {
    return this.#call({ name: 'broken-json', isApplied: options.isApplied ?? false }, options);
  }

  /** The true answer, byte by byte. @defaultValue over 3000 ms */
  drip(options: CallOrder & { readonly overMs?: number } = {}): FaultOrder {
    return this.#call({ name: 'drip', overMs: options.overMs ?? 3000, isApplied: true }, options);
  }

  /** 429 with body, parameters and header. @defaultValue 1 s */
  tooMany(options: CallOrder & { readonly retryAfterS?: number } = {}): FaultOrder {
    return this.refuse(tooManyRequests(options.retryAfterS ?? 1), options);
  }

  /** Any refusal, in the API's shape. Nothing is applied. */
  refuse(
    refusal: ApiRefusal | { readonly code: number; readonly description: string },
    options: CallOrder = {},
  ): FaultOrder {
    const asked = refusal instanceof ApiRefusal ? refusal : new ApiRefusal(refusal.code, refusal.description);
    return this.#call({ name: 'refuse', refusal: asked, isApplied: false }, options);
  }

  /**
   * The front end got no answer from the server in time, and says so in the form of the API
   * (tdlib/telegram-bot-api #868). @defaultValue 502, and what was asked is done
   */
  gateway(options: AppliedOrder & { readonly status?: number } = {}): FaultOrder {
    const { status = 502, isApplied = true } = options;
    const said = new Map([
      [502, 'Bad Gateway'],
      [503, 'Service Unavailable'],
      [504, 'Gateway Timeout'],
    ]);
    const refusal = new ApiRefusal(status, said.get(status) ?? 'Internal Server Error');
    return this.#call({ name: 'gateway', refusal, isApplied }, options);
  }

  /** People get the message, the bot a reset: the outcome is unknown to it. */
  sendLost(options: CallOrder = {}): FaultOrder {
    return this.reset({ method: 'sendMessage', ...options, isApplied: true });
  }

  // Batches

  /** Every update of a batch comes twice in it. */
  duplicateInBatch(options: OrderTimes & Where = {}): FaultOrder {
    return this.#parts.book.order('batch', { name: 'duplicate' }, options, fits(options));
  }

  /** The newest update of a batch comes first. */
  reverseBatch(options: OrderTimes & Where = {}): FaultOrder {
    return this.#parts.book.order('batch', { name: 'reverse' }, options, fits(options));
  }

  // Connections, now

  /** Open connections get no answer any more, nor an end; parked polls on them neither. New dials work. @returns how many */
  halfOpen(): number {
    this.#note('half-open');
    return this.#parts.sockets.freeze();
  }

  /** Resets every open connection. @returns how many */
  dropSockets(): number {
    this.#note('drop-sockets');
    return this.#parts.sockets.reset();
  }

  /** The port is closed, its connections are reset: ECONNREFUSED. Updates go on arriving at the platform. */
  async unreachable(): Promise<void> {
    this.#note('unreachable');
    await this.#parts.door.down();
  }

  /** Comes back under the same port. */
  async reachable(): Promise<void> {
    this.#note('reachable');
    await this.#parts.door.open();
  }

  // Instances and tokens

  /**
   * The server restarts: parked polls are answered `[]`, and calls get 500 for a while. The instances are cold then.
   * @defaultValue for 1000 ms
   */
  restart(options: Where & { readonly forMs?: number } = {}): void {
    this.#note('restart');
    for (const bot of this.#botsAt(options)) {
      bot.instance = { name: 'restarting', untilMs: performance.now() + (options.forMs ?? 1000) };
      bot.desk.finish();
    }
  }

  /** 401 on everything from now on. A parked poll is answered `[]`. Undone by {@link restoreToken}. */
  revokeToken(where: Where = {}): void {
    this.#note('revoke-token');
    for (const bot of this.#botsAt(where)) bot.revokeToken();
  }

  /** The token works again. */
  restoreToken(where: Where = {}): void {
    this.#note('restore-token');
    for (const bot of this.#botsAt(where)) bot.restoreToken();
  }

  #call(fault: CallFault, options: CallOrder): FaultOrder {
    const methods = [options.method ?? []].flat().map((method) => method.toLowerCase());
    const { chatId } = options;
    return this.#parts.book.order('call', fault, options, (occasion) => {
      const isMethod = methods.length === 0 || methods.includes(occasion.method ?? '');
      return isMethod && (chatId === undefined || occasion.chatId === String(chatId)) && fits(options)(occasion);
    });
  }

  #note(name: string): void {
    this.#parts.journal.append({ kind: 'fault', phase: 'ordered', point: 'now', name });
  }

  #botsAt({ botId }: Where): Bot[] {
    return this.#parts.bots.all().filter((bot) => botId === undefined || bot.id === botId);
  }
}

function fits({ botId }: Where): (occasion: Occasion) => boolean {
  return (occasion) => botId === undefined || occasion.botId === botId;
}
