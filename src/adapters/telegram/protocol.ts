/**
 * Facts of the Bot API and nothing else: names, limits, and what a refusal means.
 *
 * Sources, all read on 2026-11-22: the server itself (tdlib/telegram-bot-api, `Client.cpp`, `ClientManager.cpp`; its queue
 * tdlib/td, `TQueue.cpp`), and the reference as carried by the npm package `@grammyjs/types`.
 */
import { z } from 'zod';

/**
 * What we ask to be told. Sent with the first poll of each run, because a list that is left out stays as whoever polled
 * before has set it, across processes. A kind that is not on it is not even stored by the platform.
 *
 * @see tdlib/telegram-bot-api, `Client::get_allowed_update_types`
 */
export const ALLOWED_UPDATES = [
  'message',
  'edited_message',
  'channel_post',
  'edited_channel_post',
  'callback_query',
  'my_chat_member',
] as const;

/** Longest wait of one getUpdates that the platform grants, ms. @see tdlib/telegram-bot-api, `LONG_POLL_MAX_TIMEOUT` */
export const LONGEST_POLL_MS = 50_000;
/** A poll shorter than this, soon after one with the same offset, is stretched to it, ms. @see `Client.cpp` */
export const LEAST_REPEATED_POLL_MS = 3_000;
/** getUpdates takes whole seconds. */
export const TIMEOUT_UNIT_MS = 1_000;
/** Updates per answer, the platform's own maximum. */
export const POLL_LIMIT = 100;
/** How long the platform keeps what nobody has confirmed, ms; counted from each message's own date. */
export const UPDATES_KEPT_MS = 24 * 3_600_000;
/** Longest answer of getUpdates: the platform cuts batches at about 4 MiB. With room for its last update, bytes. */
export const LONGEST_ANSWER_BYTES = 16 * 1024 * 1024;
/** Longest raw text that is parsed for markup, bytes. */
export const LONGEST_MARKUP_BYTES = 32_768;
/** A shown "typing" lasts so long, ms. @see reference, sendChatAction */
export const CHAT_ACTION_MS = 5_000;
/** The General topic of a forum. It is written to without a thread id. @see tdlib/telegram-bot-api */
export const GENERAL_TOPIC = 1;

/**
 * New bots that one client address may bring to the platform: 20 a minute and 600 an hour, of which we take three
 * quarters. @see tdlib/telegram-bot-api, `ClientManager::send`
 */
export const NEW_BOT_LIMITS = [
  { count: 15, windowMs: 60_000 },
  { count: 450, windowMs: 3_600_000 },
] as const;

/**
 * - `credential`: the token is unknown, revoked or malformed
 * - `misdirected`: a self-hosted server takes only some tokens
 * - `rival`: somebody else polls with this token; `webhook`: one is set, which excludes polling
 * - `flood`: too much, too fast
 * - `server`: the server's bad minute, in its own words: it did nothing
 * - `gateway`: something before the server got no answer from it, whoever wrote the JSON: the call may have been carried out
 * - `markup`: the markup of a text cannot be parsed, and nothing was sent
 * - `too-long`; `blank`: nothing in it can be seen
 * - `moved`: the group has a new id; `target-gone`: blocked, kicked, deleted
 * - `place-gone`: the chat is there, but not the topic to write in, or the message to answer
 * - `late-answer`: a pressed button was answered too late
 * - `refused`: any other refusal for good
 */
export type RefusalClass =
  | 'credential'
  | 'misdirected'
  | 'rival'
  | 'webhook'
  | 'flood'
  | 'server'
  | 'gateway'
  | 'markup'
  | 'too-long'
  | 'blank'
  | 'moved'
  | 'target-gone'
  | 'place-gone'
  | 'late-answer'
  | 'refused';

interface RefusalRule {
  /** One code, or all from `from` to `to`. */
  readonly code: number | { readonly from: number; readonly to: number };
  /** Found in the description; left out: any. */
  readonly says?: RegExp;
  readonly class: RefusalClass;
}

/**
 * The first rule that fits decides. Descriptions are matched without case.
 *
 * The server itself answers 500 when it did nothing; 502, 503 and 504 come from what stands before it and say nothing
 * about the call, also where their body has the API's form (tdlib/telegram-bot-api #868, openclaw/openclaw PR #41932).
 *
 * @see tdlib/telegram-bot-api, `Client::fail_query` and its callers; td, `MessageEntity.cpp` for "can't parse entities";
 *   the upper-case names are those of the layer below, which the server passes on where it has no words of its own
 */
const REFUSAL_RULES: readonly RefusalRule[] = [
  {
    code: 400,
    says: /can't parse|can't find end|(unsupported|unclosed|unmatched|unexpected) (start|end) tag|entit(y|ies)_/i,
    class: 'markup',
  },
  { code: 400, says: /upgraded to a supergroup/i, class: 'moved' },
  { code: 400, says: /(message|caption|text) is too long|message_too_long/i, class: 'too-long' },
  { code: 400, says: /text must be non-empty|text is empty|message_empty/i, class: 'blank' },
  {
    code: 400,
    says: /thread not found|topic[_ ](deleted|closed|not[_ ]found|id_invalid)|thread_id_invalid|(reply|replied) message not found|message to (be replied|reply) not found|reply_message_id_invalid/i,
    class: 'place-gone',
  },
  { code: 400, says: /query is too old|query id is invalid/i, class: 'late-answer' },
  { code: 401, class: 'credential' },
  { code: 403, class: 'target-gone' },
  // "Not Found: method not found" is a mistake of ours; the bare form is a token or path nobody knows.
  { code: 404, says: /method not found/i, class: 'refused' },
  { code: 404, class: 'credential' },
  { code: 409, says: /webhook/i, class: 'webhook' },
  { code: 409, class: 'rival' },
  { code: 413, class: 'too-long' },
  { code: 421, class: 'misdirected' },
  { code: 420, class: 'flood' },
  { code: 429, class: 'flood' },
  { code: 500, class: 'server' },
  { code: { from: 501, to: 599 }, class: 'gateway' },
];

/** Whoever has no rule is refused for good. */
export function classify(code: number, description: string): RefusalClass {
  const fits = (rule: RefusalRule) =>
    (typeof rule.code === 'number' ? rule.code === code : code >= rule.code.from && code <= rule.code.to) &&
    (rule.says === undefined || rule.says.test(description));
  return REFUSAL_RULES.find(fits)?.class ?? 'refused';
}

/** An id: some exceed 32 bits, all are below 2^53. */
const id = z.int();

export const envelope = z.looseObject({
  ok: z.boolean(),
  result: z.unknown().optional(),
  error_code: z.int().optional(),
  description: z.string().optional().catch(undefined),
  parameters: z
    .looseObject({
      retry_after: z.number().nonnegative().optional().catch(undefined),
      migrate_to_chat_id: id.optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
});

export const me = z.object({
  id,
  username: z.string().optional().catch(undefined),
});

export type Me = z.infer<typeof me>;

export const webhookInfo = z.looseObject({
  url: z.string().catch(''),
  pending_update_count: z.number().catch(0),
});

/** Only the id is required: whatever else an update is, it must be stored and passed over. */
export const update = z.looseObject({
  // The offset after it must still be a number that is kept exactly.
  update_id: z
    .int()
    .nonnegative()
    .max(Number.MAX_SAFE_INTEGER - 1),
});

export type Update = z.infer<typeof update>;
