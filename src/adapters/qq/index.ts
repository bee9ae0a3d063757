/** The QQ adapter: the contract of `adapter.ts`, put together from the files beside this one. */

import { FatalError } from '../../errors.ts';
import type { Adapter, Capabilities, SenderContext } from '../adapter.ts';
import { addressNamed } from './address.ts';
import { createQqApi, type QqApi } from './api.ts';
import { createTokenProvider, newTokenCache, type TokenCache } from './auth.ts';
import { diagnoseQq } from './diagnose.ts';
import { hold } from './hold.ts';
import { REPLY_LIMITS } from './inbound.ts';
import { type QqOptions, readQqOptions } from './options.ts';
import { createQqSender } from './outbound.ts';

const capabilities: Capabilities = {
  family: 'websocket',
  // Two connections of one bot are not refused; each session gets every event, and two resumers of one kick each other.
  sharing: 'exclusive-per-slot',
  cursor: 'session',
  replay: 'replayable',
  // "A short time" in the documents; more than 9 minutes were seen (openclaw/openclaw PR #77067).
  replayWindowMs: null,
  gaps: [
    'the platform gives up the session: by its own fault, or after too long an absence',
    'an old session is replaced on purpose (`freshIdentify`, after 48 h, at a quiet moment)',
    'the kinds of events asked for (`intents`) were changed',
    'the platform skips numbers in a session',
  ],
  silentLosses: [
    'what was written before the very first session was stored, which is when the connection is called live',
  ],
  acknowledgement: 'implicit-session',
  ordering: 'per-conversation',
  pause: 'pause-socket',
  // Sessions were resumed for 30 h (NousResearch/hermes-agent #19821); replays reach back no further than their session.
  dedupeWindowMs: 48 * 3_600_000,
  receives: ['attachments', 'buttons'],
  sends: [],
  sendIdempotency: 'key-on-replies',
  sendNeedsConnection: false,
  replyLimits: REPLY_LIMITS,
  maxTextLength: 2_000,
};

type Connecting = Pick<SenderContext, 'secrets' | 'transport' | 'clock' | 'log'>;

/**
 * One per process. Secrets it wants: `clientSecret`.
 */
export function createQqAdapter(): Adapter {
  const caches = new Map<string, { readonly clientSecret: string; readonly cache: TokenCache }>();

  /** Access tokens are shared by all connections of one bot; a changed secret starts anew. */
  const cacheOf = ({ appId, tokenUrl }: QqOptions, clientSecret: string): TokenCache => {
    const key = `${appId} ${tokenUrl}`;
    const known = caches.get(key);
    if (known?.clientSecret === clientSecret) return known.cache;
    const cache = newTokenCache();
    caches.set(key, { clientSecret, cache });
    return cache;
  };
  const connect = ({ secrets, transport, clock, log }: Connecting, options: QqOptions) => {
    const { clientSecret = '' } = secrets;
    if (clientSecret === '') {
      throw new FatalError('CREDENTIAL_MISSING', 'qq: clientSecret is missing; it stands in the QQ bot console');
    }
    const { tokenUrl, appId } = options;
    const { http } = transport;
    const cache = cacheOf(options, clientSecret);
    const tokens = createTokenProvider({ http, tokenUrl, appId, clientSecret, clock, log, cache });
    const api: QqApi = createQqApi({ http, tokens, origin: options, appId });
    return { options, tokens, api };
  };

  return {
    platform: 'qq',
    capabilities,
    accountOf: (options) => readQqOptions(options).appId,
    names: (conversation) => addressNamed(conversation) !== null,
    async hold(context) {
      await hold(context, connect(context, readQqOptions(context.options)));
    },
    createSender(context) {
      const options = readQqOptions(context.options);
      const { api } = connect(context, options);
      return createQqSender({ api, options });
    },
    async diagnose(context, options) {
      return await diagnoseQq(context, () => connect(context, readQqOptions(context.options)), options);
    },
    async warm(context, { signal }) {
      await connect(context, readQqOptions(context.options)).tokens.get({ signal });
    },
  };
}
