/**
 * One socket, from dial to end: the only file that opens one. It turns what the socket says into events for the state
 * machine and the machine's effects into I/O. Each run has its own machine, keepalive and timers, and ends them all.
 */

import { watchForGaps } from '../../async/clock-gap.ts';
import { explain, GatewayError } from '../../errors.ts';
import type { WebSocketHandle } from '../../http/web-socket.ts';
import type { BudgetLimit, ConnectingPhase, HoldContext } from '../adapter.ts';
import { numberAt } from '../json-scan.ts';
import { Idleness } from './idleness.ts';
import { RAW_CUT } from './inbound.ts';
import type { Inbox } from './inbox.ts';
import { interactionToAcknowledge } from './interaction.ts';
import { Keepalive } from './keepalive.ts';
import { OneByOne } from './one-by-one.ts';
import type { QqOptions } from './options.ts';
import { type Dispatch, heartbeatFrame, identifyFrame, resumeFrame, SINGLE_SHARD } from './protocol.ts';
import { freshIdentifyDue } from './session.ts';
import { readEnd, readText } from './socket-events.ts';
import { dueIn, type Effect, type Ending, type Opening, type SocketEvent, type SocketState, step } from './state.ts';

export interface SocketPlan {
  readonly url: string;
  readonly accessToken: string;
  readonly opening: Opening;
  /** What an Identify asks for. */
  readonly intents: number;
  readonly identifyLimits: readonly BudgetLimit[];
  /** How often a WebSocket ping goes out, ms. */
  readonly pingEveryMs: number;
}

export interface SocketDeps {
  readonly context: HoldContext;
  readonly options: QqOptions;
  readonly inbox: Inbox;
  /** A user waits for this interaction to be acknowledged. Must not throw. */
  acknowledge(interactionId: string): void;
}

export interface SocketReport {
  readonly ending: Ending;
  /** Hello came: the URL leads to a gateway. */
  readonly greeted: boolean;
  /** How long it was live, ms; `null`: never. */
  readonly livedMs: number | null;
  /** Events received, those of replays included. */
  readonly events: number;
  /** How long nothing had travelled when it went away without a word, ms; `null`: it was ended in another way. */
  readonly cutAfterMs: number | null;
  /** The longest time without traffic that it outlived, ms. */
  readonly outlivedMs: number;
}

/** After op 9 the close frame with the reason follows within about 100 ms (tencent-connect/openclaw-qqbot #18). */
const CLOSE_FRAME_DUE_MS = 5_000;
/** How long a drain waits for the READY of an Identify that is out, ms: well within the time that a process has to stop. */
const LAST_ANSWER_DUE_MS = 3_000;
/** Added to the silence we promise at most, for timers that fire late, ms. */
const SILENCE_MARGIN_MS = 2_000;

/**
 * Dials and holds one socket until it ends, by whatever cause.
 *
 * @throws the reason of `context.signal` when it aborts
 * @throws FencedError when the lease is found lost before something is sent
 */
export function holdSocket(deps: SocketDeps, plan: SocketPlan): Promise<SocketReport> {
  return new Promise((resolve, reject) => {
    new HeldSocket(deps, plan, resolve, reject).open();
  });
}

class HeldSocket {
  readonly #context: HoldContext;
  readonly #options: QqOptions;
  readonly #inbox: Inbox;
  readonly #onInteraction: (interactionId: string) => void;
  readonly #plan: SocketPlan;
  readonly #resolve: (report: SocketReport) => void;
  readonly #reject: (error: unknown) => void;
  readonly #keepalive: Keepalive;
  #gaps: Disposable | undefined;
  #state: SocketState;
  #socket: WebSocketHandle | undefined;
  #over = false;
  #deadline: NodeJS.Timeout | undefined;
  #refreshTimer: NodeJS.Timeout | undefined;
  #greeted = false;
  #heartbeatEveryMs = 0;
  #pongSeen = false;
  #liveSince: number | null = null;
  #events = 0;
  readonly #idleness: Idleness;
  readonly #oneByOne: OneByOne;

