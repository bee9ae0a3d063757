/**
 * An adapter for the {@link Platform}: the contract of src/adapters/adapter.ts over simulated sockets. It keeps no
 * promise of its own; what must hold has to come from the core around it.
 */

import type { Adapter, AttemptCause, HoldContext } from '../../src/adapters/adapter.ts';
import { OneByOne } from '../../src/adapters/qq/one-by-one.ts';
import { TransientError } from '../../src/errors.ts';
import type { InboundEvent } from '../../src/model.ts';
import { ANY_CAPABILITIES } from '../support/capabilities.ts';
import type { Wire } from './network.ts';
import { type FromPlatform, HEARTBEAT_MS, type Platform, type Said } from './platform.ts';
import type { Random } from './random.ts';
import { simSender } from './sim-sender.ts';
import type { SimSocket } from './socket.ts';
import { EPOCH, type Process } from './world.ts';

/** An ACK later than this ends the socket, ms. */
const ACK_DEADLINE_MS = 1_000;
/** The longest silence of a working socket. */
export const MAX_SILENCE_MS = HEARTBEAT_MS + ACK_DEADLINE_MS;
const GREETING_MS = 2_000;
/** How long users wait for an answer, ms. */
const REPLY_WINDOW_MS = 300_000;

interface SimCursor {
  readonly session: string;
  readonly seq: number;
}

export interface SimAdapterOptions {
  readonly platform: Platform;
  readonly process: Process;
  readonly wire: Wire;
  readonly random: Random;
  /** Told of each event that is read. @throws when that kills */
  onRead(said: Said): void;
  /** Told of each frame that a holder sends. */
  onSent(token: number): void;
  /** Fencing token of the tenure that holds now. */
  tokenOf(context: HoldContext): number;
}

export function simAdapter(options: SimAdapterOptions): Adapter {
  return {
    platform: 'sim',
    capabilities: { ...ANY_CAPABILITIES, ordering: 'total', maxTextLength: 100 },
    accountOf: () => 'sim',
    hold: (context) => new Holding(options, context).run(),
    createSender: () => simSender(options),
  };
}

class Holding {
  readonly #options: SimAdapterOptions;
  readonly #context: HoldContext;
  readonly #stop = new AbortController();
  /** As far as received; what is stored only a successor needs to know. */
  #cursor: SimCursor | null;

  constructor(options: SimAdapterOptions, context: HoldContext) {
    this.#options = options;
    this.#context = context;
    this.#cursor = context.cursor as unknown as SimCursor | null;
    const { drain, signal } = context;
    for (const one of [drain, signal]) {
      if (one.aborted) this.#stop.abort(one.reason);
      else one.addEventListener('abort', () => this.#stop.abort(one.reason), { once: true });
    }
  }

  async run(): Promise<void> {
    const { gate, health, drain, signal, sink } = this.#context;
    health.maxSilence(MAX_SILENCE_MS);
    let cause: AttemptCause | null = null;
    try {
      while (!this.#stop.signal.aborted) {
        await gate.pass(cause, { signal: this.#stop.signal });
        cause = { reason: await this.#attempt() };
        health.lost(cause.reason);
      }
    } catch (error) {
      if (!drain.aborted || error !== drain.reason) throw error;
    }
    signal.throwIfAborted();
    await sink.flush({ signal });
  }

  /** @returns why it ended */
  async #attempt(): Promise<string> {
    if (this.#context.sink.full) return 'storage is full or away';
    // A budget that can't be asked costs an attempt, not the hold.
    if (this.#cursor === null) {
      try {
        const permit = await this.#context.budget.take('identify', [{ count: 1_000, windowMs: 86_400_000 }], {
          signal: this.#stop.signal,
        });
        if (!permit.granted) return permit.reason;
      } catch (error) {
        if (error instanceof TransientError) return error.message;
        throw error;
      }
    }
    return new Promise((resolve, reject) => {
      new Attempt(this.#options, this.#context, this.#cursor, this.#stop.signal, {
        moved: (cursor) => {
          this.#cursor = cursor;
        },
        ended: resolve,
        failed: reject,
      });
    });
  }
}

type EventFrame = Extract<FromPlatform, { readonly op: 'event' }>;

interface AttemptEnd {
  moved(cursor: SimCursor | null): void;
  ended(reason: string): void;
  failed(error: unknown): void;
}

class Attempt {
  readonly #options: SimAdapterOptions;
  readonly #context: HoldContext;
  readonly #stop: AbortSignal;
  readonly #end: AttemptEnd;
  readonly #socket: SimSocket;
  readonly #oneByOne: OneByOne;
  #cursor: SimCursor | null;
  #deadline: NodeJS.Timeout | undefined;
  #beating: NodeJS.Timeout | undefined;
  #over = false;

