import type { Capabilities } from '../../src/adapters/adapter.ts';

/** Of an adapter that exists for a test: whatever matters there is said beside it. */
export const ANY_CAPABILITIES: Capabilities = {
  family: 'websocket',
  sharing: 'exclusive',
  cursor: 'session',
  replay: 'replayable',
  replayWindowMs: null,
  gaps: [],
  silentLosses: [],
  acknowledgement: 'implicit-session',
  ordering: 'per-conversation',
  pause: 'pause-socket',
  dedupeWindowMs: 3_600_000,
  receives: [],
  sends: [],
  sendIdempotency: 'key-on-replies',
  sendNeedsConnection: false,
  replyLimits: [],
  maxTextLength: 1_000,
};