  constructor(
    { context, options, inbox, acknowledge }: SocketDeps,
    plan: SocketPlan,
    resolve: (report: SocketReport) => void,
    reject: (error: unknown) => void,
  ) {
    this.#context = context;
    this.#options = options;
    this.#inbox = inbox;
    this.#onInteraction = acknowledge;
    this.#plan = plan;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#state = { name: 'dialing', opening: plan.opening };
    this.#idleness = new Idleness(context.clock);
    this.#oneByOne = new OneByOne({
      reading: context.reading,
      read: (raw) => this.#guard(() => this.#read(raw)),
      passOver: (raw, why) => this.#guard(() => this.#keepMalformed(why, raw, numberAt(raw, 's'))),
      onBusy: () => this.#guard(() => this.#paceReading(this.#context.sink.full)),
      onFailure: (error) => this.#fail(error),
    });
    const { pongDeadlineMs } = options;
    const { pingEveryMs } = plan;
    this.#keepalive = new Keepalive(
      {
        beat: () => this.#guard(() => this.#beat()),
        ping: () => {
          this.#idleness.sent();
          this.#socket?.ping();
        },
        behind: () => this.#socket?.behind() ?? false,
        dead: (reason) => this.#apply({ type: 'dead', reason }),
        choked: () => this.#apply({ type: 'choked' }),
      },
      { clock: context.clock, pingEveryMs, pongDeadlineMs },
    );
  }

  open(): void {
    this.#guard(() => {
      const { signal, drain, sink, health, transport, dialTimeoutMs } = this.#context;
      signal.throwIfAborted();
      signal.addEventListener('abort', this.#onAbort, { once: true });
      drain.addEventListener('abort', this.#onDrain, { once: true });
      sink.onFullChange((full) => this.#guard(() => this.#paceReading(full)));
      this.#gaps = watchForGaps(this.#context, (ms) => this.#apply({ type: 'dead', reason: sleptFor(ms) }));
      this.#entered();
      health.route(transport.routeOf(this.#plan.url));
      this.#socket = transport.openWebSocket(
        { url: this.#plan.url, deadlineMs: dialTimeoutMs },
        {
          opened: () => this.#guard(() => this.#onOpened()),
          text: (text) => this.#guard(() => this.#onText(text)),
          binary: (data) => this.#guard(() => this.#onBinary(data)),
          pong: () => this.#guard(() => this.#onPong()),
          ended: (end) => this.#apply(readEnd(end)),
        },
      );
      if (drain.aborted) this.#onDrain();
    });
  }

  readonly #onAbort = () => this.#fail(this.#context.signal.reason);
  readonly #onDrain = () => this.#apply({ type: 'drain' });

  // What the socket says

  #onOpened(): void {
    this.#keepalive.opened();
    this.#apply({ type: 'opened' });
    if (this.#context.sink.full) this.#paceReading(true);
  }

  #onText(raw: string): void {
    this.#sawFrame();
    const position = this.#oneByOne.active ? this.#inbox.positionOf(raw) : null;
    if (position === null) {
      this.#read(raw);
      return;
    }
    this.#inbox.answeredAt(this.#plan.url);
    this.#oneByOne.add(position, raw);
  }

  #read(raw: string): void {
    if (this.#over) return;
    const said = readText(raw, this.#context.clock.now());
    if (said.kind === 'malformed') {
      this.#keepMalformed(said.why, raw, said.s);
      return;
    }
    if (said.oddity !== null) this.#context.log.warn({ event: 'odd-frame', raw: raw.slice(0, 200) }, said.oddity);
    this.#apply(said.event);
  }

  #onBinary(data: Buffer): void {
    this.#sawFrame();
    this.#keepMalformed('a binary frame', data.subarray(0, RAW_CUT).toString('base64'), null);
  }

  #onPong(): void {
    this.#sawFrame();
    this.#context.health.roundTrip();
    if (!this.#keepalive.pong()) return;
    this.#pongSeen = true;
    this.#promiseSilence();
  }

  #sawFrame(): void {
    this.#keepalive.frame();
    this.#idleness.received();
    this.#context.health.frame();
  }

  #keepMalformed(why: string, raw: string, s: number | null): void {
    const inSession =
      this.#state.name === 'live' || this.#state.name === 'replaying' || this.#state.name === 'resuming';
    this.#inbox.malformed(why, raw, inSession ? s : null);
  }

  // The machine

  #apply(event: SocketEvent): void {
    if (this.#over) return;
    this.#guard(() => {
      const before = this.#state.name;
      const { next, effects } = step(this.#state, event);
      this.#state = next;
      for (const effect of effects) this.#perform(effect);
      if (this.#state === next && next.name !== before) this.#entered();
    });
  }

  #perform(effect: Effect): void {
    switch (effect.do) {
      case 'start-keepalive':
        this.#greeted = true;
        this.#heartbeatEveryMs = effect.heartbeatEveryMs;
        this.#keepalive.hello(effect.heartbeatEveryMs);
        this.#promiseSilence();
        return;
      case 'ask-permit':
        this.#askPermit().catch((error) => this.#fail(error));
        return;
      case 'send-identify':
        this.#send(identifyFrame(this.#plan.accessToken, this.#plan.intents, SINGLE_SHARD));
        return;
      case 'send-resume':
        this.#sendResume();
        return;
      case 'note-ack':
        this.#keepalive.ack();
        this.#context.health.roundTrip();
        return;
      case 'beat':
        this.#keepalive.beatNow();
        return;
      case 'keep-session':
        this.#inbox.identified(effect.received, effect.ready, this.#plan.url);
        return;
      case 'keep-resumed':
        this.#inbox.resumed(effect.received);
        return;
      case 'keep-event':
        this.#events += 1;
        this.#inbox.event(effect.received, effect.replayed ? 'replay' : 'live');
        if (!effect.replayed) this.#acknowledge(effect.received.dispatch);
        return;
      case 'keep-stray':
        this.#inbox.event(effect.received, 'stray');
        return;
      case 'confirm-resume':
        this.#inbox.confirmed(this.#plan.url);
        this.#context.gate.proven();
        return;
      case 'extend':
        this.#armDeadline();
        return;
      case 'go-live':
        this.#goLive(effect.how);
        return;
      default:
        effect satisfies never;
    }
  }

  /** Sets the state's deadline and says in the heartbeat what is going on. */
  #entered(): void {
    this.#armDeadline();
    const { health, clock, dialTimeoutMs } = this.#context;
    const phase = phaseOf(this.#state);
    if (phase !== null) health.connecting(phase, clock.now() + dialTimeoutMs);
    if (this.#state.name === 'ended') this.#finish(this.#state.ending);
  }

  #armDeadline(): void {
    clearTimeout(this.#deadline);
    const ms = this.#dueInMs();
    if (ms !== null) this.#deadline = setTimeout(() => this.#apply({ type: 'overdue' }), ms);
  }

  #dueInMs(): number | null {
    const { dialTimeoutMs } = this.#context;
    const due = dueIn(this.#state);
    switch (due) {
      case 'answer':
        return dialTimeoutMs;
      case 'last-answer':
        return Math.min(LAST_ANSWER_DUE_MS, dialTimeoutMs);
      case 'close-frame':
        return CLOSE_FRAME_DUE_MS;
      case 'dial':
      case null:
        return null;
      default:
        return due satisfies never;
    }
  }

  #goLive(how: 'identified' | 'resumed'): void {
    const { clock, gate, health } = this.#context;
    this.#liveSince = clock.monotonic();
    gate.proven();
    health.live(how);
    this.#watchForRefresh();
  }

  // What we say

  async #askPermit(): Promise<void> {
    const { budget, signal } = this.#context;
    try {
      const answer = await budget.take('identify', this.#plan.identifyLimits, { signal });
      if (answer.granted) {
        this.#apply({ type: 'permit-granted' });
        return;
      }
      const reason = `the shared identify budget is used up for now: ${answer.reason}`;
      this.#apply({ type: 'permit-refused', reason, retryAfterMs: answer.retryAfterMs });
    } catch (error) {
      if (!(error instanceof GatewayError) || error.disposition !== 'retry') throw error;
      this.#apply({ type: 'permit-refused', reason: `no identify permit: ${explain(error)}`, retryAfterMs: 0 });
    }
  }

  #sendResume(): void {
    this.#context.assertHeld();
    const { sessionId, seq } = this.#inbox.resumeFrom();
    this.#send(resumeFrame(this.#plan.accessToken, sessionId, seq));
  }

  #acknowledge(dispatch: Dispatch): void {
    const interactionId = interactionToAcknowledge(dispatch);
    if (interactionId === null) return;
    this.#context.assertHeld();
    this.#onInteraction(interactionId);
  }

  #beat(): void {
    // Before READY there is nothing of the new session to tell.
    const fresh = this.#plan.opening === 'identify' && this.#liveSince === null;
    this.#send(heartbeatFrame(fresh ? null : this.#inbox.storedSeq()));
  }

  #send(frame: string): void {
    this.#context.assertHeld();
    this.#idleness.sent();
    this.#socket?.send(frame);
  }

  // Around it

  #paceReading(full: boolean): void {
    if (this.#over || this.#state.name === 'dialing') return;
    if (full || this.#oneByOne.busy) {
      this.#socket?.pause();
      this.#keepalive.pause();
      // Unread answers are no evidence; the ACK deadline bounds how long this may last.
      this.#context.health.maxSilence(2 * this.#heartbeatEveryMs + SILENCE_MARGIN_MS);
    } else {
      this.#socket?.resume();
      this.#keepalive.resume();
      this.#promiseSilence();
    }
  }

  #promiseSilence(): void {
    const byPing = this.#plan.pingEveryMs + this.#options.pongDeadlineMs;
    this.#context.health.maxSilence((this.#pongSeen ? byPing : 2 * this.#heartbeatEveryMs) + SILENCE_MARGIN_MS);
  }

  #watchForRefresh(): void {
    const { freshIdentify } = this.#options;
    if (freshIdentify === false) return;
    const { afterMs, quietMs } = freshIdentify;
    this.#refreshTimer = setInterval(
      () => {
        const ages = this.#inbox.ages();
        if (freshIdentifyDue(freshIdentify, ages.sessionMs, ages.quietMs)) this.#apply({ type: 'refresh-due' });
      },
      Math.max(10, Math.min(60_000, afterMs / 4, quietMs / 4)),
    );
  }

  #finish(ending: Ending): void {
    if (this.#over) return;
    this.#letGo();
    const { clock } = this.#context;
    const livedMs = this.#liveSince === null ? null : clock.monotonic() - this.#liveSince;
    const { outlivedMs } = this.#idleness;
    const cutAfterMs = livedMs === null ? null : this.#idleness.cutAfterMs(ending);
    this.#resolve({ ending, greeted: this.#greeted, livedMs, events: this.#events, cutAfterMs, outlivedMs });
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#letGo();
    this.#reject(error);
  }

  /**
   * Always terminate(), never close(): a half-open peer would not answer, and whether a close frame from us ends the
   * session is undocumented (Discord's 1000 and 1001 do).
   */
  #letGo(): void {
    this.#over = true;
    const { signal, drain, sink } = this.#context;
    signal.removeEventListener('abort', this.#onAbort);
    drain.removeEventListener('abort', this.#onDrain);
    sink.onFullChange(() => {});
    clearTimeout(this.#deadline);
    clearInterval(this.#refreshTimer);
    this.#keepalive.stop();
    this.#oneByOne.stop();
    this.#gaps?.[Symbol.dispose]();
    this.#socket?.terminate();
  }

  /** Nothing thrown in a callback may vanish in an emitter or timer: it ends this socket's run as its error. */
  #guard(run: () => void): void {
    if (this.#over) return;
    try {
      run();
    } catch (error) {
      this.#fail(error);
    }
  }
}

/** After sleep or a freeze the peer has most likely forgotten us; a new socket costs less than finding out. */
function sleptFor(ms: number): string {
  return `${Math.round(ms / 1000)} s went by unseen (sleep, or a frozen process)`;
}

/** What people are told on entering a state; `null`: nothing new. */
function phaseOf(state: SocketState): ConnectingPhase | null {
  switch (state.name) {
    case 'dialing':
      return 'dialing';
    case 'greeting':
      return 'authenticating';
    case 'resuming':
      return 'replaying';
    case 'permitting':
    case 'identifying':
    case 'leaving':
    case 'replaying':
    case 'live':
    case 'refused':
    case 'ended':
      return null;
    default:
      return state satisfies never;
  }
}
