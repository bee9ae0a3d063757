/** What a QQ connection can be configured with. The only place where its defaults stand. */
import { z } from 'zod';
import { ConfigError } from '../../errors.ts';
import type { JsonValue } from '../../model.ts';
import { DEFAULT_INTENTS } from './protocol.ts';

export const qqOptionsSchema = z.object({
  /** The bot's app id from the QQ console: digits, as a string. */
  appId: z.string().regex(/^\d{1,20}$/, 'must be the app id from the QQ bot console, digits in quotes'),
  /** Base of the OpenAPI. Since August 2026 `https://api.bot.qq.com` answers, too. */
  apiBaseUrl: z.url({ protocol: /^https?$/ }).default('https://api.sgroup.qq.com'),
  tokenUrl: z.url({ protocol: /^https?$/ }).default('https://bots.qq.com/app/getAppAccessToken'),
  /** Hosts that may be named as gateway, besides those of `apiBaseUrl`'s registrable domain and the platform's own. */
  gatewayHosts: z.array(z.string().min(1)).optional(),
  /** Event classes to subscribe to, as the sum of their bits. Default: direct, C2C, group, interaction and public guild messages. */
  intents: z.int().min(1).max(0x7fffffff).default(DEFAULT_INTENTS),
  /** Which messages of groups and guild channels reach the agent; the others are kept aside. */
  groups: z.enum(['mentions', 'all', 'ignore']).default('mentions'),
  /** WebSocket ping interval, ms: short enough for idle proxies and for noticing a half-open socket soon. */
  pingEveryMs: z.int().min(10).max(3_600_000).default(8_000),
  /** How long a pong may take, ms. */
  pongDeadlineMs: z.int().min(10).max(3_600_000).default(4_000),
  /** Replace a session older than `afterMs` after `quietMs` without an event; `false` never does. */
  freshIdentify: z
    .union([
      z.literal(false),
      z.object({
        afterMs: z
          .int()
          .min(1)
          .default(48 * 3_600_000),
        quietMs: z.int().min(1).default(600_000),
      }),
    ])
    .default({ afterMs: 48 * 3_600_000, quietMs: 600_000 }),
  /** Longest text of one message, UTF-16 units. The platform's number is unpublished; 4000 to 5000 are in use elsewhere. */
  maxTextLength: z.int().min(100).max(10_000).default(2_000),
  /** Bound of one send, ms. The platform asks for at least 5 s. */
  sendTimeoutMs: z.int().min(100).max(120_000).default(10_000),
});

export type QqOptions = z.infer<typeof qqOptionsSchema>;

/** @throws ConfigError with one line per problem, naming the key */
export function readQqOptions(options: JsonValue): QqOptions {
  const read = qqOptionsSchema.safeParse(options);
  if (read.success) return read.data;
  throw new ConfigError(read.error.issues.map((issue) => `${issue.path.join('.') || 'qq options'}: ${issue.message}`));
}
