/**
 * The smallest adapter that passes the suite, for a platform that does not exist: "parcel" hands out events to whoever
 * polls, and forgets those below the position that a poll names. docs/writing-an-adapter.md walks through it.
 */
import { z } from 'zod';
import {
  type Adapter,
  type AttemptCause,
  aside,
  type Capabilities,
  ConfigError,
  type Cursor,
  childController,
  elementsAt,
  explain,
  FatalError,
  type HoldContext,
  type HttpAnswer,
  HttpFailure,
  type InboundEvent,
  type JsonValue,
  numberAt,
  type OutboundPart,
  type Secrets,
  type Sender,
  type SenderContext,
  type SendOutcome,
  settledWithin,
  splitText,
  TransientError,
  untilDrained,
  watchForGaps,
} from '../../src/index.ts';

const HOUR_MS = 3_600_000;

const capabilities: Capabilities = {
  family: 'long-poll',
  sharing: 'exclusive',
  cursor: 'offset',
  replay: 'replayable',
  replayWindowMs: HOUR_MS,
  gaps: ['nobody polled for an hour'],
  silentLosses: [],
  acknowledgement: 'cumulative-next-call',
  ordering: 'total',
  pause: 'pause-poll',
  dedupeWindowMs: 2 * HOUR_MS,
  receives: [],
  sends: [],
  sendIdempotency: 'key',
  sendNeedsConnection: false,
  replyLimits: [],
  maxTextLength: 1_000,
};

const optionsSchema = z.object({
  account: z.string().min(1),
  apiBaseUrl: z.url({ protocol: /^https?$/ }),
  pollMs: z.int().min(100).max(60_000).default(25_000),
  sendTimeoutMs: z.int().min(100).default(10_000),
});
type Options = z.infer<typeof optionsSchema>;

/** Bound of an answer beside the wait that was asked for, ms. */
const ANSWER_MS = 1_000;
/** How long storing may take before status says that nothing is polled, ms. */
const STORE_PATIENCE_MS = 1_000;
/** Two pollers of one account take turns at cutting each other off: slowly, then. */
const RIVAL_PAUSE_MS = 10_000;
const TOKEN_RECHECK_MS = 30_000;

export function createParcelAdapter(): Adapter {
  return {
    platform: 'parcel',
    capabilities,
    accountOf: (options) => readOptions(options).account,
    async hold(context) {
      const call = callerOf(context);
      await untilDrained(context, (stop) => new Poller(context, call, stop).run());
    },
    createSender: (context) => createSender(callerOf(context)),
  };
}

function readOptions(options: JsonValue): Options {
  const read = optionsSchema.safeParse(options);
  if (read.success) return read.data;
  throw new ConfigError(read.error.issues.map(({ path, message }) => `${path.join('.') || 'parcel'}: ${message}`));
}

interface Caller {
  readonly options: Options;
  /** @throws HttpFailure when no answer came; the signal's reason when it aborts */
  call(
    method: 'GET' | 'POST',
    path: string,
    deadlineMs: number,
    signal: AbortSignal,
    json?: unknown,
  ): Promise<HttpAnswer>;
}

function callerOf({ options: given, secrets, transport }: HoldContext | SenderContext): Caller {
  const options = readOptions(given);
  const headers = { authorization: `Bearer ${tokenOf(secrets)}` };
  return {
    options,
    call: (method, path, deadlineMs, signal, json) => {
      const what = path.replace(/\?.*/, '');
      const request = { what, method, url: options.apiBaseUrl + path, headers, deadlineMs };
      return transport.http.request(json === undefined ? request : { ...request, json }, { signal });
    },
  };
}

function tokenOf({ token = '' }: Secrets): string {
  if (token === '') throw new FatalError('CREDENTIAL_MISSING', 'parcel: token is missing');
  return token;
}

/** `oldest`: the first number that the platform still has, or will give. */
const answerSchema = z.object({ events: z.array(z.unknown()), oldest: z.int(), next: z.int() });
type Polled = z.infer<typeof answerSchema> & { readonly text: string };
const eventSchema = z.object({
  id: z.int(),
  kind: z.string(),
  chat: z.string(),
  from: z.string(),
  text: z.string(),
  at: z.number(),
});
const cursorSchema = z.object({ v: z.literal(1), account: z.string(), next: z.int() });

