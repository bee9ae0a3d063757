/**
 * One scenario's surroundings: a platform, a store, and holds one after another, each by an adapter instance of its own,
 * since a successor on another host has nothing but the stored cursor.
 *
 * What must hold in every scenario is checked at the end of each: see {@link World.check}.
 */
import { pino } from 'pino';
import { expect } from 'vitest';
import type { Adapter, Capabilities, Sender, SenderContext } from '../../src/adapters/adapter.ts';
import { type Clock, systemClock } from '../../src/async/clock.ts';
import { ProcessStopping } from '../../src/errors.ts';
import type { OwnedTransport } from '../../src/http/transport.ts';
import { connectionId, type InboundEvent, type OutboundPart } from '../../src/model.ts';
import { openDirect } from '../support/direct-transport.ts';
import { type Held, type HoldOptions, holdAdapter } from '../support/hold.ts';
import { waitUntil } from '../support/wait-until.ts';
import type { ConformanceHarness, EmulatedPlatform } from './harness.ts';
import { type ObservedTransport, observeTransport } from './observed-transport.ts';
import { Store, type StoreSink } from './store.ts';

export type Hold = Held<StoreSink> & { readonly transport: ObservedTransport };

type HoldChange = Partial<Pick<HoldOptions<StoreSink>, 'budget' | 'assertHeld' | 'options' | 'secrets' | 'reading'>> & {
  /** @defaultValue the world's */
  readonly store?: Store;
};

/** A clock that jumps when told: what a machine sees that slept. */
class JumpingClock implements Clock {
  #aheadMs = 0;

  now(): number {
    return systemClock.now() + this.#aheadMs;
  }

  /** Stands still during sleep, so the jump is not in it. */
  monotonic(): number {
    return systemClock.monotonic();
  }

  jump(ms: number): void {
    this.#aheadMs += ms;
  }
}

/** Calls that fail for each pass of the gate: a fetch that is done without, and the dial after it. */
const FAILURES_PER_ATTEMPT = 2;

export class World implements AsyncDisposable {
  readonly platform: EmulatedPlatform;
  readonly capabilities: Capabilities;
  readonly store = new Store();
  readonly clock = new JumpingClock();
  readonly #harness: ConformanceHarness;
  readonly #adapter: Adapter;
  readonly #holds: Hold[] = [];
  readonly #transports: OwnedTransport[] = [];
  readonly #lines: string[] = [];

  private constructor(harness: ConformanceHarness, platform: EmulatedPlatform) {
    this.#harness = harness;
    this.#adapter = harness.createAdapter();
    this.platform = platform;
    this.capabilities = this.#adapter.capabilities;
  }

  static async open(harness: ConformanceHarness): Promise<World> {
    return new World(harness, await harness.startPlatform());
  }

  get adapter(): Adapter {
    return this.#adapter;
  }

  /** Holds the connection from the stored cursor on. */
  hold({ store = this.store, ...change }: HoldChange = {}): Hold {
    const transport = observeTransport();
    const held = holdAdapter({
      adapter: this.#harness.createAdapter(),
      options: this.platform.options,
      secrets: this.platform.secrets,
      cursor: store.cursor,
      sink: store.open(),
      dialTimeoutMs: this.platform.dialTimeoutMs,
      clock: this.clock,
      transport,
      explain: () => this.platform.summary(),
      ...change,
    });
    const hold = Object.assign(held, { transport });
    this.#holds.push(hold);
    return hold;
  }

  /** A hold that is live, and whose position is stored: from here on nothing may be lost. */
  async live(change: HoldChange = {}): Promise<Hold> {
    const hold = this.hold(change);
    await hold.live();
    if (this.capabilities.cursor !== 'none') await this.until('a position', () => this.store.cursor !== null);
    return hold;
  }

  /** As the process's end does it: sockets are cut, nothing is finished. */
  async kill(hold: Hold): Promise<void> {
    const reason = new ProcessStopping('killed by the test');
    hold.abort(reason);
    expect(await hold.done).toEqual({ error: reason });
    await this.until('the platform to notice', () => !this.platform.isHeard());
  }

  sender(secrets = this.platform.secrets): Sender {
    return this.#harness.createAdapter().createSender(this.senderContext(secrets));
  }

