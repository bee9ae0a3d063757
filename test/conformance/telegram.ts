/** The Telegram emulator as the conformance suite wants it. */
import { createTelegramAdapter } from '../../src/adapters/telegram/index.ts';
import { startTelegram } from '../emulators/telegram/index.ts';
import type { ConformanceHarness } from './harness.ts';

const OPTIONS = { pollMs: 1_000, sendTimeoutMs: 400, conflictRetryMs: 3_000 };
/** Longer than any deadline. */
const DRIP_MS = 60_000;
const DAY_MS = 24 * 3_600_000;

export const telegramHarness: ConformanceHarness = {
  name: 'telegram',
  createAdapter: createTelegramAdapter,
  async startPlatform() {
    const telegram = await startTelegram();
    const bot = telegram.bot();
    const { token } = telegram;
    const [botId = ''] = token.split(':');
    const people = { first: bot.user(5, { firstName: 'Alice' }), second: bot.user(6, { firstName: 'Bob' }) };
    const poll = { method: 'getUpdates' } as const;
    const send = { method: 'sendMessage', times: 1 } as const;
    const options = { botId, apiBaseUrl: telegram.url, ...OPTIONS };
    return {
      options,
      otherAccount() {
        const account = { token: '700000002:the-other-secret' };
        const other = telegram.addBot(account);
        return {
          options: { ...options, botId: String(other.id) },
          secrets: account,
          say: (text) => String(other.say(7, text).updateId),
        };
      },
      secrets: { token },
      badOptions: { botId: 'seven' },
      dialTimeoutMs: 500,
      secretTexts: () => [token, token.slice(botId.length + 1)],
      say: (text, chat = 'first') => String(people[chat].say(text).updateId),
      seen: () => bot.delivered().map(({ text }) => text),
      acknowledged: () => new Set(bot.confirmed().map(String)),
      dials: () => telegram.journal.count('dial'),
      isHeard: () => bot.isPolling,
      summary: () => telegram.journal.summary(),
      faults: {
        dropConnections: () => void telegram.faults.dropSockets(),
        halfOpen: () => void telegram.faults.halfOpen(),
        swallowAttempts: (times) => void telegram.faults.pollHang({ times }),
        dripOnce: () => void telegram.faults.drip({ ...poll, times: 1, overMs: DRIP_MS }),
        garbleAttempts(times) {
          telegram.faults.html({ times: 1 });
          telegram.faults.brokenJson({ ...poll, times });
          telegram.faults.empty({ ...poll, times: 1, status: 200 });
        },
        limitAttempts() {
          telegram.faults.tooMany({ ...poll, times: 1, retryAfterS: 2 });
          return 2_000;
        },
        disappear: () => telegram.stop(),
        reappear: () => telegram.start(),
        revokeCredentials: () => telegram.faults.revokeToken(),
        restoreCredentials: () => telegram.faults.restoreToken(),
        loseHistory(advanceMs) {
          telegram.clock.advance(DAY_MS + 3_600_000);
          advanceMs(DAY_MS + 3_600_000);
        },
        repeat: () => void telegram.faults.duplicateInBatch(),
        disorder: () => void telegram.faults.reverseBatch(),
        // Kinds that are not asked for do not come; what a message holds is another matter.
        unknownEvent() {
          const message = { message_id: 77, date: telegram.clock.seconds(), chat: people.first.room.chat };
          bot.event('message', { ...message, feature_of_tomorrow: { is: 'telepathy' } });
        },
        malformedEvent: () => void bot.event('message', { message_id: 'no number', chat: null }),
        limitSend() {
          telegram.faults.tooMany({ ...send, retryAfterS: 2 });
          return 2_000;
        },
        loseSendAnswer: () => void telegram.faults.sendLost({ times: 1 }),
        hangSend: () => void telegram.faults.hang({ ...send, isApplied: true }),
        garbleSend: () => void telegram.faults.html(send),
      },
      [Symbol.asyncDispose]: () => telegram.close(),
    };
  },
};
