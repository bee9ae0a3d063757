/**
 * Keeps the evidence of one tenure and turns it into heartbeats. Ages are taken on the monotonic clock, so that a step
 * of the wall clock never makes a connection look fresh.
 */

import type { ConnectingPhase, HealthReporter } from '../adapters/adapter.ts';
import type { Clock } from '../async/clock.ts';
import type { Heartbeat } from '../state/heartbeats.ts';
import { asReason } from '../text/foreign-text.ts';

export type HealthState =
  | { readonly name: 'connecting'; readonly phase: ConnectingPhase | 'starting'; readonly deadlineAt: number }
  | { readonly name: 'waiting'; readonly nextAttemptAt: number }
  | { readonly name: 'live'; readonly how: 'identified' | 'resumed' };

/** Until the adapter has said better, a silence longer than this is not healthy, ms. */
const DEFAULT_MAX_SILENCE_MS = 60_000;

export class HealthRecorder implements HealthReporter {
  readonly #clock: Clock;
  readonly #onChange: (state: HealthState, reason: string | null) => void;
  readonly #onRoute: (route: string) => void;
  #state: HealthState;
  #reason: string | null = null;
  #changedAt: number;
  /** When the deadline or the next attempt is, on the monotonic clock: a step of the wall clock must not move it. */
  #dueAt: number | null = null;
  #attempt = 0;
  #roundTripAt: number | null = null;
  #frameAt: number | null = null;
  #route: string | null = null;
  #remark: string | null = null;
  #maxSilenceMs = DEFAULT_MAX_SILENCE_MS;
  /** Monotonic ms. */
  #inbound: { readonly reason: string; readonly since: number } | null = null;

  /**
   * @param onChange - called synchronously on each change of state; must not throw
   * @param onRoute - the same for each change of the way taken
   */
  constructor(
    clock: Clock,
    startDeadlineMs: number,
    onChange: (state: HealthState, reason: string | null) => void,
    onRoute: (route: string) => void = () => {},
  ) {
    this.#clock = clock;
    this.#onChange = onChange;
    this.#onRoute = onRoute;
    this.#state = { name: 'connecting', phase: 'starting', deadlineAt: clock.now() + startDeadlineMs };
    this.#changedAt = clock.monotonic();
    this.#dueAt = this.#changedAt + startDeadlineMs;
  }

  get state(): HealthState {
    return this.#state;
  }

  /** Ms since the state last changed. */
  get stateAgeMs(): number {
    return this.#clock.monotonic() - this.#changedAt;
  }

  connecting(phase: ConnectingPhase, deadlineAt: number): void {
    this.#enter({ name: 'connecting', phase, deadlineAt }, this.#reason);
  }

  /** The gate holds the next attempt back. */
  waiting(nextAttemptAt: number, attempt: number, reason: string | null): void {
    this.#attempt = attempt;
    this.#enter({ name: 'waiting', nextAttemptAt }, reason ?? this.#reason);
  }

  /** An attempt starts now. */
  attempting(attempt: number, deadlineAt: number): void {
    this.#attempt = attempt;
    this.#enter({ name: 'connecting', phase: 'starting', deadlineAt }, this.#reason);
  }

  live(how: 'identified' | 'resumed'): void {
    this.#attempt = 0;
    this.roundTrip();
    this.#enter({ name: 'live', how }, null);
  }

  lost(reason: string): void {
    // What comes next (a wait or an attempt) says when; until then "now" is the honest answer.
    this.#enter({ name: 'waiting', nextAttemptAt: this.#clock.now() }, reason);
  }

  roundTrip(): void {
    this.#roundTripAt = this.#clock.monotonic();
  }

  frame(): void {
    this.#frameAt = this.#clock.monotonic();
  }

  remark(text: string | null): void {
    this.#remark = text === null ? null : asReason(text);
  }

  route(route: string): void {
    if (route === this.#route) return;
    this.#route = route;
    this.#onRoute(route);
  }

  maxSilence(ms: number): void {
    this.#maxSilenceMs = ms;
  }

  /** What comes can or cannot be stored at the moment. @param reason - `null`: it can */
  inbound(reason: string | null): void {
    this.#inbound = reason === null ? null : { reason, since: this.#clock.monotonic() };
  }

  heartbeat(): Heartbeat {
    const now = this.#clock.monotonic();
    const age = (at: number | null) => (at === null ? null : Math.round(now - at));
    return {
      state: this.#state.name,
      reason: this.#reason,
      stateAgeMs: Math.round(now - this.#changedAt),
      dueInMs: this.#dueAt === null ? null : Math.round(this.#dueAt - now),
      attempt: this.#attempt,
      roundTripAgeMs: age(this.#roundTripAt),
      frameAgeMs: age(this.#frameAt),
      route: this.#route,
      remark: this.#remark,
      inbound:
        this.#inbound === null ? null : { reason: this.#inbound.reason, forMs: Math.round(now - this.#inbound.since) },
      maxSilenceMs: this.#maxSilenceMs,
    };
  }

  #dueOf(state: HealthState): number | null {
    const fromNow = (wallAt: number) => this.#clock.monotonic() + (wallAt - this.#clock.now());
    switch (state.name) {
      case 'connecting':
        return fromNow(state.deadlineAt);
      case 'waiting':
        return fromNow(state.nextAttemptAt);
      case 'live':
        return null;
      default:
        return state satisfies never;
    }
  }

  #enter(state: HealthState, reason: string | null): void {
    this.#state = state;
    // It goes to Redis, pages and alerts, and a platform may quote what it was sent.
    this.#reason = reason === null ? null : asReason(reason);
    this.#changedAt = this.#clock.monotonic();
    this.#dueAt = this.#dueOf(state);
    this.#onChange(state, this.#reason);
  }
}