class Poller {
  readonly #context: HoldContext;
  readonly #caller: Caller;
  readonly #stop: AbortSignal;
  #how: 'identified' | 'resumed';
  /** Why events may be missing when the next poll is answered. */
  #gap: string | null;

  constructor(context: HoldContext, caller: Caller, stop: AbortSignal) {
    this.#context = context;
    this.#caller = caller;
    this.#stop = stop;
    const isReadable = this.#positionOf(context.cursor) !== null;
    this.#how = isReadable ? 'resumed' : 'identified';
    this.#gap = isReadable || context.cursor === null ? null : 'the stored position could not be read';
  }

  async run(): Promise<never> {
    const { gate, health, transport } = this.#context;
    const { apiBaseUrl, pollMs } = this.#caller.options;
    health.route(transport.routeOf(apiBaseUrl));
    health.maxSilence(pollMs + ANSWER_MS);
    for (let cause: AttemptCause | null = null; ; ) {
      await gate.pass(cause, { signal: this.#stop });
      cause = await this.#pollUntilFailure();
      health.lost(cause.reason);
      // A socket that looks alive may be what failed. A fresh one costs little.
      await transport.http.destroy();
    }
  }

  async #pollUntilFailure(): Promise<AttemptCause> {
    using call = childController(this.#stop);
    using _gaps = watchForGaps(this.#context, (ms) => {
      const seconds = Math.round(ms / 1000);
      call.abort(new TransientError('TRANSPORT', `${seconds} s went by unseen (sleep, or a frozen process)`));
    });
    try {
      for (let isLive = false; ; isLive = true) {
        // Asking acknowledges what came before, so that must be stored first.
        if (!(await this.#isStored())) return { reason: 'storage is full or away: not polling until it drains' };
        const answer = await this.#poll(isLive ? this.#caller.options.pollMs : 0, call.signal);
        if (!isLive) this.#proven();
        await this.#read(answer);
      }
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      return { reason: explain(error), minDelayMs: error.retryAfterMs ?? 0 };
    }
  }

  async #isStored(): Promise<boolean> {
    const { sink } = this.#context;
    return (await settledWithin(sink.flush({ signal: this.#stop }), STORE_PATIENCE_MS)) && !sink.full;
  }

  async #poll(waitMs: number, signal: AbortSignal): Promise<Polled> {
    const { health, clock, assertHeld } = this.#context;
    const deadlineMs = waitMs + ANSWER_MS;
    if (waitMs === 0) health.connecting('replaying', clock.now() + deadlineMs);
    const next = this.#positionOf(this.#context.sink.storedCursor);
    assertHeld();
    const path = `/v1/events?wait=${waitMs}${next === null ? '' : `&next=${next}`}`;
    const answer = await this.#caller.call('GET', path, deadlineMs, signal);
    if (answer.status !== 200) throw refusalOf(answer);
    const read = answerSchema.safeParse(answer.json);
    if (!read.success) throw new TransientError('HTTP_BODY', 'a poll was answered with what is no list of events');
    health.roundTrip();
    health.frame();
    return { ...read.data, text: answer.text };
  }

  /** Only the platform's own answer proves anything. */
  #proven(): void {
    const { gate, health, clock, sink } = this.#context;
    gate.proven();
    health.live(this.#how);
    const events = [aside(this.#how, 'polling', '', clock.now())];
    if (this.#gap !== null) events.unshift(aside('gap', this.#gap, '', clock.now()));
    this.#how = 'resumed';
    this.#gap = null;
    sink.push(events, null);
  }

  /** As a rule all at once. After a holder that died over an event, one by one: each as text until the core says so. */
  async #read(answer: Polled): Promise<void> {
    const { reading, sink, clock } = this.#context;
    if (!reading.active) {
      this.#take(answer);
      return;
    }
    for (const raw of elementsAt(answer.text, 'events') ?? []) {
      const id = numberAt(raw, 'id') ?? answer.next;
      await reading.one({
        position: String(id),
        raw,
        read: () => this.#take({ ...answer, events: [JSON.parse(raw)], next: id + 1 }),
        passOver: (why) => sink.push([aside('malformed', why, raw, clock.now(), String(id))], this.#cursor(id + 1)),
      });
    }
  }

  #take({ events, oldest, next }: Polled): void {
    const { sink, clock } = this.#context;
    const stored = this.#positionOf(sink.storedCursor);
    const inbound = events.map((event) => toInboundEvent(event, clock.now()));
    const missing = oldest - (stored ?? oldest);
    if (missing > 0) inbound.unshift(aside('gap', `the platform forgot ${missing} events`, '', clock.now()));
    // Events and the position after them in one push: they are stored together, or not at all.
    if (inbound.length > 0 || stored === null) sink.push(inbound, this.#cursor(next));
  }

  #cursor(next: number): Cursor {
    return { v: 1, account: this.#caller.options.account, next };
  }

  #positionOf(cursor: Cursor | null): number | null {
    const read = cursorSchema.safeParse(cursor);
    return read.success && read.data.account === this.#caller.options.account ? read.data.next : null;
  }
}

function toInboundEvent(event: unknown, receivedAt: number): InboundEvent {
  const raw = JSON.stringify(event);
  const { id = null } = eventSchema.partial().safeParse(event).data ?? {};
  const eventId = id === null ? null : String(id);
  const read = eventSchema.safeParse(event);
  if (!read.success) return aside('malformed', 'an event that cannot be read', raw, receivedAt, eventId);
  const { kind, chat, from, text, at } = read.data;
  if (kind !== 'message') return aside('unknown', kind, raw, receivedAt, eventId, at);
  return {
    kind: 'message',
    eventId,
    conversation: `chat:${chat}`,
    sender: { id: from, name: null },
    text,
    attachments: [],
    platformAt: at,
    receivedAt,
    reply: { key: String(id), deadlineAt: null, quota: null, address: { chat } },
    raw,
  };
}

/** The lowest layer that knows decides the class; above it only the disposition counts. */
function refusalOf({ status, retryAfterMs }: HttpAnswer): Error {
  switch (status) {
    case 401:
      return new FatalError('CREDENTIAL_REFUSED', 'the platform refuses the token (401): put in a new one');
    case 409:
      return new TransientError('PLATFORM_REFUSED', 'conflict: another poller (rival) uses this account (409)', {
        retryAfterMs: RIVAL_PAUSE_MS,
      });
    case 429:
      return new TransientError('RATE_LIMITED', 'polling too often (429)', { retryAfterMs: retryAfterMs ?? 0 });
    default:
      return new TransientError('HTTP_STATUS', `a poll was answered with HTTP ${status}`);
  }
}

function createSender({ call, options }: Caller): Sender {
  return {
    split(text, maxParts) {
      const parts = splitText(text, capabilities.maxTextLength);
      const most = maxParts ?? parts.length;
      return { parts: parts.slice(0, most), overflow: parts.slice(most) };
    },
    async send(part, { signal }) {
      const chat = chatOf(part);
      if (chat === null) return { kind: 'rejected', code: 'no-address', reason: 'the part names no chat of parcel' };
      // The key is the part's own id: the same in every try, so the platform knows a repeated one.
      const body = { chat, text: part.text, key: part.id };
      try {
        return outcomeOf(await call('POST', '/v1/messages', options.sendTimeoutMs, signal, body), chat);
      } catch (error) {
        const maybeDelivered = error instanceof HttpFailure ? error.maybeSent : true;
        if (!(error instanceof HttpFailure) && !signal.aborted) throw error;
        return { kind: 'retry', afterMs: null, code: 'no-answer', reason: explain(error), maybeDelivered };
      }
    },
    buckets(part) {
      const chat = chatOf(part);
      return chat === null ? [] : [{ key: `chat:${chat}`, count: 10, windowMs: 1_000 }];
    },
  };
}

function chatOf({ reply: { address } }: OutboundPart): string | null {
  return z.object({ chat: z.string() }).safeParse(address).data?.chat ?? null;
}

function outcomeOf({ status, json, retryAfterMs }: HttpAnswer, chat: string): SendOutcome {
  const says = { code: `http-${status}`, reason: `HTTP ${status}` };
  const sent = z.object({ id: z.string() }).safeParse(json);
  if (status === 200 && sent.success) return { kind: 'sent', platformId: sent.data.id };
  if (status === 429) return { kind: 'rate-limited', afterMs: retryAfterMs, bucket: `chat:${chat}`, ...says };
  if (status === 401) return { kind: 'retry', afterMs: TOKEN_RECHECK_MS, ...says };
  // Said by the platform itself, in its own form.
  if (status >= 400 && status < 500 && json !== undefined) return { kind: 'rejected', ...says };
  return { kind: 'retry', afterMs: null, ...says, maybeDelivered: true };
}
