/** What a socket says, as events for the state machine. Pure; what makes no sense is told apart, never thrown. */
import { explain } from '../../errors.ts';
import type { WebSocketEnd } from '../../http/web-socket.ts';
import { numberAt } from '../json-scan.ts';
import { readFrame, readySchema } from './protocol.ts';
import type { SocketEvent } from './state.ts';

/** No chat message is that long; such a frame is kept aside, cut, and passed over. UTF-16 units. */
const LONGEST_FRAME = 1024 * 1024;

export type Said =
  /** `oddity`: understood, but to be told in the log; `null` as a rule. */
  | { readonly kind: 'event'; readonly event: SocketEvent; readonly oddity: string | null }
  /** `s`: the place it holds in the session's numbering, if any. */
  | { readonly kind: 'malformed'; readonly why: string; readonly s: number | null };

/**
 * Whatever goes wrong while a frame is read is that frame's trouble alone.
 *
 * @param receivedAt - wall clock, ms since the epoch
 */
export function readText(raw: string, receivedAt: number): Said {
  try {
    return understand(raw, receivedAt);
  } catch (error) {
    return { kind: 'malformed', why: `it could not be read: ${explain(error)}`, s: numberAt(raw, 's') };
  }
}

function understand(raw: string, receivedAt: number): Said {
  if (raw.length > LONGEST_FRAME) {
    return { kind: 'malformed', why: `a frame of ${raw.length} characters`, s: numberAt(raw, 's') };
  }
  const frame = readFrame(raw);
  switch (frame.kind) {
    case 'malformed':
      return frame;
    case 'hello':
      return said(
        { type: 'hello', heartbeatEveryMs: frame.heartbeatEveryMs },
        frame.odd ? `Hello without a usable interval: beating every ${frame.heartbeatEveryMs} ms` : null,
      );
    case 'ack':
      return said({ type: 'ack' });
    case 'beat-wanted':
      return said({ type: 'beat-wanted' });
    case 'reconnect':
      return said({ type: 'reconnect-wanted' });
    case 'invalid-session':
      return said({ type: 'invalid-session', resumable: frame.resumable });
    case 'dispatch':
      break;
    default:
      return frame satisfies never;
  }
  const { t, d } = frame;
  const received = { dispatch: frame, raw, receivedAt };
  if (t === 'RESUMED') return said({ type: 'resumed', received });
  if (t !== 'READY') return said({ type: 'dispatch', received });
  const ready = readySchema.safeParse(d);
  if (ready.success) return said({ type: 'ready', received, ready: ready.data });
  return { kind: 'malformed', why: 'READY without a session id', s: null };
}

export function readEnd(end: WebSocketEnd): SocketEvent {
  if (end.kind === 'not-opened') return { type: 'not-opened', reason: explain(end.error) };
  return { type: 'closed', code: end.code, reason: end.error === null ? end.reason : end.error.message };
}

function said(event: SocketEvent, oddity: string | null = null): Said {
  return { kind: 'event', event, oddity };
}
