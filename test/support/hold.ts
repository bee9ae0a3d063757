/**
 * Runs any adapter's hold with the core's side kept in memory: sink, gate, budget and heartbeat are records that a test
 * reads. The transport is real: sockets, HTTP and timers are those of production.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import type {
  Adapter,
  AttemptCause,
  Budget,
  BudgetLimit,
  CarefulReading,
  ConnectingPhase,
  HoldContext,
  InboundSink,
  Secrets,
} from '../../src/adapters/adapter.ts';
import { PlatformClock } from '../../src/adapters/platform-clock.ts';
import { sleep } from '../../src/async/abort.ts';
import { type Clock, systemClock } from '../../src/async/clock.ts';
import { DrainRequested } from '../../src/errors.ts';
import type { OwnedTransport } from '../../src/http/transport.ts';
import { type Cursor, connectionId, type InboundEvent, type JsonValue } from '../../src/model.ts';
import { openDirect } from './direct-transport.ts';
import { NEVER_CAREFUL } from './reading.ts';

export interface Pushed {
  readonly events: readonly InboundEvent[];
  readonly cursor: Cursor | null;
}

/** Stores at once, in memory, unless told that it is full. */
export class MemorySink implements InboundSink {
  readonly pushes: Pushed[] = [];
  storedCursor: Cursor | null;
  #full = false;
  #listener: (full: boolean) => void = () => {};

  constructor(cursor: Cursor | null) {
    this.storedCursor = cursor;
  }

  get full(): boolean {
    return this.#full;
  }

  set full(full: boolean) {
    if (this.#full === full) return;
    this.#full = full;
    this.#listener(full);
  }

  push(events: readonly InboundEvent[], cursor: Cursor | null): void {
    this.pushes.push({ events, cursor });
    if (cursor !== null) this.storedCursor = cursor;
  }

  onFullChange(listener: (full: boolean) => void): void {
    this.#listener = listener;
  }

  flushes = 0;
  async flush(_options: { signal: AbortSignal }): Promise<void> {
    this.flushes += 1;
  }

  of(kind: InboundEvent['kind']): InboundEvent[] {
    return this.pushes.flatMap((push) => push.events).filter((event) => event.kind === kind);
  }

  /** The texts of messages, each message id once. */
  texts(): string[] {
    const seen = new Map(this.of('message').map((event) => [event.eventId, event.text]));
    return [...seen.values()];
  }
}

export type HealthEntry =
  | { readonly what: 'connecting'; readonly phase: ConnectingPhase }
  | { readonly what: 'live'; readonly how: 'identified' | 'resumed' }
  | { readonly what: 'lost'; readonly reason: string };

export interface Held<Sink extends InboundSink = InboundSink> {
  readonly sink: Sink;
  readonly health: HealthEntry[];
  /** What the gate was told, one entry per attempt. */
  readonly causes: (AttemptCause | null)[];
  readonly permits: (readonly BudgetLimit[])[];
  readonly silences: number[];
  readonly remarks: (string | null)[];
  readonly routes: string[];
  readonly roundTrips: () => number;
  readonly lines: string[];
  /** The end of the hold, as a value so that nobody has to catch it. */
  readonly done: Promise<{ readonly error: unknown } | 'drained'>;
  drain(): void;
  abort(reason: unknown): void;
  /** Waits for a condition, looked at every few ms. @throws with the record when 10 s pass */
  until(what: string, condition: () => boolean, timeoutMs?: number): Promise<void>;
  live(times?: number): Promise<void>;
}

export interface HoldOptions<Sink extends InboundSink> {
  readonly adapter: Adapter;
  readonly options: JsonValue;
  readonly secrets: Secrets;
  /** @defaultValue null, the very first hold */
  readonly cursor?: Cursor | null;
  readonly sink: Sink;
  /** @defaultValue 2000 */
  readonly dialTimeoutMs?: number;
  /** Shrinks the least delays that the adapter asks for. @defaultValue 0.01 */
  readonly delayScale?: number;
  /** @defaultValue grants everything */
  readonly budget?: Budget;
  readonly assertHeld?: () => void;
  /** @defaultValue never careful */
  readonly reading?: (sink: Sink, signal: AbortSignal) => CarefulReading;
  /** Destroyed when the hold ends. @defaultValue one without a proxy */
  readonly transport?: OwnedTransport;
  /** @defaultValue the system's */
  readonly clock?: Clock;
  /** The platform's side, for the errors of waits in vain. */
  readonly explain?: () => string;
}

/** Between two attempts the gate waits this long, ms, and what the adapter asks for on top, scaled. */
const GATE_MS = 20;

export function holdAdapter<Sink extends InboundSink>(given: HoldOptions<Sink>): Held<Sink> {
  const { adapter, cursor = null, sink, delayScale = 0.01, clock = systemClock } = given;
  const transport = given.transport ?? openDirect();
  const health: HealthEntry[] = [];
  const causes: (AttemptCause | null)[] = [];
  const permits: (readonly BudgetLimit[])[] = [];
  const silences: number[] = [];
  const remarks: (string | null)[] = [];
  const routes: string[] = [];
  const lines: string[] = [];
  let roundTrips = 0;
  const drain = new AbortController();
  const stop = new AbortController();
  const context: HoldContext = {
    connectionId: connectionId(`${adapter.platform}-test`),
    options: given.options,
    secrets: given.secrets,
    cursor,
    sink,
    health: {
      connecting: (phase) => void health.push({ what: 'connecting', phase }),
      live: (how) => void health.push({ what: 'live', how }),
      lost: (reason) => void health.push({ what: 'lost', reason }),
      roundTrip: () => {
        roundTrips += 1;
      },
      frame: () => {},
      route: (route) => void routes.push(route),
      remark: (text) => void remarks.push(text),
      maxSilence: (ms) => void silences.push(ms),
    },
    gate: {
      async pass(cause, { signal }) {
        causes.push(cause);
        if (causes.length > 1) await sleep(GATE_MS + (cause?.minDelayMs ?? 0) * delayScale, { signal });
        return causes.length - 1;
      },
      proven: () => {},
    },
    budget: given.budget ?? {
      async take(_name, limits) {
        permits.push(limits);
        return { granted: true };
      },
    },
    transport,
    reading: given.reading?.(sink, stop.signal) ?? NEVER_CAREFUL,
    platformClock: new PlatformClock(),
    clock,
    log: pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) }),
    assertHeld: given.assertHeld ?? (() => {}),
    dialTimeoutMs: given.dialTimeoutMs ?? 2_000,
    drain: drain.signal,
    signal: stop.signal,
  };
  const done = adapter
    .hold(context)
    .finally(() => transport.destroy())
    .then(
      () => 'drained' as const,
      (error: unknown) => ({ error }),
    );
  const held: Held<Sink> = {
    sink,
    health,
    causes,
    permits,
    silences,
    remarks,
    routes,
    roundTrips: () => roundTrips,
    lines,
    done,
    drain: () => drain.abort(new DrainRequested('test', { again: true })),
    abort: (reason) => stop.abort(reason),
    async until(what, condition, timeoutMs = 10_000) {
      const deadline = performance.now() + timeoutMs;
      while (!condition()) {
        if (performance.now() > deadline) {
          throw new Error(
            `not within ${timeoutMs} ms: ${what}\nhealth ${JSON.stringify(health.slice(-20))}\n${given.explain?.() ?? ''}\n${lines.slice(-10).join('')}`,
          );
        }
        await wait(5);
      }
    },
    live: (times = 1) =>
      held.until(`live ${times} times`, () => health.filter((entry) => entry.what === 'live').length >= times),
  };
  return held;
}
