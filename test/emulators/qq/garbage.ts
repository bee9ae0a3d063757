/** Frames a client has to survive. */
import { randomUUID } from 'node:crypto';
import { Op } from './protocol.ts';
import type { Session } from './sessions.ts';

export type Garbage =
  | 'text'
  | 'json-array'
  | 'json-null'
  | 'empty'
  | 'binary'
  | 'no-op'
  | 'unknown-op'
  | 'unknown-event'
  | 'null-data'
  | 'string-timestamp'
  | 'broken-timestamp'
  | 'old-number'
  | 'unnumbered-event'
  | 'huge';

/** Two MB: above any default buffer, below what a client may refuse. */
const hugeBytes = 2 * 1024 * 1024;

export function garbageFrame(kind: Garbage, session: Session): string | Buffer {
  switch (kind) {
    case 'text':
      return 'surely no JSON {';
    case 'json-array':
      return '[1,2,3]';
    case 'json-null':
      return 'null';
    case 'empty':
      return '';
    case 'binary':
      return Buffer.from([0, 159, 146, 150, 255]);
    case 'no-op':
      return '{"d":{"hello":"world"}}';
    case 'unknown-op':
      return '{"op":99,"d":{"new":"feature"}}';
    case 'unknown-event':
      return event(session, 'FEATURE_OF_TOMORROW', { anything: [1, { deep: null }] });
    case 'null-data':
      return event(session, 'C2C_MESSAGE_CREATE', null);
    case 'string-timestamp':
      return event(session, 'FRIEND_ADD', { openid: 'FRIEND', timestamp: '1763800000' });
    case 'broken-timestamp':
      return event(session, 'C2C_MESSAGE_CREATE', {
        id: `ROBOT1.0_${randomUUID()}`,
        content: 'a message with the timestamp of a Go program',
        author: { user_openid: 'GO_USER', id: 'GO_USER' },
        timestamp: '2026-07-21 10:30:00.123 +0800 CST m=+0.000012',
      });
    case 'old-number': {
      // Numbers only ever grow; a frame with one far behind belongs to no place in the session.
      const frame = { op: Op.Dispatch, id: `FRIEND_ADD:${randomUUID()}`, s: 1, t: 'FRIEND_ADD' };
      return JSON.stringify({ ...frame, d: { openid: 'FRIEND', timestamp: 1_763_800_000 } });
    }
    case 'unnumbered-event': {
      const author = { user_openid: 'UNNUMBERED', id: 'UNNUMBERED' };
      const d = { id: `ROBOT1.0_${randomUUID()}`, content: 'a message without a place in the session', author };
      return JSON.stringify({ op: Op.Dispatch, id: `C2C_MESSAGE_CREATE:${randomUUID()}`, t: 'C2C_MESSAGE_CREATE', d });
    }
    case 'huge':
      return JSON.stringify({
        op: Op.Dispatch,
        ...numbered(session, 'FEATURE_OF_TOMORROW', { blob: 'x'.repeat(hugeBytes) }),
      });
    default:
      return kind satisfies never;
  }
}

function event(session: Session, t: string, d: unknown): string {
  return JSON.stringify(numbered(session, t, d));
}

function numbered(session: Session, t: string, d: unknown): object {
  return session.record(t, d, `${t}:${randomUUID()}`);
}
