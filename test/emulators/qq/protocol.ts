/**
 * The QQ Bot facts this emulator enforces. They are written down a second time, on purpose: were they imported from the
 * adapter under test, emulator and adapter would share one misunderstanding and no test could see it.
 *
 * Sources: tencent-connect/bot-docs (`docs/develop/api-v2`, main of 2025-04-21), the 2026 wiki `bot.q.qq.com/wiki`,
 * and the source of tencent-connect/botgo; all read 2026-11-22. What is only inferred says so.
 */

/** bot-docs, dev-prepare/interface-framework/opcode.md */
export const Op = {
  Dispatch: 0,
  Heartbeat: 1,
  Identify: 2,
  Resume: 6,
  Reconnect: 7,
  InvalidSession: 9,
  Hello: 10,
  HeartbeatAck: 11,
} as const;

/** bot-docs, dev-prepare/error-trace/websocket.md; 4003, 4004 and 4005 are known from botgo's constants only. */
export const CloseCode = {
  InvalidOpcode: 4001,
  InvalidPayload: 4002,
  NotAuthenticated: 4003,
  AuthenticationFailed: 4004,
  AlreadyAuthenticated: 4005,
  InvalidSession: 4006,
  WrongSeq: 4007,
  TooFast: 4008,
  TimedOut: 4009,
  InvalidShard: 4010,
  InvalidIntents: 4013,
  IntentsNotGranted: 4014,
  /** "reset by resume", seen in tencent-connect/bot-node-sdk #94 */
  ResetByResume: 4902,
  /** "create session error", seen in tencent-connect/openclaw-qqbot #18 */
  CreateSessionError: 4903,
} as const;

/** The words the platform puts into the close frame, where a log shows them. */
export const closeReasons: Readonly<Record<number, string>> = {
  4009: 'Session timed out',
  4902: 'reset by resume',
  4903: 'create session error',
};

/** Codes of `POST /app/getAppAccessToken`; the HTTP status is 200 all the same. Wiki: develop/api-v2/access-token. */
export const TokenCode = {
  TooManyRequests: 100001,
  InternalError: 100002,
  AppIdInvalid: 100007,
  SecretInvalid: 100016,
} as const;

/** OpenAPI error codes. bot-docs, dev-prepare/error-trace/openapi.md and the wiki's openapi/error/error. */
export const ApiCode = {
  TokenMissing: 11241,
  TokenInvalid: 11244,
  OldTokenScheme: 11245,
  WrongAppId: 11251,
  TargetUnknown: 40011028,
  IpNotListed: 11298,
  ContentMismatch: 22006,
  EmptyMessage: 50006,
  NotConnected: 304018,
  AuditPush: 304023,
  AuditReply: 304024,
  GuildMsgIdInvalid: 304026,
  GuildMsgIdExpired: 304027,
  GuildActiveQuota: 304045,
  MsgIdInvalid: 40034024,
  EventIdInvalid: 40034025,
  EventIdExpired: 40034026,
  EventNotRepliable: 40034027,
  ActiveRateLimit: 40034100,
  ActiveNotPermitted: 40034105,
  PassiveOver: 40034128,
  DuplicateSeq: 40054005,
  TooLong: 40054007,
  UrlRefused: 40054010,
  GuildUrlRefused: 304003,
} as const;

/** Intent bits (bot-docs, dev-prepare/interface-framework/event-emit.md). */
export const Intent = {
  Guilds: 1 << 0,
  GuildMembers: 1 << 1,
  GuildMessages: 1 << 9,
  GuildMessageReactions: 1 << 10,
  DirectMessage: 1 << 12,
  OpenForums: 1 << 18,
  AudioLiveMember: 1 << 19,
  EnterAio: 1 << 23,
  GroupMember: 1 << 24,
  GroupAndC2c: 1 << 25,
  Interaction: 1 << 26,
  MessageAudit: 1 << 27,
  Forums: 1 << 28,
  AudioAction: 1 << 29,
  PublicGuildMessages: 1 << 30,
} as const;

