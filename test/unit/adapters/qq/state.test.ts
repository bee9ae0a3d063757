/**
 * The whole table: what each event does in each state, also where it does nothing. The types below make a missing pair a
 * type error, and the first test makes it a failure.
 */
import { describe, expect, it } from 'vitest';
import {
  dueIn,
  type Ending,
  type Received,
  type SocketEvent,
  type SocketState,
  step,
} from '../../../../src/adapters/qq/state.ts';

const received: Received = {
  dispatch: { kind: 'dispatch', t: 'X', s: 7, id: null, d: null },
  raw: '{}',
  receivedAt: 1,
};

const ending: Ending = { cause: 'reconnect-wanted' };
const states = {
  'dialing to identify': { name: 'dialing', opening: 'identify' },
  'dialing to resume': { name: 'dialing', opening: 'resume' },
  'greeting to identify': { name: 'greeting', opening: 'identify' },
  'greeting to resume': { name: 'greeting', opening: 'resume' },
  permitting: { name: 'permitting' },
  identifying: { name: 'identifying' },
  leaving: { name: 'leaving' },
  resuming: { name: 'resuming' },
  replaying: { name: 'replaying' },
  live: { name: 'live' },
  'refused, resumable': { name: 'refused', during: 'resume', resumable: true },
  'refused, not resumable': { name: 'refused', during: 'identify', resumable: false },
  ended: { name: 'ended', ending },
} as const satisfies Record<string, SocketState>;

const events = {
  opened: { type: 'opened' },
  hello: { type: 'hello', heartbeatEveryMs: 41_250 },
  'permit-granted': { type: 'permit-granted' },
  'permit-refused': { type: 'permit-refused', reason: 'used up', retryAfterMs: 5 },
  ready: { type: 'ready', received, ready: { session_id: 'S' } },
  resumed: { type: 'resumed', received },
  dispatch: { type: 'dispatch', received },
  ack: { type: 'ack' },
  'beat-wanted': { type: 'beat-wanted' },
  'reconnect-wanted': { type: 'reconnect-wanted' },
  'invalid-session': { type: 'invalid-session', resumable: false },
  overdue: { type: 'overdue' },
  dead: { type: 'dead', reason: 'no ACK' },
  choked: { type: 'choked' },
  'refresh-due': { type: 'refresh-due' },
  drain: { type: 'drain' },
  'not-opened': { type: 'not-opened', reason: 'refused' },
  closed: { type: 'closed', code: 4009, reason: 'Session timed out' },
} as const satisfies { [T in SocketEvent['type']]: Extract<SocketEvent, { type: T }> };

type StateName = keyof typeof states;
type EventName = keyof typeof events;

/** `-`: nothing happens. Else the state it leads to (with the cause of an end), then the effects in order. */
type Row = Readonly<Record<EventName, string>>;

/** What every open socket does, whatever it is doing. */
const always = {
  dead: 'ended zombie',
  choked: 'ended backpressure',
  drain: 'ended drained',
  'not-opened': 'ended not-opened',
} as const;

