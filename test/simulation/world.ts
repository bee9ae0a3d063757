/**
 * Virtual time. Everything that happens is an event at an instant; between two events all promises have settled, so a
 * process that is killed between events is killed at an await. The events of one process never run while it is frozen
 * or after its death.
 *
 * Production code is not told: its timers, clocks, random numbers and ids are those of the process whose event runs
 * (see {@link World.takeGlobals}), because between events nothing of it runs.
 */
import nodeCrypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import type { Clock } from '../../src/async/clock.ts';
import { EventHeap, type SimEvent } from './event-heap.ts';
import { Random } from './random.ts';

/** The wall clock at the start, ms. Far in the future, so that a real Redis keeps what a replay stores in it. */
export const EPOCH = Date.UTC(2100, 0, 1);
/** More events than any healthy schedule has. */
const MAX_EVENTS = 3_000_000;

/** One process on a host of its own, during one life. */
export class Process {
  readonly name: string;
  readonly #world: World;
  state: 'running' | 'frozen' | 'dead' = 'running';
  /** Added to the wall clock, ms: steps. */
  wallOffset = 0;
  /** Added to the monotonic clock, ms: negative after the machine slept. */
  monotonicOffset: number;
  /** When it last came out of a freeze or a sleep. */
  thawedAt = Number.NEGATIVE_INFINITY;
  readonly missed: SimEvent[] = [];
  readonly #onDeath: (() => void)[] = [];

  constructor(world: World, name: string, monotonicOffset: number) {
    this.#world = world;
    this.name = name;
    this.monotonicOffset = monotonicOffset;
  }

  get clock(): Clock {
    return {
      now: () => EPOCH + this.#world.now + this.wallOffset,
      monotonic: () => this.#world.now + this.monotonicOffset,
    };
  }

  onDeath(run: () => void): void {
    this.#onDeath.push(run);
  }

  die(): void {
    if (this.state === 'dead') return;
    this.state = 'dead';
    this.missed.length = 0;
    for (const run of this.#onDeath) run();
  }
}

export class World {
  /** True time since the start, ms. Nobody inside can read it. */
  now = 0;
  /** Grows with each event: what is sent in the same one travels together. */
  tick = 0;
  /** Whose event runs; `null`: the world's own. */
  current: Process | null = null;
  /** Errors that nobody caught: in production they end the process. */
  readonly uncaught: { readonly process: string; readonly error: unknown }[] = [];
  readonly #events = new EventHeap();
  readonly #random: Random;
  #order = 0;

  constructor(seed: number) {
    this.#random = new Random(seed, 1);
  }

