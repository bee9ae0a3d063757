/** The QQ adapter: the contract of `adapter.ts`, put together from the files beside this one. */

import type { Clock } from '../../async/clock.ts';
import { FatalError } from '../../errors.ts';
import { createHttpClient, type HttpClient } from '../../http/client.ts';
import type { Logger } from '../../log.ts';
import type { Adapter, Capabilities, Secrets } from '../adapter.ts';
import { createQqApi, type QqApi } from './api.ts';
import { createTokenProvider, type TokenProvider } from './auth.ts';
import { hold } from './hold.ts';
import { type QqOptions, readQqOptions } from './options.ts';
import { createQqSender } from './outbound.ts';

const capabilities: Capabilities = {
  // Two connections of one bot are not refused; each session gets every event, and two resumers of one kick each other.
  sharing: 'exclusive-per-slot',
  cursor: 'session',
  replay: 'replayable',
  // "A short time" in the documents; more than 9 minutes were seen (openclaw/openclaw PR #77067).
  replayWindowMs: null,
  acknowledgement: 'implicit-session',
  ordering: 'per-conversation',
  pause: 'pause-socket',
  // Sessions were resumed for 30 h (NousResearch/hermes-agent #19821); replays reach back no further than their session.
  dedupeWindowMs: 48 * 3_600_000,
  sendIdempotency: 'key-on-replies',
  sendNeedsConnection: false,
  maxTextLength: 2_000,
};

export interface QqAdapterDeps {
  /** @defaultValue a client of its own, shared by all QQ connections of the process */
  readonly http?: HttpClient;
}

/**
 * One per process. Secrets it wants: `clientSecret`.
 */
export function createQqAdapter({ http = createHttpClient() }: QqAdapterDeps = {}): Adapter {
  const tokens = new Map<string, { readonly clientSecret: string; readonly provider: TokenProvider }>();

  /** Access tokens are shared by all connections of one bot; a changed secret starts anew. */
  const tokensOf = (options: QqOptions, clientSecret: string, clock: Clock, log: Logger): TokenProvider => {
    const { appId, tokenUrl } = options;
    const key = `${appId} ${tokenUrl}`;
    const known = tokens.get(key);
    if (known?.clientSecret === clientSecret) return known.provider;
    const provider = createTokenProvider({ http, tokenUrl, appId, clientSecret, clock, log });
    tokens.set(key, { clientSecret, provider });
    return provider;
  };
  const connect = (context: { options: unknown; secrets: Secrets; clock: Clock; log: Logger }, options: QqOptions) => {
    const { clientSecret = '' } = context.secrets;
    if (clientSecret === '') {
      throw new FatalError('CREDENTIAL_MISSING', 'qq: clientSecret is missing; it stands in the QQ bot console');
    }
    const provider = tokensOf(options, clientSecret, context.clock, context.log);
    const { apiBaseUrl, appId } = options;
    const api: QqApi = createQqApi({ http, tokens: provider, apiBaseUrl, appId });
    return { options, tokens: provider, api };
  };

  return {
    platform: 'qq',
    capabilities,
    accountOf: (options) => readQqOptions(options).appId,
    async hold(context) {
      await hold(context, connect(context, readQqOptions(context.options)));
    },
    createSender(context) {
      const options = readQqOptions(context.options);
      const { api } = connect(context, options);
      return createQqSender({ api, options });
    },
  };
}
