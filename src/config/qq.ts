/** Options of a connection to the QQ Bot platform. Facts: tencent-connect/bot-docs, docs/develop/api-v2, read 2026-11-22. */
import { z } from 'zod';
import { type ConfiguredConnection, connectionKeys } from './connection.ts';
import { count, durationMs, httpUrl, keysOf, oneOf, text } from './fields.ts';

/** @see tencent-connect/bot-docs, dev-prepare/interface-framework/event-emit.md */
const QQ_INTENTS = {
  GUILDS: 1 << 0,
  GUILD_MEMBERS: 1 << 1,
  GUILD_MESSAGES: 1 << 9,
  GUILD_MESSAGE_REACTIONS: 1 << 10,
  DIRECT_MESSAGE: 1 << 12,
  OPEN_FORUMS_EVENT: 1 << 18,
  AUDIO_OR_LIVE_CHANNEL_MEMBER: 1 << 19,
  GROUP_MEMBER_EVENT: 1 << 24,
  GROUP_AND_C2C_EVENT: 1 << 25,
  INTERACTION: 1 << 26,
  MESSAGE_AUDIT: 1 << 27,
  FORUMS_EVENT: 1 << 28,
  AUDIO_ACTION: 1 << 29,
  PUBLIC_GUILD_MESSAGES: 1 << 30,
} as const;

type IntentName = keyof typeof QQ_INTENTS;
const intentNames = Object.keys(QQ_INTENTS) as [IntentName, ...IntentName[]];
/** What any bot may ask for: one intent that was not granted makes the platform refuse the whole session. */
const DEFAULT_INTENTS: IntentName[] = ['DIRECT_MESSAGE', 'GROUP_AND_C2C_EVENT', 'INTERACTION', 'PUBLIC_GUILD_MESSAGES'];

const freshIdentify = z
  .union(
    [
      z.literal(false),
      keysOf({
        afterMs: durationMs(48 * 3_600_000, 'Age of a session from which it is replaced.', {
          least: 1_000,
          most: 30 * 86_400_000,
        }),
        quietMs: durationMs(600_000, 'Silence of the users that must have passed first.', {
          least: 100,
          most: 86_400_000,
        }),
      }),
    ],
    { error: 'must be false, or a group of keys: { afterMs: 172800000, quietMs: 600000 }' },
  )
  .prefault({})
  .describe(
    'Planned new session for old ones, in a quiet moment; what arrives in between is lost and recorded as a gap. false: never.',
  );

const qqSchema = keysOf(
  {
    ...connectionKeys('qq-main'),
    platform: z.literal('qq').describe('The QQ Bot platform.'),
    lateReply: oneOf(
      ['active', 'drop'],
      'A reply whose window has passed: sent as a message of its own, or kept as a dead letter.',
    ).default('active'),
    appId: z
      .string({ error: ({ input }) => appIdProblem(input) })
      .regex(/^\d{1,20}$/, { error: 'must be digits in quotes, as the QQ bot console shows them: appId: "102000000"' })
      .describe('App id of the bot; always in quotes.'),
    clientSecret: text('App secret of the bot.', 'clientSecret: ${QQ_CLIENT_SECRET}, or clientSecretFile'),
    apiBaseUrl: httpUrl('Base URL of the OpenAPI.', 'https://api.sgroup.qq.com').default('https://api.sgroup.qq.com'),
    tokenUrl: httpUrl('Where access tokens are fetched.', 'https://bots.qq.com/app/getAppAccessToken').default(
      'https://bots.qq.com/app/getAppAccessToken',
    ),
    gatewayHosts: z
      .array(
        z.string().regex(/^(?:[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,20}|[0-9a-f:]{2,39})$/i, {
          error: 'must be the name or address of a host, without scheme, port or brackets: gw.example.com',
        }),
        { error: 'must be a list of hosts: [gw.example.com]' },
      )
      .max(20, { error: 'must be at most 20 hosts' })
      .optional()
      .describe(
        'Hosts that the API may name as gateway, besides those of its own registrable domain; for a relay of your own.',
      ),
    intents: z
      .union(
        [
          z
            .int()
            .min(1)
            .max(2 ** 31 - 1),
          z.array(z.enum(intentNames)).min(1),
        ],
        {
          error: `must be a number, or a list of: ${intentNames.join(', ')}`,
        },
      )
      .default(DEFAULT_INTENTS)
      .transform((intents) =>
        typeof intents === 'number' ? intents : intents.reduce((sum, name) => sum | QQ_INTENTS[name], 0),
      )
      .describe('Kinds of events to ask for: names, or the sum of their bits.'),
    groups: oneOf(
      ['mentions', 'all', 'ignore'],
      'Messages of groups and guild channels for the agent: those that mention or answer the bot; all that the platform delivers; none.',
    ).default('mentions'),
    freshIdentify,
    pingEveryMs: durationMs(8_000, 'How often a WebSocket ping tests the socket.', { least: 10, most: 300_000 }),
    pongDeadlineMs: durationMs(4_000, 'A ping without an answer after this ends the socket.', {
      least: 50,
      most: 120_000,
    }),
    sendTimeoutMs: durationMs(10_000, 'Bound of one send; QQ asks for at least 5 s.', { least: 100, most: 120_000 }),
    maxReplyChars: count(2_000, 'Longest text of one message; longer replies are split.', { least: 100, most: 10_000 }),
  },
  {
    token: 'is the retired way to log in; use clientSecret',
  },
).check((context) => {
  const { pingEveryMs, pongDeadlineMs, freshIdentify: fresh } = context.value;
  if (pongDeadlineMs >= pingEveryMs) {
    const message = `is ${pongDeadlineMs}, and must be less than pingEveryMs (${pingEveryMs}); lower pongDeadlineMs or raise pingEveryMs`;
    context.issues.push({ code: 'custom', input: undefined, path: ['pongDeadlineMs'], message });
  }
  if (fresh !== false && fresh.quietMs >= fresh.afterMs) {
    const message = `is ${fresh.quietMs}, and must be less than afterMs (${fresh.afterMs}); lower quietMs or raise afterMs`;
    context.issues.push({ code: 'custom', input: undefined, path: ['freshIdentify', 'quietMs'], message });
  }
});

export const qqConnection = qqSchema.transform((connection): ConfiguredConnection => {
  const { id, platform, enabled, lateReply, proxy, clientSecret, maxReplyChars, gatewayHosts, ...own } = connection;
  return {
    id,
    platform,
    enabled,
    lateReply,
    options: {
      ...own,
      maxTextLength: maxReplyChars,
      // Left out where it is not configured: the fingerprint of a connection outlives an upgrade.
      ...(gatewayHosts === undefined ? {} : { gatewayHosts }),
    },
    secrets: { clientSecret },
    proxy,
    urls: { apiBaseUrl: own.apiBaseUrl, tokenUrl: own.tokenUrl },
  };
});

function appIdProblem(input: unknown): string {
  if (typeof input !== 'number') return 'is missing; add appId: "102000000"';
  // YAML has rounded a large id already, so it is not repeated.
  const shown = Number.isSafeInteger(input) ? String(input) : '…';
  return `must be text, and YAML reads digits as a number; put it in quotes: appId: "${shown}"`;
}