  spawn(name: string): Process {
    return new Process(this, name, Math.floor(this.#random.between(1_000, 1e6)));
  }

  /** Something that happens in `process`, or to the world. */
  at(when: number, process: Process | null, run: () => void): SimEvent {
    const event: SimEvent = {
      at: Math.max(when, this.now),
      order: this.#order++,
      process,
      run,
      timer: false,
      off: false,
    };
    this.#events.push(event);
    return event;
  }

  in(delay: number, process: Process | null, run: () => void): SimEvent {
    return this.at(this.now + delay, process, run);
  }

  timer(delay: number, process: Process, run: () => void): SimEvent {
    const event = this.at(this.now + Math.max(1, Number.isFinite(delay) ? delay : 1), process, run);
    event.timer = true;
    return event;
  }

  /** SIGSTOP: nothing of it runs, its clocks go on. Its kernel still takes packets. */
  freeze(process: Process): void {
    if (process.state === 'running') process.state = 'frozen';
  }

  /** @param sleptMs - the whole machine slept: the monotonic clock and all timers stood still for this long */
  thaw(process: Process, sleptMs = 0): void {
    if (process.state !== 'frozen') return;
    process.state = 'running';
    process.thawedAt = this.now;
    const missed = process.missed.splice(0);
    if (sleptMs > 0) {
      process.monotonicOffset -= sleptMs;
      this.#events.postpone(process, sleptMs);
    }
    // As an event loop does: timers that are due first, then what the sockets have.
    missed.sort((a, b) => Number(b.timer) - Number(a.timer) || a.at - b.at || a.order - b.order);
    for (const event of missed) {
      event.at = event.timer ? Math.max(this.now, event.at + sleptMs) : this.now;
      event.order = this.#order++;
      this.#events.push(event);
    }
  }

  /** Runs until `until` or until `done` says so (asked after each event). */
  async run(until: number, done: () => boolean = () => false): Promise<void> {
    for (;;) {
      const event = this.#events.pop(until);
      if (event === null) break;
      if (event.off || event.process?.state === 'dead') continue;
      if (event.process?.state === 'frozen') {
        event.process.missed.push(event);
        continue;
      }
      this.now = event.at;
      this.tick += 1;
      if (this.tick > MAX_EVENTS) throw new Error('the schedule does not come to rest: too many events');
      this.current = event.process;
      try {
        event.run();
      } catch (error) {
        this.uncaught.push({ process: event.process?.name ?? 'world', error });
      }
      await settled();
      this.current = null;
      if (done()) return;
    }
    this.now = until;
  }

  /** Clocks, timers, random numbers and ids of this whole Node process are those of the world until disposed. */
  takeGlobals(): Disposable {
    const real = { setTimeout, clearTimeout, setInterval, clearInterval };
    const realNow = Date.now;
    const realRandom = Math.random;
    const start = (process: Process, ms: number, repeat: boolean, run: () => void): TimerHandle => {
      const handle = new TimerHandle();
      const arm = () => {
        handle.event = this.timer(ms, process, () => {
          if (repeat) arm();
          run();
        });
      };
      arm();
      return handle;
    };
    const begin =
      (repeat: boolean) =>
      (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
        const { current } = this;
        if (current === null) return (repeat ? real.setInterval : real.setTimeout)(run, ms, ...args);
        return start(current, ms, repeat, () => run(...args));
      };
    const end = (realEnd: (handle: never) => void) => (handle: unknown) => {
      if (handle instanceof TimerHandle) handle.cancel();
      else realEnd(handle as never);
    };
    Object.assign(globalThis, {
      setTimeout: begin(false),
      setInterval: begin(true),
      clearTimeout: end(real.clearTimeout),
      clearInterval: end(real.clearInterval),
    });
    Date.now = () => this.current?.clock.now() ?? realNow();
    Math.random = () => (this.current === null ? realRandom() : this.#random.next());
    const performanceNow = performance.now.bind(performance);
    Object.defineProperty(performance, 'now', {
      configurable: true,
      writable: true,
      value: () => this.current?.clock.monotonic() ?? performanceNow(),
    });
    giveUuids(() => (this.current === null ? null : this.#uuid()));
    return {
      [Symbol.dispose]: () => {
        Object.assign(globalThis, real);
        Date.now = realNow;
        Math.random = realRandom;
        giveUuids(() => null);
        Reflect.deleteProperty(performance, 'now');
      },
    };
  }

  #uuid(): Uuid {
    const hex = (digits: number) =>
      Math.floor(this.#random.next() * 16 ** digits)
        .toString(16)
        .padStart(digits, '0');
    return `${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}`;
  }
}

type Uuid = ReturnType<typeof nodeCrypto.randomUUID>;

let uuids: (() => Uuid | null) | undefined;

/** @param next - `null` where the real one is meant. Replacing the function of a built-in module is slow: done once */
function giveUuids(next: () => Uuid | null): void {
  if (uuids === undefined) {
    const real = nodeCrypto.randomUUID;
    nodeCrypto.randomUUID = (options) => uuids?.() ?? real(options);
    syncBuiltinESMExports();
  }
  uuids = next;
}

/** What `setTimeout` returns, as far as anybody uses it. */
class TimerHandle {
  event: SimEvent | undefined;

  cancel(): void {
    if (this.event !== undefined) this.event.off = true;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

/** All promises that can settle have: Node runs a tick only when no microtask is left. */
function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
