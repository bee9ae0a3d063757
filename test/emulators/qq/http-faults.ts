/** The faults of the HTTP side: token endpoint, OpenAPI as a whole, discovery, sends. See faults.ts for the rest. */
import { tooFrequent } from './answers.ts';
import type { Bot, Bots } from './bot.ts';
import type { FaultBook, FaultOrder, HttpFault, Occasion, OrderOptions, SendFault } from './fault-book.ts';
import type { Journal } from './journal.ts';
import { ApiCode, type Scene } from './protocol.ts';

/** Which sends; all by default. */
export interface SendOrderOptions extends OrderOptions {
  readonly scene?: Scene;
  readonly chatId?: string;
}

export class HttpFaults {
  protected readonly book: FaultBook;
  protected readonly bots: Bots;
  readonly #journal: Journal;

  constructor(book: FaultBook, journal: Journal, bots: Bots) {
    this.book = book;
    this.#journal = journal;
    this.bots = bots;
  }

  // Token

  /** [1] HTTP 200 with an error code: 100001, 100002, 100007, 100016. */
  tokenError(code: number, options: OrderOptions & { readonly message?: string } = {}): FaultOrder {
    const { message = 'emulated error', ...order } = options;
    return this.book.order('token', { name: 'json', status: 200, body: { code, message } }, order);
  }

  /** [2] */
  tokenHang(options?: OrderOptions): FaultOrder {
    return this.book.order('token', { name: 'hang' }, options);
  }

  /** [2] @defaultValue status 502 */
  tokenHtml(options?: OrderOptions & { readonly status?: number }): FaultOrder {
    return this.book.order('token', { name: 'html', status: options?.status ?? 502 }, options);
  }

  /** [2] */
  tokenReset(options?: OrderOptions): FaultOrder {
    return this.book.order('token', { name: 'reset' }, options);
  }

  /** [3] The real token, with that `expires_in`: "60", "0", 7200 as a number, undefined for a missing field. */
  expiresIn(value: unknown, options?: OrderOptions): FaultOrder {
    return this.book.order('token', { name: 'expires-in', value }, options);
  }

  /** [4] Every token given out so far is void: 401 with 11244, cured by fetching a new one. */
  revokeTokens(where: { readonly appId?: string } = {}): void {
    this.note('revoke-tokens');
    for (const bot of this.botsAt(where)) bot.tokens.revokeAll();
  }

  // OpenAPI as a whole

  /** [5] 401 with 11298 on everything but the token. */
  ipNotListed(options?: OrderOptions): FaultOrder {
    const body = {
      message: '接口访问源IP不在白名单',
      code: ApiCode.IpNotListed,
      err_code: 40023002,
      trace_id: 'emulated',
    };
    return this.book.order('api', { name: 'json', status: 401, body }, options);
  }

  /** Any answer on paths that match, or on all. */
  apiError(answer: HttpFault, options: OrderOptions & { readonly path?: RegExp } = {}): FaultOrder {
    return this.book.order(
      'api',
      answer,
      options,
      ({ path }) => options.path === undefined || options.path.test(path ?? ''),
    );
  }

  /** [6, 7] Discovery refuses: an HTTP status with HTML, the frequency limit (HTTP 400), a hang, or a URL where nobody listens. */
  gatewayError(
    kind: 'html' | 'empty' | 'rate-limit' | 'hang' | 'dead-url',
    options: OrderOptions & { readonly status?: number } = {},
  ): FaultOrder {
    return this.apiError(discoveryFault(kind, options.status ?? 500), { ...options, path: /^\/gateway(\/bot)?$/ });
  }

  // Sends

  /** [37] The message is delivered, the answer lost to a reset. */
  sendLost(options?: SendOrderOptions): FaultOrder {
    return this.#send({ name: 'answer', answer: { name: 'reset' }, delivered: true, consumesSeq: false }, options);
  }

  /** Delivered or not, the answer never comes. @defaultValue delivered */
  sendHang(options?: SendOrderOptions & { readonly delivered?: boolean }): FaultOrder {
    const delivered = options?.delivered ?? true;
    return this.#send({ name: 'answer', answer: { name: 'hang' }, delivered, consumesSeq: false }, options);
  }

