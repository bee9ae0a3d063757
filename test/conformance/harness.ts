/**
 * What the suite asks of a platform's emulator: the platform as its people see it, as it sees its client, and its bad
 * days by name. One harness per platform translates this into the emulator's own words; the suite knows no platform.
 */
import type { Adapter, Secrets } from '../../src/adapters/adapter.ts';
import type { JsonValue } from '../../src/model.ts';

export interface ConformanceHarness {
  /** The platform's name. */
  readonly name: string;
  createAdapter(): Adapter;
  /** A platform of one test's own, on real sockets. Intervals are short enough for tests. */
  startPlatform(): Promise<EmulatedPlatform>;
}

export type Chat = 'first' | 'second';

/** What a connection is configured with. */
export interface Account {
  readonly options: { readonly [key: string]: JsonValue };
  readonly secrets: Secrets;
}

/** Options and secrets are those of the connection, with deadlines short enough for tests. */
export interface EmulatedPlatform extends Account, AsyncDisposable {
  /** Another bot of the same platform, to which people write as well. */
  otherAccount(): Account & { say(text: string): string };
  /** Options that the adapter must refuse. */
  readonly badOptions: JsonValue;
  /** Bound of one dial in the holds of the suite, ms. */
  readonly dialTimeoutMs: number;
  /** Everything that must appear nowhere, also what was made at run time, such as access tokens. */
  secretTexts(): readonly string[];

  /** Somebody writes to the bot. @returns the id under which the adapter must report it, each time it comes */
  say(text: string, chat?: Chat): string;
  /** What people got from the bot, oldest first, whatever its sends were answered. */
  seen(): readonly string[];

  /** Ids of what was said that the platform takes for received: it will not hand them out again by itself. */
  acknowledged(): ReadonlySet<string>;
  /** Connections that were opened for the hold, so far. */
  dials(): number;
  /** A client is there that would get an event now. */
  isHeard(): boolean;
  /** The last things that happened, for errors. */
  summary(): string;
  readonly faults: Faults;
}

/** Bad days. What is said of "attempts" means: whatever the adapter does to come alive. */
export interface Faults {
  /** Open connections are reset; new ones work. */
  dropConnections(): void;
  /** Open connections fall silent without an end; new ones work. */
  halfOpen(): void;
  /** So many attempts get no answer, though somebody listens. */
  swallowAttempts(times: number): void;
  /** One attempt is answered byte by byte, slower than anybody should wait. */
  dripOnce(): void;
  /** So many attempts are answered with what is not the protocol: pages of proxies, half a JSON. */
  garbleAttempts(times: number): void;
  /** The next attempt is told to wait. @returns the least wait, ms */
  limitAttempts(): number;
  /** Nobody listens any more, and open connections are reset. People go on writing. */
  disappear(): Promise<void>;
  reappear(): Promise<void>;
  /** The credentials are refused from now on, also those of open connections. */
  revokeCredentials(): void;
  restoreCredentials(): void;
  /** What nobody has received yet is gone, and no cursor brings it back. `advanceMs`: moves the holder's clock. */
  loseHistory(advanceMs: (ms: number) => void): void;
  /** What is said next is handed out twice. */
  repeat(): void;
  /** What is said next comes in another order than it was said. */
  disorder(): void;
  /** An event of a kind, or with a content, that nobody knows; "tomorrow" is in it. */
  unknownEvent(): void;
  /** An event that cannot be read. */
  malformedEvent(): void;
  /** The next send is refused for the rate. @returns the wait it asks for, ms */
  limitSend(): number;
  /** The next send reaches the people, and its answer is lost to a reset. */
  loseSendAnswer(): void;
  /** The next send reaches the people, and its answer never comes. */
  hangSend(): void;
  /** The next send is answered by a proxy's page with HTTP 502. It did not arrive. */
  garbleSend(): void;
}
