/**
 * The life of one socket, from dial to end, as a pure table of transitions. Every socket gets a machine of its own, so a
 * late event of an old socket has nothing left to change. `connection.ts` performs the effects; what follows an end is
 * decided in `verdict.ts`.
 */
import type { Dispatch, Ready } from './protocol.ts';

/** What the socket is opened for. */
export type Opening = 'identify' | 'resume';

/** A dispatch with the text it came in. */
export interface Received {
  readonly dispatch: Dispatch;
  readonly raw: string;
  /** Wall clock, ms since the epoch. */
  readonly receivedAt: number;
}

/**
 * - `dialing`: entered at birth; left when the upgrade succeeds
 * - `greeting`: the upgrade succeeded, Hello is due
 * - `permitting`: Hello came, the shared budget is asked for one Identify
 * - `identifying`: op 2 is out, READY is due
 * - `leaving`: the same, and drained meanwhile: the session that READY names is for whoever resumes it
 * - `resuming`: op 6 is out, RESUMED or a first replayed event is due
 * - `replaying`: a replayed event proved the Resume; RESUMED is due after the last one
 * - `live`: READY or RESUMED came
 * - `refused`: op 9 came; the close frame that says why is due
 * - `ended`: nothing leaves it, nothing has an effect
 */
export type SocketState =
  | { readonly name: 'dialing'; readonly opening: Opening }
  | { readonly name: 'greeting'; readonly opening: Opening }
  | { readonly name: 'permitting' }
  | { readonly name: 'identifying' }
  | { readonly name: 'leaving' }
  | { readonly name: 'resuming' }
  | { readonly name: 'replaying' }
  | { readonly name: 'live' }
  | { readonly name: 'refused'; readonly during: During; readonly resumable: boolean }
  | { readonly name: 'ended'; readonly ending: Ending };

/** What the socket was doing when something ended it; `opening` is everything before op 2 or op 6 went out. */
export type During = 'opening' | Opening | 'live';

/** Why a socket ended. */
export type Ending =
  | { readonly cause: 'not-opened'; readonly reason: string }
  /** The platform stayed silent past a deadline while it owed `due`. */
  | { readonly cause: 'silence'; readonly due: 'Hello' | 'READY' | 'RESUMED' | 'an identify permit' }
  | { readonly cause: 'zombie'; readonly reason: string }
  | {
      readonly cause: 'closed';
      readonly code: number;
      readonly reason: string;
      readonly during: During;
      /** What an op 9 just before said; `null` without one. */
      readonly opNine: 'resumable' | 'not-resumable' | null;
    }
  /** op 9 without the close frame that should follow. */
  | { readonly cause: 'invalid-session'; readonly resumable: boolean; readonly during: During }
  | { readonly cause: 'reconnect-wanted' }
  | { readonly cause: 'no-permit'; readonly reason: string; readonly retryAfterMs: number }
  /** We could store nothing for so long that the socket could not be watched any more. */
  | { readonly cause: 'backpressure' }
  | { readonly cause: 'refresh' }
  | { readonly cause: 'drained' };

export type SocketEvent =
  | { readonly type: 'opened' }
  | { readonly type: 'hello'; readonly heartbeatEveryMs: number }
  | { readonly type: 'permit-granted' }
  | { readonly type: 'permit-refused'; readonly reason: string; readonly retryAfterMs: number }
  | { readonly type: 'ready'; readonly received: Received; readonly ready: Ready }
  | { readonly type: 'resumed'; readonly received: Received }
  /** Any other dispatch. */
  | { readonly type: 'dispatch'; readonly received: Received }
  | { readonly type: 'ack' }
  | { readonly type: 'beat-wanted' }
  | { readonly type: 'reconnect-wanted' }
  | { readonly type: 'invalid-session'; readonly resumable: boolean }
  /** The state's deadline passed; see {@link dueIn}. */
  | { readonly type: 'overdue' }
  /** The keepalive gave the peer up. */
  | { readonly type: 'dead'; readonly reason: string }
  /** Reading has been paused for too long. */
  | { readonly type: 'choked' }
  | { readonly type: 'refresh-due' }
  | { readonly type: 'drain' }
  | { readonly type: 'not-opened'; readonly reason: string }
  | { readonly type: 'closed'; readonly code: number; readonly reason: string };

