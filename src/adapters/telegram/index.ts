/** The Telegram adapter: the contract of `adapter.ts`, put together from the files beside this one. */
import { FatalError } from '../../errors.ts';
import type { Adapter, Capabilities, HoldContext, SenderContext } from '../adapter.ts';
import { addressNamed } from './address.ts';
import { createTelegramApi, type TelegramApi } from './api.ts';
import { diagnoseTelegram } from './diagnose.ts';
import { hold } from './hold.ts';
import { readTelegramOptions, type TelegramOptions } from './options.ts';
import { createTelegramSender } from './outbound.ts';
import { UPDATES_KEPT_MS } from './protocol.ts';

const capabilities: Capabilities = {
  family: 'long-poll',
  // Two pollers of one bot cut each other off, and both confirm what they receive.
  sharing: 'exclusive',
  cursor: 'offset',
  replay: 'replayable',
  replayWindowMs: UPDATES_KEPT_MS,
  gaps: [
    'nobody polled for 24 h or longer',
    'what waited was thrown away on purpose (`dropPending`, before the very first poll)',
  ],
  silentLosses: [
    'what a rival poller or a webhook took while it held the token; status names the conflict',
    'what came while more than 100,000 updates were waiting',
    'kinds of updates that are not asked for',
  ],
  acknowledgement: 'cumulative-next-call',
  ordering: 'total',
  pause: 'pause-poll',
  // Longer than the platform keeps anything.
  dedupeWindowMs: UPDATES_KEPT_MS + 3_600_000,
  receives: ['attachments', 'buttons', 'edits', 'topics'],
  sends: ['markup', 'quotes', 'topics', 'typing'],
  sendIdempotency: 'none',
  sendNeedsConnection: false,
  replyLimits: [],
  maxTextLength: 4_096,
};

/** One per process. Secrets it wants: `token`. */
export function createTelegramAdapter(): Adapter {
  const connect = (context: HoldContext | SenderContext): { options: TelegramOptions; api: TelegramApi } => {
    const options = readTelegramOptions(context.options);
    const { token = '' } = context.secrets;
    if (token === '') {
      throw new FatalError('CREDENTIAL_MISSING', 'telegram: token is missing; @BotFather shows it');
    }
    const { apiBaseUrl } = options;
    return { options, api: createTelegramApi({ http: context.transport.http, apiBaseUrl, token }) };
  };

  return {
    platform: 'telegram',
    capabilities,
    accountOf: (options) => readTelegramOptions(options).botId,
    names: (conversation) => addressNamed(conversation) !== null,
    async hold(context) {
      await hold(context, connect(context));
    },
    diagnose: (context, options) => diagnoseTelegram(context, () => connect(context), options),
    createSender: (context) => createTelegramSender(connect(context)),
  };
}