const table: Readonly<Record<StateName, Row>> = {
  'dialing to identify': {
    ...always,
    opened: 'greeting',
    hello: '-',
    'permit-granted': '-',
    'permit-refused': '-',
    ready: 'dialing + keep-stray',
    resumed: 'dialing + keep-stray',
    dispatch: 'dialing + keep-stray',
    ack: '-',
    'beat-wanted': '-',
    'reconnect-wanted': '-',
    'invalid-session': '-',
    overdue: '-',
    'refresh-due': '-',
    closed: 'ended closed during opening',
  },
  'dialing to resume': {
    ...always,
    opened: 'greeting',
    hello: '-',
    'permit-granted': '-',
    'permit-refused': '-',
    ready: 'dialing + keep-stray',
    resumed: 'dialing + keep-stray',
    dispatch: 'dialing + keep-stray',
    ack: '-',
    'beat-wanted': '-',
    'reconnect-wanted': '-',
    'invalid-session': '-',
    overdue: '-',
    'refresh-due': '-',
    closed: 'ended closed during opening',
  },
  'greeting to identify': {
    ...always,
    opened: '-',
    hello: 'permitting + start-keepalive ask-permit',
    'permit-granted': '-',
    'permit-refused': '-',
    ready: 'greeting + keep-stray',
    resumed: 'greeting + keep-stray',
    dispatch: 'greeting + keep-stray',
    ack: '-',
    'beat-wanted': '-',
    'reconnect-wanted': 'ended reconnect-wanted',
    'invalid-session': 'refused during opening',
    overdue: 'ended silence (Hello)',
    'refresh-due': '-',
    closed: 'ended closed during opening',
  },
  'greeting to resume': {
    ...always,
    opened: '-',
    hello: 'resuming + start-keepalive send-resume',
    'permit-granted': '-',
    'permit-refused': '-',
    ready: 'greeting + keep-stray',
    resumed: 'greeting + keep-stray',
    dispatch: 'greeting + keep-stray',
    ack: '-',
    'beat-wanted': '-',
    'reconnect-wanted': 'ended reconnect-wanted',
    'invalid-session': 'refused during opening',
    overdue: 'ended silence (Hello)',
    'refresh-due': '-',
    closed: 'ended closed during opening',
  },
  permitting: {
    ...always,
    opened: '-',
    hello: '-',
    'permit-granted': 'identifying + send-identify',
    'permit-refused': 'ended no-permit',
    ready: 'permitting + keep-stray',
    resumed: 'permitting + keep-stray',
    dispatch: 'permitting + keep-stray',
    ack: 'permitting + note-ack',
    'beat-wanted': 'permitting + beat',
    'reconnect-wanted': 'ended reconnect-wanted',
    'invalid-session': 'refused during opening',
    overdue: 'ended silence (an identify permit)',
    'refresh-due': '-',
    closed: 'ended closed during opening',
  },
  identifying: {
    ...always,
    drain: 'leaving',
    opened: '-',
    hello: '-',
    'permit-granted': '-',
    'permit-refused': '-',
    ready: 'live + keep-session go-live',
    resumed: 'identifying + keep-stray',
    dispatch: 'identifying + keep-stray',
    ack: 'identifying + note-ack',
    'beat-wanted': 'identifying + beat',
    'reconnect-wanted': 'ended reconnect-wanted',
    'invalid-session': 'refused during identify',
    overdue: 'ended silence (READY)',
    'refresh-due': '-',
    closed: 'ended closed during identify',
  },
  leaving: {
    ...always,
    drain: 'leaving',
    opened: '-',
    hello: '-',
    'permit-granted': '-',
    'permit-refused': '-',
    ready: 'ended drained + keep-session',
    resumed: 'leaving + keep-stray',
    dispatch: 'leaving + keep-stray',
    ack: 'leaving + note-ack',
    'beat-wanted': 'leaving + beat',
    'reconnect-wanted': 'ended drained',
    'invalid-session': 'ended drained',
    overdue: 'ended drained',
    'refresh-due': '-',
    closed: 'ended closed during identify',
  },
  resuming: {
    ...always,
    opened: '-',
    hello: '-',
    'permit-granted': '-',
    'permit-refused': '-',
    ready: 'live + keep-session go-live',
    resumed: 'live + confirm-resume keep-resumed go-live',
    dispatch: 'replaying + confirm-resume keep-event(replayed)',
    ack: 'resuming + note-ack',
    'beat-wanted': 'resuming + beat',
    'reconnect-wanted': 'ended reconnect-wanted',
    'invalid-session': 'refused during resume',
    overdue: 'ended silence (RESUMED)',
    'refresh-due': '-',
    closed: 'ended closed during resume',
  },
  replaying: {
    ...always,
    opened: '-',
    hello: '-',
    'permit-granted': '-',
    'permit-refused': '-',
    ready: 'replaying + keep-event(replayed) extend',
    resumed: 'live + keep-resumed go-live',
    dispatch: 'replaying + keep-event(replayed) extend',
    ack: 'replaying + note-ack',
    'beat-wanted': 'replaying + beat',
    'reconnect-wanted': 'ended reconnect-wanted',
    'invalid-session': 'refused during live',
    overdue: 'live + keep-resumed go-live',
    'refresh-due': '-',
    closed: 'ended closed during live',
  },
  live: {
    ...always,
    opened: '-',
    hello: '-',
    'permit-granted': '-',
    'permit-refused': '-',
    ready: 'live + keep-event',
    resumed: 'live + keep-event',
    dispatch: 'live + keep-event',
    ack: 'live + note-ack',
    'beat-wanted': 'live + beat',
    'reconnect-wanted': 'ended reconnect-wanted',
    'invalid-session': 'refused during live',
    overdue: '-',
    'refresh-due': 'ended refresh',
    closed: 'ended closed during live',
  },
  'refused, resumable': {
    ...always,
    opened: '-',
    hello: '-',
    'permit-granted': '-',
    'permit-refused': '-',
    ready: 'refused during resume + keep-stray',
    resumed: 'refused during resume + keep-stray',
    dispatch: 'refused during resume + keep-stray',
    ack: 'refused during resume + note-ack',
    'beat-wanted': '-',
    'reconnect-wanted': '-',
    'invalid-session': '-',
    overdue: 'ended invalid-session',
    'refresh-due': '-',
    closed: 'ended closed during resume after op 9 (resumable)',
  },
  'refused, not resumable': {
    ...always,
    opened: '-',
    hello: '-',
    'permit-granted': '-',
    'permit-refused': '-',
    ready: 'refused during identify + keep-stray',
    resumed: 'refused during identify + keep-stray',
    dispatch: 'refused during identify + keep-stray',
    ack: 'refused during identify + note-ack',
    'beat-wanted': '-',
    'reconnect-wanted': '-',
    'invalid-session': '-',
    overdue: 'ended invalid-session',
    'refresh-due': '-',
    closed: 'ended closed during identify after op 9 (not-resumable)',
  },
  // Late events of an old socket find nothing left to change.
  ended: {
    opened: '-',
    hello: '-',
    'permit-granted': '-',
    'permit-refused': '-',
    ready: '-',
    resumed: '-',
    dispatch: '-',
    ack: '-',
    'beat-wanted': '-',
    'reconnect-wanted': '-',
    'invalid-session': '-',
    overdue: '-',
    dead: '-',
    choked: '-',
    'refresh-due': '-',
    drain: '-',
    'not-opened': '-',
    closed: '-',
  },
};