export type Effect =
  | { readonly do: 'start-keepalive'; readonly heartbeatEveryMs: number }
  | { readonly do: 'ask-permit' }
  | { readonly do: 'send-identify' }
  | { readonly do: 'send-resume' }
  /** The platform acknowledged a heartbeat. */
  | { readonly do: 'note-ack' }
  | { readonly do: 'beat' }
  /** READY: keep the new session. */
  | { readonly do: 'keep-session'; readonly received: Received; readonly ready: Ready }
  /** `received` is null where events prove the Resume but RESUMED stayed out. */
  | { readonly do: 'keep-resumed'; readonly received: Received | null }
  /** An event of our session: it moves the cursor. */
  | { readonly do: 'keep-event'; readonly received: Received; readonly replayed: boolean }
  /** An event outside any session of ours: kept, but the cursor stays. */
  | { readonly do: 'keep-stray'; readonly received: Received }
  /** A first sign that the platform took the Resume. */
  | { readonly do: 'confirm-resume' }
  /** The state's deadline starts anew. */
  | { readonly do: 'extend' }
  | { readonly do: 'go-live'; readonly how: 'identified' | 'resumed' };

export interface Step {
  readonly next: SocketState;
  readonly effects: readonly Effect[];
}

export function step(state: SocketState, event: SocketEvent): Step {
  if (state.name === 'ended') return { next: state, effects: [] };
  return endOf(state, event) ?? advance(state, event) ?? { next: state, effects: [] };
}

type Open = Exclude<SocketState, { name: 'ended' }>;

/** Events that end a socket in whatever it is doing. */
function endOf(state: Open, event: SocketEvent): Step | null {
  switch (event.type) {
    case 'not-opened':
      return ended({ cause: 'not-opened', reason: event.reason });
    case 'closed':
      return ended({
        cause: 'closed',
        code: event.code,
        reason: event.reason,
        during: duringOf(state),
        opNine: state.name === 'refused' ? (state.resumable ? 'resumable' : 'not-resumable') : null,
      });
    case 'dead':
      return ended({ cause: 'zombie', reason: event.reason });
    case 'choked':
      return ended({ cause: 'backpressure' });
    case 'drain':
      // The session exists at the platform, or will in a moment: what users write goes there, and nobody else can have it.
      if (state.name === 'identifying' || state.name === 'leaving') return { next: { name: 'leaving' }, effects: [] };
      return ended({ cause: 'drained' });
    default:
      return null;
  }
}

function advance(state: Open, event: SocketEvent): Step | null {
  switch (state.name) {
    case 'dialing':
      if (event.type === 'opened') return { next: { name: 'greeting', opening: state.opening }, effects: [] };
      return stray(state, event);
    case 'greeting':
      return greeting(state, event);
    case 'permitting':
      return permitting(state, event);
    case 'identifying':
      return identifying(state, event);
    case 'leaving':
      return leaving(state, event);
    case 'resuming':
      return resuming(state, event);
    case 'replaying':
      return replaying(state, event);
    case 'live':
      return live(state, event);
    case 'refused':
      return refused(state, event);
    default:
      return state satisfies never;
  }
}

function greeting(state: Extract<Open, { name: 'greeting' }>, event: SocketEvent): Step | null {
  switch (event.type) {
    case 'hello': {
      const keepalive: Effect = { do: 'start-keepalive', heartbeatEveryMs: event.heartbeatEveryMs };
      if (state.opening === 'resume')
        return { next: { name: 'resuming' }, effects: [keepalive, { do: 'send-resume' }] };
      return { next: { name: 'permitting' }, effects: [keepalive, { do: 'ask-permit' }] };
    }
    case 'reconnect-wanted':
      return ended({ cause: 'reconnect-wanted' });
    case 'invalid-session':
      return toRefused(state, event.resumable);
    case 'overdue':
      return ended({ cause: 'silence', due: 'Hello' });
    default:
      return stray(state, event);
  }
}

function permitting(state: Open, event: SocketEvent): Step | null {
  switch (event.type) {
    case 'permit-granted':
      return { next: { name: 'identifying' }, effects: [{ do: 'send-identify' }] };
    case 'permit-refused':
      return ended({ cause: 'no-permit', reason: event.reason, retryAfterMs: event.retryAfterMs });
    case 'overdue':
      return ended({ cause: 'silence', due: 'an identify permit' });
    default:
      return talking(state, event) ?? stray(state, event);
  }
}

function identifying(state: Open, event: SocketEvent): Step | null {
  switch (event.type) {
    case 'ready':
      return {
        next: { name: 'live' },
        effects: [
          { do: 'keep-session', received: event.received, ready: event.ready },
          { do: 'go-live', how: 'identified' },
        ],
      };
    case 'overdue':
      return ended({ cause: 'silence', due: 'READY' });
    default:
      // Events before READY belong to a session of somebody else.
      return talking(state, event) ?? stray(state, event);
  }
}

function leaving(state: Open, event: SocketEvent): Step | null {
  switch (event.type) {
    case 'ready':
      return {
        next: { name: 'ended', ending: { cause: 'drained' } },
        effects: [{ do: 'keep-session', received: event.received, ready: event.ready }],
      };
    case 'overdue':
    case 'reconnect-wanted':
    case 'invalid-session':
      return ended({ cause: 'drained' });
    default:
      return talking(state, event) ?? stray(state, event);
  }
}

