/** What a Telegram connection can be configured with. The only place where its defaults stand. */
import { z } from 'zod';
import { ConfigError } from '../../errors.ts';
import type { JsonValue } from '../../model.ts';
import { LONGEST_POLL_MS } from './protocol.ts';

export const telegramOptionsSchema = z.object({
  /** The number before the colon of the token: the bot's user id. Not secret. */
  botId: z.string().regex(/^\d{1,20}$/, 'must be the digits before the colon of the bot token'),
  apiBaseUrl: z.url({ protocol: /^https?$/ }).default('https://api.telegram.org'),
  /** Longest wait of one poll, ms; whole seconds are asked for. */
  pollMs: z.int().min(1_000).max(LONGEST_POLL_MS).default(25_000),
  /** Which messages of groups and channels reach the agent; the others are kept aside. */
  groups: z.enum(['mentions', 'all', 'ignore']).default('mentions'),
  /** How the agent's answers are read. */
  format: z.enum(['markdown', 'plain']).default('markdown'),
  /** In which markup they are sent. */
  parseMode: z.enum(['HTML', 'MarkdownV2']).default('HTML'),
  /** A send of which nobody knows whether it arrived: kept as a dead letter, or sent again. */
  onUnknownSend: z.enum(['at-most-once', 'at-least-once']).default('at-most-once'),
  /** On the very first hold, throw away what waited at the platform. */
  dropPending: z.boolean().default(false),
  /** Remove a webhook that is set, instead of waiting for a person to do it. */
  deleteWebhook: z.boolean().default(false),
  /** After repeated conflicts with a rival or a webhook: the least time between two tries, ms; at most twice that. */
  conflictRetryMs: z.int().min(10).max(600_000).default(30_000),
  /** Longest text of one message, UTF-16 units; the platform counts code points, of which there are never more. */
  maxTextLength: z.int().min(16).max(4_096).default(4_096),
  /** Bound of one send, ms. */
  sendTimeoutMs: z.int().min(100).max(120_000).default(15_000),
});

export type TelegramOptions = z.infer<typeof telegramOptionsSchema>;

/** @throws ConfigError with one line per problem, naming the key */
export function readTelegramOptions(options: JsonValue): TelegramOptions {
  const read = telegramOptionsSchema.safeParse(options);
  if (read.success) return read.data;
  throw new ConfigError(
    read.error.issues.map((issue) => `${issue.path.join('.') || 'telegram options'}: ${issue.message}`),
  );
}