export const allIntents = Object.values(Intent).reduce((mask, bit) => mask | bit, 0);

/** Everything but the private-domain bits 9 and 28, which a public bot has to apply for. */
export const publicIntents = allIntents & ~(Intent.GuildMessages | Intent.Forums);

const eventsByIntent: ReadonlyArray<readonly [bit: number, events: RegExp]> = [
  [Intent.Guilds, /^(GUILD|CHANNEL)_(CREATE|UPDATE|DELETE)$/],
  [Intent.GuildMembers, /^GUILD_MEMBER_/],
  [Intent.GuildMessages, /^MESSAGE_(CREATE|DELETE)$/],
  [Intent.GuildMessageReactions, /^MESSAGE_REACTION_/],
  [Intent.DirectMessage, /^DIRECT_MESSAGE_/],
  [Intent.OpenForums, /^OPEN_FORUM_/],
  [Intent.AudioLiveMember, /^AUDIO_OR_LIVE_CHANNEL_MEMBER_/],
  [Intent.EnterAio, /^ENTER_AIO$/],
  [Intent.GroupMember, /^GROUP_(MEMBER_(ADD|REMOVE)|JOIN_REQUEST)$/],
  [Intent.GroupAndC2c, /^(C2C_|FRIEND_|GROUP_(AT_MESSAGE|MESSAGE|ADD_ROBOT|DEL_ROBOT|MSG_)|SUBSCRIBE_MESSAGE_STATUS)/],
  [Intent.Interaction, /^INTERACTION_CREATE$/],
  [Intent.MessageAudit, /^MESSAGE_AUDIT_/],
  [Intent.Forums, /^FORUM_/],
  [Intent.AudioAction, /^AUDIO_(START|FINISH|ON_MIC|OFF_MIC)$/],
  [Intent.PublicGuildMessages, /^(AT_MESSAGE_CREATE|PUBLIC_MESSAGE_DELETE)$/],
];

/** @returns the intent bit an event needs, or 0 for an event nobody has heard of: that one goes to every session. */
export function intentOf(event: string): number {
  return eventsByIntent.find(([, events]) => events.test(event))?.[0] ?? 0;
}

/** Events that may be answered with `event_id`, by scene. bot-docs, server-inter/message/send-receive/send.md. */
export const repliableEvents: Readonly<Record<Scene, RegExp>> = {
  c2c: /^(INTERACTION_CREATE|C2C_MSG_RECEIVE|FRIEND_ADD)$/,
  group: /^(INTERACTION_CREATE|GROUP_ADD_ROBOT|GROUP_MSG_RECEIVE|GROUP_MEMBER_ADD)$/,
  channel: /^(GUILD_MEMBER_|MESSAGE_REACTION_|FORUM_|INTERACTION_CREATE)/,
  dm: /^(GUILD_MEMBER_|MESSAGE_REACTION_|FORUM_|INTERACTION_CREATE)/,
};

/** Where a message lives: a private chat, a QQ group, a guild channel, a guild's direct messages. */
export type Scene = 'c2c' | 'group' | 'channel' | 'dm';

/** One event frame, as it stands in a session's log and on the wire. */
export interface DispatchFrame {
  readonly op: typeof Op.Dispatch;
  readonly id?: string;
  readonly s: number;
  readonly t: string;
  readonly d: unknown;
  /** Instead of `t`, `id` and `d`: what follows `"op":0,"s":N,` in the frame, as it goes over the wire. */
  readonly members?: string;
}

/** `shard_id = (guild_id >> 22) % num_shards` (bot-docs, openapi/wss/shard_url_get.md); events without a guild go to 0. */
export function shardOf(guildId: string | undefined, shards: number): number {
  if (guildId === undefined || !/^\d+$/.test(guildId)) return 0;
  return Number((BigInt(guildId) >> 22n) % BigInt(shards));
}

/** RFC 3339 with the platform's fixed +08:00, without fractions of a second, as on the wire. */
export function platformTimestamp(atMs: number): string {
  return `${new Date(atMs + 8 * 3_600_000).toISOString().slice(0, 19)}+08:00`;
}