function describeStep(state: SocketState, event: SocketEvent): string {
  const { next, effects } = step(state, event);
  if (next === state && effects.length === 0) return '-';
  const did = effects.map((effect) =>
    effect.do === 'keep-event' && effect.replayed ? 'keep-event(replayed)' : effect.do,
  );
  return [describeState(next), ...(did.length === 0 ? [] : [`+ ${did.join(' ')}`])].join(' ');
}

function describeState(state: SocketState): string {
  if (state.name === 'refused') return `refused during ${state.during}`;
  if (state.name !== 'ended') return state.name;
  const { ending } = state;
  if (ending.cause === 'silence') return `ended silence (${ending.due})`;
  if (ending.cause !== 'closed') return `ended ${ending.cause}`;
  const opNine = ending.opNine === null ? '' : ` after op 9 (${ending.opNine})`;
  return `ended closed during ${ending.during}${opNine}`;
}

const stateNames = Object.keys(states) as StateName[];
const eventNames = Object.keys(events) as EventName[];

describe('the table of one socket', () => {
  it('has a row for every pair of state and event', () => {
    expect(Object.keys(table).sort()).toEqual([...stateNames].sort());
    for (const name of stateNames) expect(Object.keys(table[name]).sort()).toEqual([...eventNames].sort());
    const kinds = new Set(stateNames.map((name) => states[name].name));
    expect(kinds.size).toBe(10);
  });

  it.each(stateNames.flatMap((state) => eventNames.map((event) => [state, event, table[state][event]] as const)))(
    '%s: %s → %s',
    (state, event, expected) => {
      expect(describeStep(states[state], events[event])).toBe(expected);
    },
  );
});

describe('what an end tells', () => {
  it('names the close code, the reason and what the socket was doing', () => {
    expect(step({ name: 'resuming' }, events.closed).next).toEqual({
      name: 'ended',
      ending: { cause: 'closed', code: 4009, reason: 'Session timed out', during: 'resume', opNine: null },
    });
  });

  it('keeps what the keepalive, the budget and the dial said', () => {
    expect(step({ name: 'live' }, events.dead).next).toMatchObject({ ending: { reason: 'no ACK' } });
    expect(step({ name: 'permitting' }, events['permit-refused']).next).toMatchObject({
      ending: { reason: 'used up', retryAfterMs: 5 },
    });
    expect(step(states['dialing to resume'], events['not-opened']).next).toMatchObject({
      ending: { reason: 'refused' },
    });
  });
});

describe('deadlines', () => {
  it('stand in every state in which the platform owes an answer, and in no other', () => {
    const due = Object.fromEntries(stateNames.map((name) => [states[name].name, dueIn(states[name])]));
    expect(due).toEqual({
      dialing: 'dial',
      greeting: 'answer',
      permitting: 'answer',
      identifying: 'answer',
      leaving: 'last-answer',
      resuming: 'answer',
      replaying: 'answer',
      live: null,
      refused: 'close-frame',
      ended: null,
    });
  });
});