  senderContext(secrets = this.platform.secrets): SenderContext {
    const transport = openDirect();
    this.#transports.push(transport);
    return {
      connectionId: connectionId('conformance'),
      options: this.platform.options,
      secrets,
      transport,
      clock: this.clock,
      log: pino({ level: 'debug' }, { write: (line: string) => void this.#lines.push(line) }),
    };
  }

  /** Says it while held, and waits for it in the store: the message that a reply answers. */
  async received(text: string): Promise<InboundEvent> {
    const id = this.platform.say(text);
    await this.stored([id]);
    const event = this.store.events.find(({ eventId }) => eventId === id);
    if (event === undefined) throw new Error(`${id} is stored, and not there`);
    return event;
  }

  /** A part that answers `event`. */
  answer(event: InboundEvent, text: string, ordinal = 1): OutboundPart {
    if (event.reply === null || event.conversation === null) throw new Error(`"${event.text}" cannot be answered`);
    const { conversation, reply } = event;
    return { id: `turn-1/${ordinal}`, conversation, text, reply, ordinal, mode: 'passive' };
  }

  async stored(ids: readonly string[]): Promise<void> {
    await this.until(`${ids.join(', ')} to be stored`, () => ids.every((id) => this.store.has(id)));
  }

  async until(what: string, condition: () => boolean, timeoutMs = 15_000): Promise<void> {
    await waitUntil(what, condition, {
      timeoutMs,
      everyMs: 5,
      explain: () => {
        const { health = [], causes = [], lines = [] } = this.#holds.at(-1) ?? {};
        const record = { health: health.slice(-8), causes: causes.slice(-5), stored: this.store.texts() };
        return `${JSON.stringify(record)}\n${this.platform.summary()}\n${lines.slice(-8).join('')}`;
      },
    });
  }

  /** Ids that the platform takes for received although nobody has stored them. */
  falselyAcknowledged(): readonly string[] {
    return [...this.platform.acknowledged()].filter((id) => !this.store.has(id));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for (const hold of this.#holds) hold.abort(new ProcessStopping('the test is over'));
      for (const hold of this.#holds) await hold.done;
      for (const transport of this.#transports) await transport.destroy();
    } finally {
      await this.platform[Symbol.asyncDispose]();
    }
    this.check();
  }

  /** What no scenario may end without. */
  check(): void {
    const secrets = this.platform.secretTexts();
    const said = JSON.stringify([this.#lines, this.store.events, this.store.cursor, ...this.#holds.map(recordOf)]);
    for (const secret of secrets) expect(said.includes(secret), 'a secret in logs, records or cursor').toBe(false);

    for (const { transport, causes, sink, health } of this.#holds) {
      const passes = causes.length;
      expect(transport.sockets, 'sockets dialed without asking the gate').toBeLessThanOrEqual(passes);
      expect(transport.failedRequests, 'requests failed without asking the gate').toBeLessThanOrEqual(
        FAILURES_PER_ATTEMPT * passes,
      );
      expect(transport.isDestroyed).toBe(true);
      expect(causes[0] ?? null, 'the first attempt has no cause').toBeNull();
      for (const cause of causes.slice(1)) expect(cause?.reason, 'each later attempt says why').toMatch(/\w{3}/);
      for (const entry of health) if (entry.what === 'lost') expect(entry.reason).toMatch(/\w{3}/);
      for (const { events, cursor } of sink.pushes) {
        if (this.capabilities.cursor === 'none') expect(cursor).toBeNull();
        for (const event of events) expectWellFormed(event);
      }
    }
  }
}

function recordOf({ lines, health, causes, routes, sink }: Hold): object {
  return { lines, health, causes, routes, pushes: sink.pushes };
}

function expectWellFormed(event: InboundEvent): void {
  if (event.kind === 'message') {
    expect(event.eventId, 'a message has an id').toMatch(/./);
    expect(event.conversation, 'a message has a conversation').toMatch(/./);
    expect(event.reply?.key, 'a message can be answered').toMatch(/./);
    expect(event.raw, 'a message keeps its payload').not.toBe('');
  } else {
    expect(event.conversation, `a record of kind ${event.kind} has no conversation`).toBeNull();
    expect(event.reply).toBeNull();
  }
  const ours = event.kind === 'gap' || event.kind === 'identified' || event.kind === 'resumed';
  if (ours) expect(event.eventId, `a record of kind ${event.kind} is never deduplicated`).toBeNull();
}
