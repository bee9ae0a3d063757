/** Options of a connection to the Telegram Bot API. Facts: tdlib/telegram-bot-api, read 2026-11-22. */
import { z } from 'zod';
import { type ConfiguredConnection, connectionKeys } from './connection.ts';
import { count, durationMs, httpUrl, keysOf, oneOf, text, yesOrNo } from './fields.ts';
import { LEFT_OUT } from './left-out.ts';

/** `<bot id>:<secret>`, as @BotFather shows it. */
const TOKEN_PATTERN = /^(\d{1,20}):[A-Za-z0-9_-]+$/;

const telegramSchema = keysOf(
  {
    ...connectionKeys('tg-main'),
    platform: z.literal('telegram').describe('The Telegram Bot API.'),
    token: text('Token of the bot, from @BotFather.', 'token: ${TELEGRAM_BOT_TOKEN}, or tokenFile').refine(
      (token) => token === LEFT_OUT || TOKEN_PATTERN.test(token),
      { error: 'is no bot token; copy it whole from @BotFather: digits, a colon, letters and digits' },
    ),
    apiBaseUrl: httpUrl('Base URL of the Bot API.', 'https://api.telegram.org').default('https://api.telegram.org'),
    pollMs: durationMs(25_000, 'How long one poll waits for news; in whole seconds.', { least: 1_000, most: 50_000 }),
    groups: oneOf(
      ['mentions', 'all', 'ignore'],
      'Messages of groups and channels for the agent: those that mention, command or answer the bot; all; none.',
    ).default('mentions'),
    format: oneOf(['markdown', 'plain'], "How the agent's answers are read.").default('markdown'),
    parseMode: oneOf(['HTML', 'MarkdownV2'], "The platform's markup in which they are sent.").default('HTML'),
    onUnknownSend: oneOf(
      ['at-most-once', 'at-least-once'],
      'A send of which nobody knows whether it arrived: kept as a dead letter, or sent again at the risk of a second copy.',
    ).default('at-most-once'),
    dropPending: yesOrNo(
      false,
      'Before the very first poll: throw away what waits at the platform. Recorded as a gap.',
    ),
    deleteWebhook: yesOrNo(false, 'Remove a webhook that is set; polling is impossible beside one.'),
    conflictRetryMs: durationMs(
      30_000,
      'Least time between two tries while a rival polls or a webhook is set; at most twice that.',
      { least: 100, most: 600_000 },
    ),
    sendTimeoutMs: durationMs(15_000, 'Bound of one send.', { least: 100, most: 120_000 }),
    maxReplyChars: count(4_096, 'Longest text of one message; longer replies are split.', { least: 100, most: 4_096 }),
  },
  { clientSecret: 'belongs to QQ; use token', appId: 'belongs to QQ; use token' },
);

export const telegramConnection = telegramSchema.transform((connection): ConfiguredConnection => {
  const { id, platform, enabled, proxy, token, maxReplyChars, ...own } = connection;
  // The number before the colon is the bot's public user id.
  const [, botId = '0'] = TOKEN_PATTERN.exec(token) ?? [];
  return {
    id,
    platform,
    enabled,
    // No reply can come too late, so it does not matter what would become of one.
    lateReply: 'active',
    options: { ...own, botId, maxTextLength: maxReplyChars },
    secrets: { token },
    proxy,
    urls: { apiBaseUrl: own.apiBaseUrl },
  };
});