function resuming(state: Open, event: SocketEvent): Step | null {
  switch (event.type) {
    case 'ready':
      // Never seen: the platform gives a new session instead of the old one.
      return {
        next: { name: 'live' },
        effects: [
          { do: 'keep-session', received: event.received, ready: event.ready },
          { do: 'go-live', how: 'identified' },
        ],
      };
    case 'resumed':
      return {
        next: { name: 'live' },
        effects: [
          { do: 'confirm-resume' },
          { do: 'keep-resumed', received: event.received },
          { do: 'go-live', how: 'resumed' },
        ],
      };
    case 'dispatch':
      return {
        next: { name: 'replaying' },
        effects: [{ do: 'confirm-resume' }, { do: 'keep-event', received: event.received, replayed: true }],
      };
    case 'overdue':
      return ended({ cause: 'silence', due: 'RESUMED' });
    default:
      return talking(state, event);
  }
}

function replaying(state: Open, event: SocketEvent): Step | null {
  switch (event.type) {
    case 'resumed':
      return {
        next: { name: 'live' },
        effects: [
          { do: 'keep-resumed', received: event.received },
          { do: 'go-live', how: 'resumed' },
        ],
      };
    case 'dispatch':
    case 'ready':
      return {
        next: state,
        effects: [{ do: 'keep-event', received: event.received, replayed: true }, { do: 'extend' }],
      };
    case 'overdue':
      // Events are proof enough; a platform that forgets to say RESUMED is no reason to hang up.
      return {
        next: { name: 'live' },
        effects: [
          { do: 'keep-resumed', received: null },
          { do: 'go-live', how: 'resumed' },
        ],
      };
    default:
      return talking(state, event);
  }
}

function live(state: Open, event: SocketEvent): Step | null {
  switch (event.type) {
    case 'dispatch':
    case 'ready':
    case 'resumed':
      return { next: state, effects: [{ do: 'keep-event', received: event.received, replayed: false }] };
    case 'refresh-due':
      return ended({ cause: 'refresh' });
    default:
      return talking(state, event);
  }
}

function refused(state: Extract<Open, { name: 'refused' }>, event: SocketEvent): Step | null {
  switch (event.type) {
    case 'overdue':
      return ended({ cause: 'invalid-session', resumable: state.resumable, during: state.during });
    case 'ack':
      return { next: state, effects: [{ do: 'note-ack' }] };
    default:
      return stray(state, event);
  }
}

/** What both sides say to each other between Hello and the end, whatever else is going on. */
function talking(state: Open, event: SocketEvent): Step | null {
  switch (event.type) {
    case 'ack':
      return { next: state, effects: [{ do: 'note-ack' }] };
    case 'beat-wanted':
      return { next: state, effects: [{ do: 'beat' }] };
    case 'reconnect-wanted':
      return ended({ cause: 'reconnect-wanted' });
    case 'invalid-session':
      return toRefused(state, event.resumable);
    default:
      return null;
  }
}

function stray(state: Open, event: SocketEvent): Step | null {
  if (event.type !== 'dispatch' && event.type !== 'ready' && event.type !== 'resumed') return null;
  return { next: state, effects: [{ do: 'keep-stray', received: event.received }] };
}

function toRefused(state: Open, resumable: boolean): Step {
  return { next: { name: 'refused', during: duringOf(state), resumable }, effects: [] };
}

function ended(ending: Ending): Step {
  return { next: { name: 'ended', ending }, effects: [] };
}

function duringOf(state: Open): During {
  switch (state.name) {
    case 'dialing':
    case 'greeting':
    case 'permitting':
      return 'opening';
    case 'identifying':
    case 'leaving':
      return 'identify';
    case 'resuming':
      return 'resume';
    case 'replaying':
    case 'live':
      return 'live';
    case 'refused':
      return state.during;
    default:
      return state satisfies never;
  }
}

/** How long the platform may take to leave a state, and what we tell people meanwhile. `null`: as long as it lives. */
export function dueIn(state: SocketState): 'dial' | 'answer' | 'last-answer' | 'close-frame' | null {
  switch (state.name) {
    case 'dialing':
      // The dial has its own deadline and ends with an event.
      return 'dial';
    case 'greeting':
    case 'permitting':
    case 'identifying':
    case 'resuming':
    case 'replaying':
      return 'answer';
    case 'leaving':
      return 'last-answer';
    case 'refused':
      return 'close-frame';
    case 'live':
    case 'ended':
      return null;
    default:
      return state satisfies never;
  }
}