  /** [38] A 5xx with HTML. @defaultValue 502, not delivered, the msg_seq still free */
  sendFail(
    options?: SendOrderOptions & {
      readonly status?: number;
      readonly delivered?: boolean;
      readonly consumesSeq?: boolean;
    },
  ): FaultOrder {
    const answer = { name: 'html', status: options?.status ?? 502 } as const;
    const { delivered = false, consumesSeq = false } = options ?? {};
    return this.#send({ name: 'answer', answer, delivered, consumesSeq }, options);
  }

  /** [39] `retryAfter` in seconds, as in the header; without it the header is missing. */
  send429(options?: SendOrderOptions & { readonly retryAfter?: number }): FaultOrder {
    const headers: Record<string, string> =
      options?.retryAfter === undefined ? {} : { 'Retry-After': String(options.retryAfter) };
    const body = { message: 'too many requests', code: 429, err_code: 429, trace_id: 'emulated' };
    const answer = { name: 'json', status: 429, body } as const;
    return this.#send({ name: 'answer', answer, delivered: false, consumesSeq: false, headers }, options);
  }

  /** [40, 41, 44, 45, 46] Not delivered, refused with that code. @defaultValue status 400; 200 is possible, too */
  sendError(code: number, options?: SendOrderOptions & { readonly status?: number }): FaultOrder {
    const body = { message: 'emulated error', code, err_code: code, trace_id: 'emulated' };
    const answer = { name: 'json', status: options?.status ?? 400, body } as const;
    return this.#send({ name: 'answer', answer, delivered: false, consumesSeq: false }, options);
  }

  /** 200 without a body. @defaultValue delivered */
  sendEmpty(options?: SendOrderOptions & { readonly delivered?: boolean }): FaultOrder {
    const delivered = options?.delivered ?? true;
    return this.#send(
      { name: 'answer', answer: { name: 'empty', status: 200 }, delivered, consumesSeq: false },
      options,
    );
  }

  /** The message is delivered, the 200 comes byte by byte. @defaultValue over 3000 ms */
  sendDrip(options?: SendOrderOptions & { readonly overMs?: number }): FaultOrder {
    return this.#send({ name: 'drip', overMs: options?.overMs ?? 3000 }, options);
  }

  /** [43] 200 with an id, and nobody ever sees the message. */
  sendPhantom(options?: SendOrderOptions): FaultOrder {
    return this.#send({ name: 'phantom' }, options);
  }

  /** [42] 202 with 304023/304024, then the verdict event, or none. @defaultValue pass after 100 ms */
  sendAudit(
    options?: SendOrderOptions & { readonly outcome?: 'pass' | 'reject' | 'never'; readonly afterMs?: number },
  ): FaultOrder {
    const { outcome = 'pass', afterMs = 100 } = options ?? {};
    return this.#send({ name: 'audit', outcome, afterMs }, options);
  }

  protected note(name: string): void {
    this.#journal.append({ kind: 'fault', phase: 'ordered', point: 'now', name });
  }

  protected botsAt(where: { readonly appId?: string }): Bot[] {
    return this.bots.all().filter((bot) => where.appId === undefined || bot.appId === where.appId);
  }

  #send(fault: SendFault, options: SendOrderOptions = {}): FaultOrder {
    const fits = ({ scene, chatId }: Occasion) =>
      (options.scene === undefined || scene === options.scene) &&
      (options.chatId === undefined || chatId === options.chatId);
    return this.book.order('send', fault, options, fits);
  }
}

function discoveryFault(kind: 'html' | 'empty' | 'rate-limit' | 'hang' | 'dead-url', status: number): HttpFault {
  switch (kind) {
    case 'html':
    case 'empty':
      return { name: kind, status };
    case 'hang':
      return { name: 'hang' };
    case 'rate-limit':
      return tooFrequent;
    case 'dead-url': {
      // Port 1 of the loopback is reserved (tcpmux) and answers with a refusal.
      const url = 'ws://127.0.0.1:1/websocket/';
      const limit = { total: 1000, remaining: 1000, reset_after: 86_400_000, max_concurrency: 1 };
      return { name: 'json', status: 200, body: { url, shards: 1, session_start_limit: limit } };
    }
    default:
      return kind satisfies never;
  }
}