  constructor(
    options: SimAdapterOptions,
    context: HoldContext,
    cursor: SimCursor | null,
    stop: AbortSignal,
    end: AttemptEnd,
  ) {
    this.#options = options;
    this.#context = context;
    this.#cursor = cursor;
    this.#stop = stop;
    this.#end = end;
    this.#oneByOne = new OneByOne({
      reading: context.reading,
      read: (raw) => this.#guard(() => this.#take(JSON.parse(raw))),
      passOver: (raw, why) => this.#guard(() => this.#passOver(JSON.parse(raw), why)),
      onBusy: () => {},
      onFailure: (error) => this.#fail(error),
    });
    const { health, clock, sink, dialTimeoutMs } = context;
    health.connecting('dialing', clock.now() + dialTimeoutMs);
    this.#await(dialTimeoutMs, 'dial timed out');
    const { platform, process, wire } = options;
    this.#socket = platform.dial(process, wire, options.tokenOf(context), {
      opened: () => this.#await(GREETING_MS, 'no hello'),
      frame: (frame) => this.#guard(() => this.#received(frame)),
      closed: (reason) => this.#finish(reason),
    });
    sink.onFullChange((full) => full && this.#finish('storage is full or away'));
    stop.addEventListener('abort', this.#onStop, { once: true });
  }

  readonly #onStop = () => this.#fail(this.#stop.reason);

  #received(frame: FromPlatform): void {
    const { health, sink, gate } = this.#context;
    health.frame();
    switch (frame.op) {
      case 'hello':
        this.#send(this.#cursor === null ? { op: 'identify' } : { op: 'resume', ...this.#cursor });
        this.#await(GREETING_MS, 'not authenticated in time');
        return;
      case 'ready':
        this.#move({ session: frame.session, seq: 0 });
        sink.push([record('identified')], json(this.#cursor));
        gate.proven();
        health.live('identified');
        this.#beat();
        return;
      case 'resumed':
        sink.push([record('resumed')], null);
        gate.proven();
        health.live('resumed');
        this.#beat();
        return;
      case 'invalid':
        sink.push([record('gap')], null);
        this.#move(null);
        return this.#finish('the platform refused to resume');
      case 'ack':
        health.roundTrip();
        clearTimeout(this.#deadline);
        return;
      case 'event':
        if (this.#cursor === null) return;
        if (!this.#oneByOne.active) this.#take(frame);
        else this.#oneByOne.add(`${this.#cursor.session}/${frame.seq}`, JSON.stringify(frame));
        return;
      default:
        frame satisfies never;
    }
  }

  #take({ seq, said }: EventFrame): void {
    this.#options.onRead(said);
    this.#push(message(said, this.#context.clock.now()), seq);
  }

  #passOver({ seq }: EventFrame, why: string): void {
    this.#push({ ...record('malformed'), text: why }, seq);
  }

  #push(event: InboundEvent, seq: number): void {
    if (this.#cursor !== null) {
      this.#move({ session: this.#cursor.session, seq: Math.max(seq, this.#cursor.seq) });
    }
    this.#context.sink.push([event], json(this.#cursor));
  }

  #beat(): void {
    clearTimeout(this.#deadline);
    const beat = () =>
      this.#guard(() => {
        this.#send({ op: 'heartbeat' });
        this.#await(ACK_DEADLINE_MS - 1, 'no ACK: the socket is dead');
      });
    this.#beating = setInterval(beat, HEARTBEAT_MS);
    beat();
  }

  #move(cursor: SimCursor | null): void {
    this.#cursor = cursor;
    this.#end.moved(cursor);
  }

  #send(frame: Parameters<SimSocket['send']>[0]): void {
    this.#context.assertHeld();
    this.#options.onSent(this.#socket.name.token);
    this.#socket.send(frame);
  }

  #await(ms: number, reason: string): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#finish(reason), ms);
  }

  #guard(run: () => void): void {
    if (this.#over) return;
    try {
      run();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#close();
    this.#end.failed(error);
  }

  #finish(reason: string): void {
    if (this.#over) return;
    this.#close();
    this.#end.ended(reason);
  }

  #close(): void {
    this.#over = true;
    this.#oneByOne.stop();
    clearTimeout(this.#deadline);
    clearInterval(this.#beating);
    this.#stop.removeEventListener('abort', this.#onStop);
    this.#socket.close();
  }
}

function json(cursor: SimCursor | null) {
  return cursor === null ? null : { ...cursor };
}

function record(kind: 'identified' | 'resumed' | 'gap' | 'malformed'): InboundEvent {
  const none = { eventId: null, conversation: null, sender: null, attachments: [], platformAt: null, reply: null };
  return { ...none, kind, text: kind, receivedAt: 0, raw: '' };
}

function message({ id, chat, number, at }: Said, receivedAt: number): InboundEvent {
  const deadlineAt = EPOCH + at + REPLY_WINDOW_MS;
  return {
    kind: 'message',
    eventId: id,
    conversation: chat,
    sender: { id: chat, name: null },
    text: `${chat}-${number}`,
    attachments: [],
    platformAt: EPOCH + at,
    receivedAt,
    reply: { key: id, deadlineAt, quota: null, address: { chat } },
    raw: '',
  };
}
